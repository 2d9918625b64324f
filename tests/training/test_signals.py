import dataclasses

import numpy as np
import pytest
import torch
from builders import make_answer

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import stack
from prefrl.data.episode import Episode
from prefrl.data.segment import Segment
from prefrl.data.spaces import Obs, Spaces
from prefrl.evaluation.agreement import answer_agreement
from prefrl.feedback.answer import Answer
from prefrl.feedback.choice import Choice
from prefrl.feedback.comparison import Comparison, ComparisonKind, Preferred
from prefrl.feedback.kinds import KINDS
from prefrl.feedback.question import Question
from prefrl.report.gather import judge
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import owners
from prefrl.training.signals import after_fit, agreement, before_fit, learned_return


class Sums(RewardEnsemble):
    """Two members that find a step worth its action, and twice that."""

    def __init__(self) -> None:
        super().__init__(Spaces.vectors(1, 1), members=2, hidden=(4,))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.stack([inputs[:, 1], 2 * inputs[:, 1]])

    def raw_reward(self, obs: Obs, actions: np.ndarray, *_: object) -> np.ndarray:
        return 1.5 * actions[:, 0]


def segment(actions: list[float], dies: bool = False) -> Segment:
    steps = len(actions)
    absorbing = np.zeros(steps + 1, bool)
    absorbing[-1 if dies else steps + 1 :] = True
    return Segment(
        {"obs": np.zeros((steps + 1, 1), np.float32)},
        np.array(actions, np.float32)[:, None],
        absorbing,
        np.array(actions, np.float32),
    )


LOW, HIGH = segment([0.0, 0.1]), segment([1.0, 2.0])


def answers(*choices: Preferred) -> list[Answer]:
    """On pairs whose left side is the better, from seq 1 on."""
    return [make_answer(Question((HIGH, LOW), id=i), choice, seq=i) for i, choice in enumerate(choices, 1)]


def episode(actions: list[float], *, terminated: bool = False, truncated: bool = False) -> Episode:
    obs = {"obs": np.zeros((len(actions) + 1, 1), np.float32)}
    done = np.array(actions, np.float32)
    return Episode(obs, done[:, None], done, terminated=terminated, truncated=truncated)


def test_the_learned_return_is_of_whole_episodes_in_raw_units() -> None:
    ensemble = Sums()
    ensemble.output_mean.fill_(7.0)
    whole = [episode([1.0, 1.0], terminated=True), episode([4.0], truncated=True)]
    spoilt = dataclasses.replace(whole[0], obs={"obs": np.full((3, 1), np.nan, np.float32)})
    told = learned_return(ensemble, [*whole, episode([9.0]), spoilt])
    assert told == {"learned_return": pytest.approx(1.5 * (2 + 4) / 2)}
    assert learned_return(ensemble, [episode([9.0])]) == {}
    many = [episode([float(i * i)], terminated=True) for i in range(31)]
    assert learned_return(Sums(), many) == {"learned_return": pytest.approx(1.5 * 310)}  # of every second one


def test_agreement_leaves_out_what_prefers_no_side() -> None:
    assert agreement(Sums(), answers("left", "right", "tie", "skip", "left")) == (2, 3)
    assert agreement(Sums(), []) == (0, 0)


def test_the_gain_is_told_in_deviations_of_what_was_before() -> None:
    ensemble, before = Sums(), [segment([0.0, 2.0]), segment([0.0, 2.0])]
    ensemble.set_output_stats(stack(before))  # rewards 1.5 a = 0, 3, 0, 3: mean 1.5, deviation sqrt(3)
    assert before_fit(ensemble, [], before)["signals/gain"] == pytest.approx(0.0, abs=1e-6)
    assert before_fit(ensemble, [], [HIGH])["signals/gain"] == pytest.approx((1.5 * 1.5 - 1.5) / 3**0.5)
    assert "signals/gain" not in before_fit(ensemble, [], [])


def test_how_episodes_end_is_no_gain() -> None:
    ensemble, before = Sums(), [segment([0.0, 2.0, -90.0], dies=True)]
    ensemble.set_output_stats(stack(before))  # which leaves the ending out, too
    assert before_fit(ensemble, [], before)["signals/gain"] == pytest.approx(0.0, abs=1e-6)
    assert "signals/gain" not in before_fit(ensemble, [], [segment([1.0], dies=True)])


def test_new_answers_are_judged_once_and_corrections_not_at_all() -> None:
    new = answers("left", "right", "tie", "left")
    corrected = make_answer(new[0].question, "right", seq=5, replaces=1)
    signals = before_fit(Sums(), new, [])
    assert (signals["signals/fresh_right"], signals["signals/fresh_decided"]) == (2, 3)
    signals = before_fit(Sums(), [*new, corrected], [])
    assert (signals["signals/fresh_right"], signals["signals/fresh_decided"]) == (1, 2)


def test_after_a_fit_the_answers_are_counted_and_the_members_compared() -> None:
    known = answers(*["left"] * 60, *["right"] * 40, *["left"] * 10, "tie", "skip")
    signals = after_fit(Sums(), known, [LOW, HIGH])
    assert signals == {
        "signals/first_right": 60,  # of the oldest hundred
        "signals/first_decided": 100,
        "signals/recent_left": 10,  # of the latest fifty
        "signals/recent_decided": 50,
        "signals/answers": 112,
        "signals/undecided": 2,
        # Members say (0.1, 3) and (0.2, 6): centred by 1.45 and 2.9, and 0.725 apart from their mean.
        "signals/ensemble_spread": pytest.approx(0.725 / 2.175),
    }
    assert "signals/ensemble_spread" not in after_fit(Sums(), known, [LOW])


class Twice(ComparisonKind):
    """A kind whose answers come to two choices each, as a ranking of three does."""

    name = "twice"

    def choices(self, feedback: Comparison, question: Question) -> list[Choice] | None:
        return [*(super().choices(feedback, question) or ())] * 2 or None


def test_an_answer_may_come_to_several_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "twice", Twice())
    said = [make_answer(Question((HIGH, LOW), "twice", id=i), c, seq=i) for i, c in ((1, "left"), (2, "right"))]
    assert owners(said).tolist() == [0, 0, 1, 1]
    assert agreement(Sums(), said) == (2, 4)
    judged = judge(Sums(), said, RewardConfig(held_out=0.5))
    assert len(judged.answers) == len(judged.probabilities) == len(judged.targets) == len(judged.held_out) == 4
    found = answer_agreement(Sums(), said, RewardConfig(held_out=0.5), seed=0)
    assert found is not None
    assert found.answers == 1
