"""Which pairs of segments to ask about."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import scipy  # which loads its parts when they are used: they take a second
from numpy.typing import NDArray

from prefrl.config.run import Selector
from prefrl.data.batch import Batch, is_finite, stack
from prefrl.data.segment import Segment
from prefrl.errors import UsageError
from prefrl.feedback.question import Question

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

Predict = Callable[[Batch[NDArray[Any]]], NDArray[np.floating]]
"""Returns (E, P) that each of E members predicts for a batch of P segments."""

SHORTLIST = 4
"""Pairs that `disagreement_k_centre` takes by disagreement for each one that it keeps."""


def candidate_pairs(num_segments: int, count: int, rng: np.random.Generator) -> Indices:
    """Distinct pairs i < j (count, 2) of segments, drawn so that all segments are used equally often, give or take one.

    The pairs are the first `count` of a round-robin tournament between the segments in random order (Kirkman's circle
    method): every round is a set of disjoint pairs, and no pair comes twice.

    Raises:
        UsageError: there are fewer than `count` pairs.
    """
    total = num_segments * (num_segments - 1) // 2
    if count > total:
        raise UsageError(
            f"{count} questions are wanted, but {num_segments} segments make only {total} pairs; "
            "ask for fewer labels, shorter segments or more steps"
        )
    if count == 0:
        return np.zeros((0, 2), np.int64)
    odd = num_segments % 2
    circle, matches = num_segments - 1 + odd, num_segments // 2
    rounds, match = np.divmod(np.arange(count), matches)
    offset = match + odd  # with an odd number, the player at offset 0 sits the round out
    first, second = (rounds + offset) % circle, (rounds - offset) % circle
    second[offset == 0] = num_segments - 1  # with an even number, one player never moves
    pairs = rng.permutation(num_segments)[np.stack([first, second], axis=1)]
    return np.sort(pairs, axis=1)


def disagreement(probabilities: Floats, count: int) -> Indices:
    """The `count` pairs whose probabilities (E, C) differ most between members (Christiano et al. 2017)."""
    assert probabilities.ndim == 2, f"probabilities have shape {probabilities.shape}, want (E, C)"
    return _largest(probabilities.std(axis=0), count)


def entropy(probabilities: Floats, count: int) -> Indices:
    """The `count` pairs of whose answer the mean of the members' probabilities (E, C) is least sure."""
    assert probabilities.ndim == 2, f"probabilities have shape {probabilities.shape}, want (E, C)"
    return _largest(binary_entropy(probabilities.mean(axis=0)), count)


def binary_entropy(probabilities: Floats) -> Floats:
    """-p log p - (1 - p) log(1 - p), in nats; 0 where p is 0 or 1."""
    both = np.stack([probabilities, 1 - probabilities])
    logs = np.log(both, out=np.zeros_like(both), where=both > 0)
    result: Floats = -(both * logs).sum(axis=0)
    return result


def k_centre(features: Floats, count: int, rng: np.random.Generator) -> Indices:
    """`count` pairs of distinct index, spread over `features` (C, F): each is the farthest from those before it.

    The greedy 2-approximation of Gonzalez 1985, "Clustering to minimize the maximum intercluster distance", in
    Euclidean distance, from a random first pair.
    """
    assert features.ndim == 2, f"features have shape {features.shape}, want (C, F)"
    assert 0 <= count <= len(features), f"{count} centres are wanted from {len(features)} pairs"
    chosen = np.zeros(count, np.int64)
    distance = np.full(len(features), np.inf)  # squared, to the nearest centre
    for k in range(count):
        chosen[k] = rng.integers(len(features)) if k == 0 else distance.argmax()
        distance = np.minimum(distance, ((features - features[chosen[k]]) ** 2).sum(axis=1))
        distance[chosen[k]] = -1.0  # below the 0 of its duplicates, so that no index comes twice
    return chosen


def disagreement_k_centre(probabilities: Floats, features: Floats, count: int, rng: np.random.Generator) -> Indices:
    """`count` pairs spread over `features` (C, F), among the SHORTLIST * count with most disagreement (E, C)."""
    shortlist = disagreement(probabilities, min(SHORTLIST * count, len(features)))
    return shortlist[k_centre(features[shortlist], count, rng)]


