"""The figures that the benchmark's table and curves are made of."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from builders import make_query, make_segment

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from benchmark_curves import final_returns, series
from benchmark_fit import begin, tried
from benchmark_floor import Floor, floor
from benchmark_learning import Learning, jobs_left, learning, one_run
from benchmark_table import Table, probability_of_improvement, table, table_lines, with_interval
from csv_rows import append, rows
from simple_agents import idle_returns

from prefrl.config.run import RewardConfig
from prefrl.feedback.answer import Preference
from prefrl.rewards.metrics import iqm


def row(env_id: str, arm: str, seed: int, true_return: float, speed: str = "") -> dict[str, str]:
    values = {"env_id": env_id, "arm": arm, "seed": seed, "true_return": true_return, "steps_per_second": speed}
    return {key: str(value) for key, value in values.items()} | {"labels": "500", "num_timesteps": "1000"}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_of_the_table() -> None:
    learned = [row("A-v0", "learned", seed, value, "50") for seed, value in enumerate((1, 40, 50, 60, 1000))]
    true = [row("A-v0", "true", seed, 100, "100") for seed in range(5)]
    _, _, line = table_lines(learned + true)
    env_id, arm, labels, steps, seeds, middle, worst, paid, share, better, speed = cells(line)
    assert (env_id, arm, labels, steps, seeds) == ("A-v0", "learned", "500", "1,000", "5")
    assert middle.startswith("50 [")  # the mean of 40, 50, 60
    assert worst == "1"
    assert paid == "100 [100, 100]"
    assert share.startswith("0.50 [")
    assert (better, speed) == ("0.20", "0.50")


def test_a_share_of_a_negative_return_is_not_told_without_a_floor_nor_what_nobody_compared() -> None:
    results = [row("A-v0", "learned", 0, -3), row("A-v0", "true", 0, -2), row("B-v0", "learned", 0, 3)]
    _, _, negative, alone = table_lines(results)
    assert cells(negative)[5:] == ["-3.0", "-3.0", "-2.0", "-", "0.00", "-"]
    assert cells(alone)[5:] == ["3.0", "3.0", "-", "-", "-", "-"]


def test_where_returns_are_negative_the_share_is_of_the_way_from_a_floor() -> None:
    results = [row("A-v0", "learned", 0, -3), row("A-v0", "true", 0, -2), row("B-v0", "learned", 0, 1)]
    results += [row("B-v0", "true", 0, 4)]
    _, _, negative, positive = table_lines(results, floors={"A-v0": -6.0, "B-v0": -6.0})
    assert cells(negative)[8] == "0.75 of the way"  # 3 of 4
    assert cells(positive)[8] == "0.25"
    _, _, negative, positive = table_lines(results, floors={"A-v0": -1.0})  # better than what was learned
    assert (cells(negative)[8], cells(positive)[8]) == ("-", "0.25")


def test_the_floor_is_what_comes_of_acting_at_random_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floor(Floor(("Pendulum-v1",), episodes=2, results=tmp_path / "floor.csv"))
    floor(Floor(("CartPole-v1", "Pendulum-v1"), episodes=2, results=tmp_path / "floor.csv"))
    cart, pendulum = rows(tmp_path / "floor.csv")
    assert float(cart["at_random"]) > float(cart["idle"]) == np.mean(idle_returns("CartPole-v1", {}, 0, 2))
    assert -2000 < float(pendulum["at_random"]) < -500
    for seed, (arm, value) in enumerate((("learned", -200), ("true", -150))):
        append(tmp_path / "learning.csv", row("Pendulum-v1", arm, seed, value))
    capsys.readouterr()
    table(Table(tmp_path / "learning.csv", floor=tmp_path / "floor.csv"))
    best = max(float(pendulum["at_random"]), float(pendulum["idle"]))
    assert f"{(best + 200) / (best + 150):.2f} of the way" in capsys.readouterr().out


def test_the_total_is_over_shares_of_environments() -> None:
    results = [row("A-v0", "learned", seed, 1) for seed in range(2)] + [
        row("A-v0", "true", seed, 2) for seed in range(2)
    ]
    results += [row("B-v0", "learned", seed, 900) for seed in range(2)]
    results += [row("B-v0", "true", seed, 1000) for seed in range(2)]
    results += [row("C-v0", "learned", 0, 7), row("C-v0", "true", 0, 1)]  # one seed: no interval could hold it
    results += [row("D-v0", arm, seed, -3) for arm in ("learned", "true") for seed in range(2)]  # not of what it earned
    total = cells(list(table_lines(results, floors={"D-v0": -9.0}))[-1])
    assert total[0] == "all 2 with positive returns"
    assert total[8] == "0.70 [0.70, 0.70]"  # of 0.5, 0.5, 0.9, 0.9
    assert total[9] == "0.00"


def test_the_arms_that_are_named_are_shown_in_their_order() -> None:
    results = [row("A-v0", arm, 0, 1) for arm in ("learned", "uniform", "entropy", "true")]
    named = ["entropy", "uniform"]
    assert [cells(line)[1] for line in list(table_lines(results, named))[2:]] == named


def test_probability_of_improvement_counts_ties_half() -> None:
    assert probability_of_improvement(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == (0.5 + 0 + 1 + 1) / 4


def test_an_interval_holds_the_value_and_one_run_has_none() -> None:
    value, low, high = (
        float(x)
        for x in with_interval(iqm, np.arange(20.0), digits=1)
        .replace(",", "")
        .replace("[", "")
        .replace("]", "")
        .split()
    )
    assert low < value == 9.5 < high
    assert with_interval(iqm, np.array([3.0])) == "3"


def test_a_row_of_other_options_is_not_taken_for_what_was_asked(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    results.write_text(
        "env_id,arm,seed,command\nX-v0,learned,1,prefrl train X-v0 --run-dir runs/X --seed 1 --steps 9\n"
    )
    asked = Learning(("X-v0",), ("learned",), seeds=(1, 2), options="--steps 9", results=results)
    assert jobs_left(asked) == [("X-v0", 2, "learned")]
    one_run(asked, "X-v0", 1, "learned")  # there is nothing left to do
    with pytest.raises(SystemExit, match="X-v0 learned seed 1 with other options"):
        learning(replace(asked, options=""))
    with pytest.raises(SystemExit, match="X-v0 learned seed 1 with other options"):
        one_run(replace(asked, options=""), "X-v0", 1, "learned")


def test_curves_are_read_from_run_folders(tmp_path: Path) -> None:
    for name, spans in {
        "A-v0-learned-0": [(100, None), (200, 3.0)],
        "prefrl/B-v0-true-12": [(100, 1.0)],
        "A-v0-uniform-0": [(100, 1.0)],
    }.items():
        (tmp_path / name).mkdir(parents=True)
        lines = [json.dumps({"num_timesteps": steps, "true_return": value}) for steps, value in spans]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(lines))
    found = series(tmp_path, ["learned", "true"])
    assert {env_id: list(arms) for env_id, arms in found.items()} == {"A-v0": ["learned"], "prefrl/B-v0": ["true"]}
    ((steps, returns),) = found["A-v0"]["learned"]
    assert (steps.tolist(), returns.tolist()) == ([200.0], [3.0])
    with pytest.raises(SystemExit, match="has no run of kcentre"):
        series(tmp_path, ["kcentre"])


def test_what_agents_earned_in_the_end_is_the_mean_without_the_outermost_seeds(tmp_path: Path) -> None:
    results = tmp_path / "learning.csv"
    for seed, value in enumerate([-900.0, 1.0, 2.0, 900.0]):
        append(results, row("A-v0", "true", seed, value))
    append(results, row("A-v0", "learned", 0, 7.0))
    assert final_returns(results) == {("A-v0", "true"): 1.5, ("A-v0", "learned"): 7.0}
    assert final_returns(tmp_path / "none.csv") == {}


@pytest.mark.parametrize("said", ["left", "right"])
def test_a_reward_is_tried_on_what_is_better_and_not_on_what_was_said(said: Literal["left", "right"]) -> None:
    rng = np.random.default_rng(0)

    def preference(seq: int, choice: Literal["left", "right"] | None = None) -> Preference:
        left, right = (make_segment(rng, 5, 1, 1) for _ in range(2))
        left, right = (replace(s, true_rewards=s.obs[:-1, 0]) for s in (left, right))
        better: Literal["left", "right"] = "left" if left.true_return > right.true_return else "right"
        return Preference(seq, make_query(rng, left=left, right=right), choice or better)

    known, new = [preference(seq) for seq in range(100)], [preference(seq, said) for seq in range(100, 160)]
    config = RewardConfig(members=2, hidden=(16,), learning_rate=1e-2)
    begun = begin(known, config, 0)
    tried(begun, known[:4], new, config, 0)  # to go on from fewer labels does no harm
    agreement, correlation = tried(begun, known, new, config, 0)
    assert agreement > 0.85
    assert correlation > 0.85
