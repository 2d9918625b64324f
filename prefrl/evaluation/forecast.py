"""Forecast how many more answers it takes until a reward agrees with the teacher as often as one wants.

A run's own figures do not show it: its selector asks ever harder questions, so held-out agreement may fall while the
reward gets better. So the answers are divided into folds, and new ensembles are fitted to more and more of them. How
well each agrees with the fold that it never saw is a learning curve on questions that are alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from prefrl.config.rewards import RewardConfig
from prefrl.errors import UsageError
from prefrl.evaluation.results import LabelForecast
from prefrl.feedback.answer import Answer, informative
from prefrl.rewards.ensemble import make_ensemble
from prefrl.rewards.fit import fit, stated
from prefrl.rewards.metrics import preference_accuracy

FOLDS = 4
SHARES = (1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)  # of the answers outside the fold; fewer hardly teach anything
FEWEST = 40  # answers with a better side, for a curve to have a shape
EPOCHS, PATIENCE = 60, 12  # a fresh ensemble needs more than one that goes on from the session before
BEYOND = 100  # times the answers there are: what lies further is called out of reach


@dataclass(frozen=True)
class Point:
    """Agreement of ensembles fitted to `labels` answers with answers that they never saw."""

    labels: int
    right: float
    decided: int
    """Answers with a better side that were looked at."""


def forecast(answers: Sequence[Answer], config: RewardConfig, goal: float, rng: np.random.Generator) -> LabelForecast:
    """How many more such `answers` it takes to agree with `goal`, a share, of those not yet given.

    Raises:
        UsageError: `goal` is no share above one half, or there are too few answers.
    """
    if not 0.5 < goal < 1:
        raise UsageError(f"--goal is {goal}; give a share of answers above 0.5 and below 1, for example 0.9")
    used = [answer for answer in informative(answers) if answer.is_decided]
    if len(used) < FEWEST:
        raise UsageError(
            f"{len(used)} answers name a better side; a forecast takes {FEWEST}: answer more, or leave --goal out"
        )
    return extrapolate(learning_curve(used, config, rng), len(used), goal)


def learning_curve(answers: Sequence[Answer], config: RewardConfig, rng: np.random.Generator) -> list[Point]:
    """Agreement with held-out answers by the number of answers fitted to, averaged over the folds.

    Takes `FOLDS` times as many fits as there are points.
    """
    order = rng.permutation(len(answers))
    counts = {share: [0, 0.0, 0] for share in SHARES}  # answers fitted to, right, decided
    for fold in range(FOLDS):
        held_out = [answers[i] for i in order[fold::FOLDS]]
        others = [answers[i] for k, i in enumerate(order) if k % FOLDS != fold]
        for share, total in counts.items():
            some = others[: max(2, round(share * len(others)))]
            accuracy, decided = _agreement(some, held_out, config, rng)
            total[0], total[1], total[2] = len(some), total[1] + accuracy * decided, total[2] + decided
    return [Point(int(labels), right, int(decided)) for labels, right, decided in counts.values()]


def _agreement(
    some: Sequence[Answer], held_out: Sequence[Answer], config: RewardConfig, rng: np.random.Generator
) -> tuple[float, int]:
    """Agreement with `held_out` of a fresh ensemble fitted to `some`, and the number of answers with a better side."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    ensemble = make_ensemble(config, some[0].question.segments[0].spaces, generator)
    longer = replace(config, max_epochs=max(EPOCHS, config.max_epochs), patience=max(PATIENCE, config.patience))
    fit(ensemble, some, config=longer, generator=generator)
    logits, targets = stated(ensemble, held_out)
    return preference_accuracy(logits, targets), int((targets != 0.5).sum())


def extrapolate(points: Sequence[Point], labels: int, goal: float) -> LabelForecast:
    """Continue a learning curve of at least two points, from `labels` answers on, until it reaches `goal`.

    The error falls by a power law (Hestness et al. 2017; for classifiers: Figueroa et al. 2012)

        error(n) = floor + (error(labels) - floor) (n / labels)^-power

    whose three parameters are integrated over on a grid: all curves that explain the points contribute, in proportion
    to how well they do, so that the interval shows what a single fitted curve hides. A priori any error is as likely
    as any other, the floor is likelier low than high, and the power lies somewhere about one half and one, the rates of
    learning from noisy and from flawless answers.
    """
    floor, now, power = np.meshgrid(
        np.linspace(0.0, 0.45, 46), np.linspace(0.005, 0.5, 100), np.geomspace(0.1, 1.6, 33), indexing="ij"
    )
    log_weight = stats.expon.logpdf(floor, scale=0.05) + stats.norm.logpdf(np.log(power), np.log(0.7), 0.5)
    for point in points:  # which look at the same answers: all of them together count as one look at each
        error = np.clip(floor + (now - floor) * (point.labels / labels) ** -power, 1e-4, 0.5)  # at worst a coin
        fit = point.right * np.log1p(-error) + (point.decided - point.right) * np.log(error)
        log_weight = log_weight + fit / len(points)
    log_weight = np.where(floor <= now, log_weight, -np.inf)
    weight = np.exp(log_weight - log_weight.max())
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        times = ((1 - goal - floor) / (now - floor)) ** (-1 / power)  # of the answers there are
    times = np.where(now <= 1 - goal, 1.0, np.where(floor >= 1 - goal, np.inf, times))
    more = np.where(times > BEYOND, np.inf, labels * (times - 1))
    middle, low, high = (weighted_quantile(more, weight, q) for q in (0.5, 0.025, 0.975))
    agreement = 1 - float((now * weight).sum() / weight.sum())
    return LabelForecast(goal, labels, agreement, _round_up(middle), (_round_up(low), _round_up(high)))


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """The least of `values` (any shape) that at least `share` of the weight does not exceed."""
    order = np.argsort(values, axis=None)
    reached = np.cumsum(weights.ravel()[order])
    return float(values.ravel()[order][min(int(np.searchsorted(reached, share * reached[-1])), len(order) - 1)])


def _round_up(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value