def select(
    selector: Selector,
    segments: Sequence[Segment],
    count: int,
    candidates: int,
    predict: Predict | None,
    num_timesteps: int,
    rng: np.random.Generator,
) -> list[Question]:
    """`count` questions over `segments` of equal length, chosen by `selector`, their sides shuffled.

    Args:
        selector: how to choose; without `predict` the choice is uniform, whatever the selector.
        segments: the pool. Those with a value that is not finite are left out.
        count: questions to return, exactly.
        candidates: pairs to look at for each question, or as many as there are.
        predict: the reward model's returns; called once at most, for all segments of the candidates together.
        num_timesteps: steps trained so far, kept in the questions.
        rng: draws candidates, ties and sides.

    Raises:
        UsageError: the selector is unknown, or there are too few segments.
    """
    if selector not in get_args(Selector):
        raise UsageError(f"--selector is {selector!r}; choose one of {', '.join(get_args(Selector))}")
    segments = [segment for segment in segments if is_finite(segment)]
    if selector == "uniform" or predict is None or count == 0:
        pairs = candidate_pairs(len(segments), count, rng)
    else:
        most = len(segments) * (len(segments) - 1) // 2
        pool = candidate_pairs(len(segments), max(count, min(count * candidates, most)), rng)  # (C, 2)
        pairs = pool[_choose(selector, segments, pool, count, predict, rng)]
    swapped = rng.random(count) < 0.5
    sides = np.where(swapped[:, None], pairs[:, ::-1], pairs)
    return [Question((segments[left], segments[right]), num_timesteps=num_timesteps) for left, right in sides]


def pair_probabilities(segments: Sequence[Segment], pairs: Indices, predict: Predict) -> Floats:
    """Each member's probability (E, C) that the first of a pair (C, 2) is the better: Bradley-Terry on its returns."""
    compared, sides = np.unique(pairs, return_inverse=True)  # (P,) and (C, 2)
    returns = np.asarray(predict(stack([segments[i] for i in compared])), np.float64)  # (E, P)
    if returns.ndim != 2 or returns.shape[1] != len(compared):
        raise ValueError(f"predict gave returns of shape {returns.shape}, want (E, {len(compared)})")
    logits = returns[:, sides[:, 0]] - returns[:, sides[:, 1]]
    probabilities: Floats = scipy.special.expit(logits)
    return probabilities


def segment_features(segments: Sequence[Segment]) -> Floats:
    """A description (P, F) of each segment, standardised over the segments.

    Share of the time spent absorbed; mean and standard deviation of each observed number and of each number of the
    actions while alive. F = 2 * (observed numbers + width of an action) + 1.
    """
    batch = stack(segments)
    living = batch.alive
    columns = [((batch.absorbing & batch.real).sum(axis=1) / batch.real.sum(axis=1))[:, None]]
    seen = [(array.reshape(*living.shape, -1), living) for array in batch.obs.values()]
    for values, alive in (*seen, (batch.actions, batch.lived)):
        weights = alive / np.maximum(alive.sum(axis=1, keepdims=True), 1)  # (P, T)
        mean = np.einsum("pt,ptd->pd", weights, values, dtype=np.float64)
        variance = np.einsum("pt,ptd->pd", weights, (values - mean[:, None]) ** 2)
        columns += [mean, np.sqrt(variance)]
    features = np.concatenate(columns, axis=1)
    centred = features - features.mean(axis=0)
    scale = centred.std(axis=0)
    constant = scale <= 1e-9 * np.abs(features).max(axis=0)  # rounding errors are no difference between segments
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, scale))


def _choose(
    selector: Selector,
    segments: Sequence[Segment],
    pairs: Indices,
    count: int,
    predict: Predict,
    rng: np.random.Generator,
) -> Indices:
    """Indices (count,) into the candidate `pairs` (C, 2)."""
    if selector == "kcentre":
        return k_centre(_pair_features(segments, pairs), count, rng)
    probabilities = pair_probabilities(segments, pairs, predict)
    if selector == "disagreement":
        return disagreement(probabilities, count)
    if selector == "entropy":
        return entropy(probabilities, count)
    return disagreement_k_centre(probabilities, _pair_features(segments, pairs), count, rng)


def _pair_features(segments: Sequence[Segment], pairs: Indices) -> Floats:
    """Features (C, 2 F) of `pairs` (C, 2): those of the first segment, then those of the second."""
    return segment_features(segments)[pairs].reshape(len(pairs), -1)


def _largest(scores: Floats, count: int) -> Indices:
    """Indices of the `count` largest of `scores` (C,), in falling order; of equal ones, the earlier."""
    assert 0 <= count <= len(scores), f"{count} pairs are wanted from {len(scores)}"
    return np.argsort(-scores, kind="stable")[:count]
