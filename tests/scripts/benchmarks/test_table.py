import numpy as np
from benchmark_rows import cells, row
from benchmarks.table import probability_of_improvement, table_lines, with_interval

from prefrl.rewards.metrics import iqm


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
