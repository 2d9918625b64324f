import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import make_answer
from small import SMALL

from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import cut
from prefrl.feedback.comparison import Preferred
from prefrl.feedback.question import Question
from prefrl.rewards.foresight import Foresight
from prefrl.runs.files import json_values
from prefrl.training.alarms import Alarm, raised
from prefrl.training.learner import Learner
from prefrl.training.loop import train
from prefrl.training.signals import after_fit, before_fit

QUICK = RewardConfig(members=2, hidden=(32,), learning_rate=1e-2, max_epochs=30, patience=10, step_share=1.0)
OVERDONE = TrainConfig(
    "Overdone-v0",
    steps=16_000,
    labels=400,
    segment_length=10,
    rounds=12,
    explore_steps=1600,
    initial_share=0.3,
    selector="uniform",
    ppo=PPOConfig(
        n_envs=8,
        n_steps=50,
        batch_size=100,
        hidden=(16,),
        learning_rate=1e-2,
        final_learning_rate=1e-2,
        log_std_init=-1.0,
    ),
    reward_model=RewardConfig(members=2, hidden=(16,)),
)


def kinds(alarms: list[Alarm]) -> set[str]:
    return {alarm.kind for alarm in alarms}


def taught(
    choose: Callable[[int, Preferred], Preferred], broken: Callable[[Learner], None] | None = None, sessions: int = 6
) -> list[dict[str, Any]]:
    """Records of a run of `sessions` rounds with 25 answers each, which `choose` gives by number and truth."""
    learner = Learner(dataclasses.replace(SMALL, reward_model=QUICK))
    segments = cut(learner.explore(4000), SMALL.segment_length)
    rng, known, records = np.random.default_rng(0), [], []
    for round_index in range(sessions):
        new = []
        for seq in range(25 * round_index + 1, 25 * round_index + 26):
            left, right = (segments[i] for i in rng.choice(len(segments), 2, replace=False))
            best: Preferred = "left" if left.true_return > right.true_return else "right"
            new.append(make_answer(Question((left, right), id=seq), choose(seq, best), seq=seq))
        signals = before_fit(learner.ensemble, new, segments) if known else {}
        known += new
        recent = learner.explore(400)
        metrics = learner.learn_reward(round_index, known, recent, cut(recent, SMALL.segment_length))
        if broken:
            broken(learner)
        signals |= after_fit(learner.ensemble, known, segments)
        fitted = {f"reward/{k}": v for k, v in metrics.as_dict().items()} if metrics else {}
        record = {
            "round": round_index,
            "num_timesteps": 100 * (round_index + 1),
            "num_preferences": len(known),
            **fitted,
            **signals,
        }
        records.append(json_values(record))
    return records


def alarms_of(records: list[dict[str, Any]]) -> set[str]:
    """Of any round."""
    return set().union(*(kinds(raised(records[: i + 1], steps=600)) for i in range(len(records))))


def same_members(learner: Learner) -> None:
    with torch.no_grad():
        for parameter in learner.ensemble.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter))


def test_honest_answers_raise_none() -> None:
    records = taught(lambda _, best: best)
    assert alarms_of(records) == set()
    last = records[-1]
    assert last["signals/fresh_right"] > 20
    assert (last["signals/fresh_decided"], last["signals/answers"], last["signals/undecided"]) == (25, 150, 0)
    assert (last["signals/recent_decided"], last["signals/first_decided"]) == (50, 100)
    assert 0.02 < last["signals/ensemble_spread"] < 2


def opposite(best: Preferred) -> Preferred:
    return "right" if best == "left" else "left"


def test_a_teacher_that_changes_its_mind_is_drift() -> None:
    assert "drift" in alarms_of(taught(lambda seq, best: best if seq <= 100 else opposite(best), sessions=10))


def test_answers_of_one_side_are_degenerate() -> None:
    assert "degenerate_answers" in alarms_of(taught(lambda seq, best: "left", sessions=2))
    assert "degenerate_answers" in alarms_of(taught(lambda seq, best: "right" if seq % 9 else "left", sessions=3))


def test_nothing_but_ties_are_degenerate() -> None:
    assert "degenerate_answers" in alarms_of(taught(lambda seq, best: "tie", sessions=1))


def test_members_that_are_all_the_same_are_dead() -> None:
    assert "dead_ensemble" in alarms_of(taught(lambda _, best: best, same_members, sessions=1))


def test_a_coin_as_a_teacher_gives_too_few_labels_to_learn_from() -> None:
    rng = np.random.default_rng(1)
    assert "too_few_labels" in alarms_of(taught(lambda _, best: best if rng.random() < 0.5 else opposite(best)))


def test_a_hacked_reward_raises_the_alarm_while_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(OVERDONE, tmp_path / "run")
    records = run.metrics()
    assert "reward_hacking" in {alarm["kind"] for record in records for alarm in record["alarms"]}
    assert max(r["true_return"] for r in records) > records[-1]["true_return"] + 10
    told = capsys.readouterr().err
    assert told.count("ALARM reward hacking: the agent gains learned reward") == 1
    assert "  ALARM reward hacking  " in told  # in the progress line


def test_ten_healthy_small_runs_raise_none(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, steps=1600, labels=100, explore_steps=800, reward_model=QUICK)
    for seed in range(10):
        records = train(dataclasses.replace(config, seed=seed), tmp_path / str(seed)).metrics()
        assert len(records) == 4
        assert [record["alarms"] for record in records] == [[]] * 4


def fresh(right: int, decided: int, gain: float = 0.2) -> dict[str, Any]:
    return {"signals/fresh_right": right, "signals/fresh_decided": decided, "signals/gain": gain}


