"""Figures of how good a reward model is: pure functions of arrays.

Axes: B pairs, N numbers, E members, G groups (the episodes that the data come from), R resamplings.

Every metric takes `weights`, how often each item counts (once if None), so that one resampling serves all intervals.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy  # which loads its parts when they are used: they take a second
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[Any] | None

RESAMPLINGS = 300  # a percentile of 2.5 % then has seven beyond it
Z95 = 1.959963984540054  # quantile 0.975 of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval. NaN: there was nothing to measure."""

    value: float
    ci95: tuple[float, float]


class Reliability(NamedTuple):
    """What a calibration diagram shows, bin by bin of stated confidence; NaN in a bin without pairs."""

    confidence: Floats  # (bins,) mean probability that the stated winner wins, in [0.5, 1]
    accuracy: Floats  # (bins,) how often it did
    pairs: Floats  # (bins,) how many


def answer_probability(logits: NDArray[Any], random_answers: float) -> Floats:
    """Probability (B,) that the teacher says left, who answers at random in a share of all cases (`RewardConfig`).

    With 0 it is the probability that left is better: Bradley-Terry on `logits`, return of left minus return of right.
    """
    probabilities: Floats = scipy.special.expit(logits.astype(np.float64))
    return (1 - random_answers) * probabilities + random_answers / 2


def preference_accuracy(logits: NDArray[Any], targets: NDArray[Any], weights: Weights = None) -> float:
    """Share of the pairs with a preferred side whose sign `logits` get right; NaN when every pair is a tie.

    Args:
        logits: (B,) difference of returns, left minus right.
        targets: (B,) 1, 0, or 0.5 for a tie. Ties are left out; a logit of exactly 0 counts half.
        weights: (B,) how often each pair counts.
    """
    assert logits.ndim == 1 and logits.shape == targets.shape
    right = (np.sign(logits) * np.sign(targets - 0.5) + 1) / 2  # (B,) 1 right, 0 wrong
    return _mean(right, _ones(logits, weights) * (targets != 0.5))


def brier_score(probabilities: NDArray[Any], targets: NDArray[Any], weights: Weights = None) -> float:
    """Mean of (P(left better) - target)^2 (Brier 1950): 0 is perfect, 0.25 what always saying one half gets.

    A tie, 0.5, is what one half is right about. All arguments (B,).
    """
    assert probabilities.ndim == 1 and probabilities.shape == targets.shape
    return _mean((np.asarray(probabilities, np.float64) - targets) ** 2, _ones(probabilities, weights))


def reliability(
    probabilities: NDArray[Any], targets: NDArray[Any], bins: int = 10, weights: Weights = None
) -> Reliability:
    """Stated confidence against what the teacher says (Guo et al. 2017), each (bins,).

    Each pair is turned so that its stated winner comes first: confidence = max(p, 1 - p) lies in [0.5, 1], which is
    divided into `bins` equal bins. A tie is half right.

    Args:
        probabilities: (B,) stated P(left better).
        targets: (B,) 1, 0, or 0.5 for a tie.
        bins: how many.
        weights: (B,) how often each pair counts.
    """
    assert probabilities.ndim == 1 and probabilities.shape == targets.shape
    left_first = probabilities >= 0.5
    confidence = np.where(left_first, probabilities, 1 - probabilities)
    right = np.where(left_first, targets, 1 - targets)
    index = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    counts = _ones(probabilities, weights)
    pairs, confidences, rights = (np.bincount(index, counts * x, bins).astype(float) for x in (1.0, confidence, right))
    with np.errstate(invalid="ignore"):  # 0 / 0
        return Reliability(confidences / pairs, rights / pairs, pairs)


def expected_calibration_error(
    probabilities: NDArray[Any], targets: NDArray[Any], weights: Weights = None, bins: int = 10
) -> float:
    """Mean of |confidence - accuracy| over the bins of `reliability`, weighted by their pairs; NaN without pairs."""
    found = reliability(probabilities, targets, bins, weights)
    filled = found.pairs > 0
    return _mean(np.abs(found.confidence - found.accuracy)[filled], found.pairs[filled])


def pearson(x: NDArray[Any], y: NDArray[Any], weights: Weights = None) -> float:
    """Linear correlation of `x` and `y` (N,), in [-1, 1]; NaN when one of them is constant."""
    assert x.ndim == 1 and x.shape == y.shape
    w = _ones(x, weights)
    held = w > 0
    if held.sum() < 2 or np.ptp(x[held]) == 0 or np.ptp(y[held]) == 0:
        return math.nan
    dx, dy = (np.asarray(v, np.float64) - _mean(np.asarray(v, np.float64), w) for v in (x, y))
    return float(np.clip((w * dx * dy).sum() / np.sqrt((w * dx * dx).sum() * (w * dy * dy).sum()), -1, 1))


