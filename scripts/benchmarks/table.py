"""Results of `learning` as a table in Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from scipy import stats

from benchmarks.csv_rows import rows
from benchmarks.floor import RESULTS as FLOOR
from benchmarks.learning import RESULTS
from prefrl.rewards.metrics import Floats, iqm

Row = dict[str, str]

RESAMPLINGS = 2000
HEAD = (
    "environment",
    "arm",
    "labels",
    "steps",
    "seeds",
    "true return: IQM [95 %]",
    "worst seed",
    "paid true reward",
    "share [95 %]",
    "better than paid true",
    "speed",
)

SHORT = ("environment", "labels", "steps", "seeds", "true return: IQM [95 %]", "paid true reward", "share [95 %]")


@dataclass(frozen=True)
class Table:
    """Print the results as a table in Markdown.

    IQM: interquartile mean over seeds, with the 95 % interval of bootstrap samples of the seeds (Agarwal et al. 2021).
    Share: its ratio to that of the arm that is paid the true reward; where that is negative, how much of the way there
    from what an agent earns that acts at random, or whose actions are all 0, whichever is more. Better: the probability
    that a seed of this arm beats one of that. Speed: environment steps per second over that arm's, median of pairs that
    ran side by side.
    """

    results: Path = RESULTS
    """CSV file that `learning` wrote."""

    arms: tuple[str, ...] = ()
    """Arms to show, in this order; all but `true` if none is named."""

    envs: tuple[str, ...] = ()
    """Environments to show, in this order; all, and a row over all of them, if none is named."""

    floor: Path = FLOOR
    """CSV file that `floor` wrote."""

    short: bool = False
    """Leave out the columns that the project's README has no room for."""


def table(what: Table) -> None:
    """Print what `table_lines` makes of the CSV."""
    floors = {r["env_id"]: max(float(r["at_random"]), float(r["idle"])) for r in rows(what.floor)}
    found = rows(what.results)
    of_envs = [row for env_id in what.envs for row in found if row["env_id"] == env_id]
    lines = [
        line
        for line in table_lines(of_envs or found, what.arms, floors)
        if not (what.envs and line.startswith("| all "))
    ]
    print("\n".join(map(shortened, lines) if what.short else lines))


def shortened(line: str) -> str:
    """A line of the table with the columns of `SHORT` alone."""
    cells = line.strip("|").split("|")
    return f"|{'|'.join(cells[HEAD.index(name)] for name in SHORT)}|"


def table_lines(
    results: Sequence[Row], arms: Sequence[str] = (), floors: Mapping[str, float] | None = None
) -> Iterator[str]:
    """A row per environment and arm, and one per arm over all environments of several seeds where what the true reward
    led to is positive.

    `floors`: what an agent earns that has learned nothing, of environments where returns are negative.
    """
    floors = floors or {}
    yield f"| {' | '.join(HEAD)} |"
    yield "|" + "---|" * len(HEAD)
    shown = [a for a in arms or dict.fromkeys(r["arm"] for r in results) if a != "true"]
    for env_id in dict.fromkeys(r["env_id"] for r in results):
        of_env = [r for r in results if r["env_id"] == env_id]
        ceiling = [r for r in of_env if r["arm"] == "true"]
        for arm in shown:
            runs = [r for r in of_env if r["arm"] == arm]
            if runs:
                yield f"| {' | '.join([env_id, arm, *_cells(runs, ceiling, floors.get(env_id))])} |"
    for arm in shown:
        pairs = list(_comparable(results, arm))
        if len(pairs) > 1:
            yield f"| {' | '.join(_total(arm, pairs))} |"


def _cells(runs: Sequence[Row], ceiling: Sequence[Row], floor: float | None) -> list[str]:
    got, best = returns(runs), returns(ceiling)
    digits = 0 if abs(got).max() >= 20 else 1
    middle = with_interval(iqm, got, digits=digits)
    share = better = paid = "-"
    if len(best):
        paid, better = with_interval(iqm, best, digits=digits), f"{probability_of_improvement(got, best):.2f}"
        start = 0.0 if iqm(best) > 0 else floor  # a plain share says something only where returns start from zero
        if start is not None and iqm(best) > start:
            share = with_interval(lambda a, b: iqm(a) / iqm(b), got - start, best - start, digits=2)
            share += " of the way" if start else ""
    labels, steps = runs[0]["labels"], f"{int(runs[0]['num_timesteps']):,}"
    worst, speed = f"{got.min():.{digits}f}", _speed(runs, ceiling)
    return [labels, steps, str(len(runs)), middle, worst, paid, share, better, speed]


def _total(arm: str, pairs: Sequence[tuple[Floats, Floats]]) -> list[str]:
    """Over environments: returns as shares of the ceiling's IQM, each environment's seeds drawn apart (stratified)."""

    def share(*samples: Floats) -> float:
        got, best = samples[::2], samples[1::2]
        return iqm(np.concatenate([g / iqm(b) for g, b in zip(got, best, strict=True)]))

    both = [values for pair in pairs for values in pair]
    better = float(np.mean([probability_of_improvement(got, best) for got, best in pairs]))
    seeds = str(sum(len(got) for got, _ in pairs))
    named = f"all {len(pairs)} with positive returns"
    return [named, arm, "", "", seeds, "", "", "", with_interval(share, *both, digits=2), f"{better:.2f}", ""]


def _comparable(results: Sequence[Row], arm: str) -> Iterator[tuple[Floats, Floats]]:
    for env_id in dict.fromkeys(r["env_id"] for r in results):
        got, best = (returns([r for r in results if r["env_id"] == env_id and r["arm"] == a]) for a in (arm, "true"))
        if min(len(got), len(best)) > 1 and iqm(best) > 0:
            yield got, best


def _speed(runs: Sequence[Row], ceiling: Sequence[Row]) -> str:
    beside = {r["seed"]: r["steps_per_second"] for r in ceiling if r["steps_per_second"]}
    ratios = [
        float(r["steps_per_second"]) / float(beside[r["seed"]])
        for r in runs
        if r["steps_per_second"] and r["seed"] in beside
    ]
    return f"{median(ratios):.2f}" if ratios else "-"


def returns(runs: Sequence[Row]) -> Floats:
    """(N,) true returns of runs, in their order."""
    return np.array([float(r["true_return"]) for r in runs], np.float64)


def probability_of_improvement(x: Floats, y: Floats) -> float:
    """P(X > Y) + P(X = Y) / 2 for one of `x` (N,) and one of `y` (M,): Mann-Whitney's U over N M."""
    return float(stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)))


def with_interval(statistic: Callable[..., float], *samples: Floats, digits: int = 0) -> str:
    """`statistic` of `samples` and its 95 % percentile bootstrap interval; the value alone of one run."""
    value = f"{statistic(*samples):.{digits}f}"
    if min(len(sample) for sample in samples) < 2:
        return value
    rng = np.random.default_rng(0)
    drawn = [statistic(*(rng.choice(sample, len(sample)) for sample in samples)) for _ in range(RESAMPLINGS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"