GOOD = fresh(20, 20)


@pytest.mark.parametrize(
    ("records", "hacked"),
    [
        ([GOOD, fresh(4, 10), fresh(5, 10)], True),  # Fisher's exact test of 9 against 20 in 20: p = 7e-5
        ([GOOD, fresh(5, 10), fresh(5, 10)], False),  # 2e-4
        ([GOOD, GOOD, GOOD, fresh(5, 10), fresh(5, 10)], True),  # p is less where it was right for longer
        ([GOOD, GOOD, GOOD, fresh(5, 10), fresh(6, 10)], False),  # but a coin is not right more often than not
        ([GOOD, fresh(1, 8), fresh(1, 6), fresh(0, 6)], True),
        ([GOOD, fresh(0, 20)], False),  # one round may be wrong altogether
        ([fresh(2, 10), fresh(2, 10)], False),  # it never was right, so that it is no fall
        ([fresh(9, 20), fresh(2, 10), fresh(2, 10)], False),
        ([GOOD, fresh(0, 6), fresh(0, 6)], False),  # too few to say
        ([GOOD, fresh(2, 10), fresh(1, 10, -0.5)], False),  # the agent does not follow
        ([GOOD, fresh(0, 19), *[fresh(0, 0)] * 9, fresh(0, 1)], False),  # too long ago
        ([GOOD, fresh(4, 10, -0.2), fresh(4, 10, -0.2), *[fresh(0, 0, 0.3)] * 5], False),  # nobody judged the gain
        ([GOOD, fresh(4, 10), fresh(5, 10), *[fresh(0, 0, -0.3)] * 20], True),  # it stays what it was
        ([{}, {"signals/gain": None}], False),
    ],
)
def test_hacking_by_hand(records: list[dict[str, Any]], hacked: bool) -> None:
    assert kinds(raised(records, 100)) == ({"reward_hacking"} if hacked else set())


@pytest.mark.parametrize(
    ("shares", "drifts"),
    [([95, 94, 96], False), ([97, 82], False), ([97, 78], True), ([60, 97, 78], True), ([97, 60, 95], False)],
)
def test_drift_by_hand(shares: list[int], drifts: bool) -> None:
    records = [{"signals/first_right": share, "signals/first_decided": 100} for share in shares]
    assert kinds(raised(records, 100)) == ({"drift"} if drifts else set())


@pytest.mark.parametrize(("accuracy", "decided", "few"), [(0.9, 10, False), (0.7, 10, True), (None, 0, True)])
def test_too_few_labels_by_hand(accuracy: float | None, decided: int, few: bool) -> None:
    record = {"reward/held_out_accuracy": accuracy, "reward/held_out_decided": decided, "num_preferences": 20}
    assert kinds(raised([{**record, "num_timesteps": 50}], 100)) == ({"too_few_labels"} if few else set())
    assert raised([{**record, "num_timesteps": 49}], 100) == []  # there is still time


def test_new_answers_that_are_foreseen_are_enough() -> None:
    record = {"reward/held_out_accuracy": 0.7, "reward/held_out_decided": 10, "num_timesteps": 50}
    assert raised([{**record, **fresh(17, 25)}], 100) == []
    assert kinds(raised([{**record, **fresh(14, 25)}], 100)) == {"too_few_labels"}
    assert raised([{**record, **fresh(17, 25)}, *[{**record, **fresh(0, 0)}] * 20], 100) == []  # none was asked since


def test_the_figures_of_the_verdict_decide_and_its_words_are_said() -> None:
    """The few that are held out may be the hardest ones."""
    record = {"reward/held_out_accuracy": 0.5, "reward/held_out_decided": 4, "num_timesteps": 50}
    found = Foresight(37, 0, 37, 34, 1e-6)
    said = {f"signals/foreseen_{name}": value for name, value in dataclasses.asdict(found).items()}
    assert raised([{**record, **said}], 100) == []
    (alarm,) = raised([{**record, **said, "signals/foreseen_right": 17, "signals/foreseen_chance": 0.7}], 100)
    assert alarm.kind == "too_few_labels"
    assert alarm.message.startswith("Your answers contradict each other: 17 of 37 follow from the others")
    del said["signals/foreseen_chance"]  # as another version of prefrl may have written it
    assert kinds(raised([{**record, **said, "signals/foreseen_other": 1}], 100)) == {"too_few_labels"}


def test_without_a_held_out_share_nothing_is_said_about_labels() -> None:
    record = {"reward/held_out_decided": 0, "num_preferences": 21, "num_timesteps": 100}
    assert raised([record], 100) == []


def test_records_of_an_older_version_and_of_the_true_reward_raise_none() -> None:
    assert raised([], 10) == []
    assert raised([{"round": 1, "num_timesteps": 10, "reward/held_out_accuracy": 0.4, "num_preferences": 20}], 10) == []


def test_each_message_is_one_line_that_says_what_to_do() -> None:
    record = {
        **fresh(0, 10), "signals/ensemble_spread": 0.0, "signals/recent_left": 50, "signals/recent_decided": 50,
        "signals/first_right": 50, "signals/first_decided": 100, "reward/held_out_accuracy": 0.5,
        "reward/held_out_decided": 10, "num_preferences": 100, "num_timesteps": 100,
    }  # fmt: skip
    before = {"signals/first_right": 99, "signals/first_decided": 100}
    alarms = raised([{**before, **GOOD}, fresh(0, 10), record], 100)
    assert len(alarms) == 5
    for alarm in alarms:
        assert "\n" not in alarm.message
        assert ";" in alarm.message  # what is wrong; what to do
        assert "_" not in alarm.title
