"""Runs that differ in nothing but their seed are one arm; how arms compare, environment by environment."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prefrl.config.algorithms import ALGORITHM_NAMES
from prefrl.config.saved import to_json
from prefrl.report.gather import Floats, Run
from prefrl.rewards.metrics import RESAMPLINGS, iqm

POINTS = 100  # of a curve
LAST_SHARE = 0.1  # of a run's rounds that its final return is the mean of
APART = ("seed", "run_dir", "label", "goal", "slack", "record_frames", "replay", "wandb")
"""Settings that make no arm of their own."""


@dataclass(frozen=True, eq=False)
class Arm:
    """Runs of one environment with the same settings."""

    env_id: str
    name: str
    runs: list[Run]

    @property
    def learned(self) -> bool:
        """Whether its agents are paid a learned reward."""
        return self.runs[0].learned


@dataclass(frozen=True, eq=False)
class Curve:
    """Interquartile mean over an arm's runs, with its 95 % bootstrap interval. Each (P,)."""

    x: Floats
    middle: Floats
    low: Floats
    high: Floats


def arms(runs: Sequence[Run]) -> list[Arm]:
    """The arms among `runs`: by environment, learned rewards first."""
    groups: dict[tuple[str, bool, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[(run.config.env_id, not run.learned, json.dumps(_settings(run), sort_keys=True))].append(run)
    ordered = [groups[key] for key in sorted(groups)]
    return [Arm(g[0].config.env_id, _name(g[0], [other[0] for other in ordered]), g) for g in ordered]


def _settings(run: Run) -> dict[str, Any]:
    unused = {*APART, *ALGORITHM_NAMES} - {run.config.algorithm}
    saved = {key: value for key, value in to_json(run.config).items() if key not in unused}
    if not run.learned:  # what the reward model would have been does not matter
        kept = ("env_id", "env_kwargs", "steps", "reward", "vec", "algorithm", run.config.algorithm, "rounds")
        saved = {key: saved[key] for key in kept}
    return flat(saved)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict) and bool(value)
        found |= flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found


def _name(run: Run, others: Sequence[Run]) -> str:
    """The kind of reward, and those settings in which arms of the environment differ."""
    mine, base = _settings(run), "true reward" if not run.learned else f"{run.config.labels} labels"
    rivals = [_settings(o) for o in others if (o.config.env_id, o.learned) == (run.config.env_id, run.learned)]
    differ = sorted({key for rival in rivals for key in mine.keys() | rival.keys() if rival.get(key) != mine.get(key)})
    parts = [f"{key.replace('_', '-')} {mine.get(key)}" for key in differ if key != "labels"]
    return ", ".join([base, *parts[:3]]) + (" ..." if len(parts) > 3 else "")


def final_return(run: Run) -> float | None:
    """Mean true return of the episodes of the last tenth of the rounds; None before the first whole episode."""
    _, returns = run.series("num_timesteps", "true_return")
    return float(returns[-max(1, round(LAST_SHARE * len(returns))) :].mean()) if len(returns) else None


def curve(
    runs: Sequence[Run], rng: np.random.Generator, x: str = "num_timesteps", y: str = "true_return"
) -> Curve | None:
    """The curve of column `y` of the metrics of `runs` over what they share of column `x`; None without any."""
    return band([run.series(x, y) for run in runs], rng)


def band(series: Sequence[tuple[Floats, Floats]], rng: np.random.Generator) -> Curve | None:
    """The curve of `series`, each abscissae and values (K,), over the abscissae that they share; None without any."""
    series = [pair for pair in series if len(pair[0])]
    if not series:
        return None
    first, last = max(p[0][0] for p in series), min(p[0][-1] for p in series)
    if first > last:
        return None
    grid = np.linspace(first, last, POINTS)
    values = np.stack([np.interp(grid, *pair) for pair in series])  # (N, P)
    middle = np.array([iqm(column) for column in values.T])
    if len(values) == 1:
        return Curve(grid, middle, middle, middle)
    drawn = values[rng.integers(len(values), size=(RESAMPLINGS, len(values)))]  # (R, N, P)
    cut = len(values) // 4
    resampled = np.sort(drawn, axis=1)[:, cut : len(values) - cut].mean(1)  # (R, P), as `iqm`
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    return Curve(grid, middle, low, high)