def spearman(x: NDArray[Any], y: NDArray[Any], weights: Weights = None) -> float:
    """Rank correlation of `x` and `y` (N,); NaN when one of them is constant. The ranks are those of all N."""
    assert x.ndim == 1 and x.shape == y.shape
    return pearson(scipy.stats.rankdata(x), scipy.stats.rankdata(y), weights) if len(x) else math.nan


def ensemble_spread(returns: NDArray[Any], weights: Weights = None) -> float:
    """How far members differ about segments, as a share of how far segments differ: 0 if all members say the same.

        mean_b std_e(R_eb - mean_b R_eb) / std_b(mean_e R_eb)

    A constant between members says nothing about preferences and is left out. Members that find all segments alike say
    the same. NaN for one member, or one segment; infinite if all that members say cancels out.

    Args:
        returns: (E, B) each member's return of each segment.
        weights: (B,) how often each segment counts.
    """
    assert returns.ndim == 2
    w = _ones(returns[0], weights)
    if len(returns) < 2 or (w > 0).sum() < 2:
        return math.nan
    values = np.asarray(returns, np.float64)
    centred = values - (values @ w / w.sum())[:, None]
    between = math.sqrt(_mean(centred.mean(0) ** 2, w))
    within = _mean(centred.std(0), w)
    return within / between if between > 0 else math.inf if within > 0 else 0.0


def iqm(values: NDArray[Any]) -> float:
    """Interquartile mean: that of the middle half (Agarwal et al. 2021). `values` (N,), N >= 1."""
    assert values.ndim == 1 and len(values)
    return float(scipy.stats.trim_mean(values, 0.25))


def wilson(right: float, total: float, z: float = Z95) -> tuple[float, float]:
    """Interval of a share of which `right` of `total` were seen (Wilson 1927); (0, 1) of nothing.

    `z`: how many standard deviations to each side; 95 % of what is possible lies within by default.
    """
    if total <= 0:
        return 0.0, 1.0
    share, spread = right / total, z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def resample(num_groups: int, rng: np.random.Generator, resamplings: int = RESAMPLINGS) -> NDArray[np.int64]:
    """(R, G) how often each of `num_groups` groups is drawn by each bootstrap sample of as many groups.

    No samples, (0, G), of fewer than two groups: one episode says nothing about others.
    """
    if num_groups < 2:
        return np.zeros((0, num_groups), np.int64)
    counts: NDArray[np.int64] = rng.multinomial(num_groups, np.full(num_groups, 1 / num_groups), size=resamplings)
    return counts


def item_weights(counts: NDArray[np.int64], groups: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """For each row of `counts` (R, G), how often items are seen that belong to `groups` (N,): R times (N,)."""
    return (row[groups] for row in counts)


def pair_weights(counts: NDArray[np.int64], first: NDArray[Any], second: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
    """For each row of `counts` (R, G), how often pairs are seen whose items belong to `first` and `second` (B,)."""
    return (np.where(first == second, row[first], row[first] * row[second]) for row in counts)


def estimate(
    metric: Callable[..., float], *data: NDArray[Any], weights: Iterable[NDArray[Any]], rounds: int = RESAMPLINGS
) -> Estimate:
    """`metric(*data)`, and the percentile interval of `metric(*data, weights=row)` over the rows of `weights`.

    Resample whole episodes (`resample`): steps of one episode resemble each other, and an interval that took them for
    independent would be too narrow. An interval is widened to hold the value, which is not sure where a metric is
    biased upwards, as the calibration error is. It is NaN where fewer than half of `rounds` resamplings gave a figure.
    """
    value = metric(*data)
    repeated = np.array([metric(*data, weights=row) for row in weights])
    repeated = repeated[np.isfinite(repeated)]
    if not math.isfinite(value) or not len(repeated) or len(repeated) < rounds / 2:
        return Estimate(value, (math.nan, math.nan))
    low, high = np.quantile(repeated, (0.025, 0.975))
    return Estimate(value, (min(float(low), value), max(float(high), value)))


def _ones(like: NDArray[Any], weights: Weights) -> Floats:
    if weights is None:
        return np.ones(like.shape[-1])
    assert weights.shape == like.shape[-1:]
    return np.asarray(weights, np.float64)


def _mean(values: NDArray[Any], weights: Floats) -> float:
    total = weights.sum()
    return float((values * weights).sum() / total) if total > 0 else math.nan
