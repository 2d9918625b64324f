"""Selectors and the label schedule, by hand and by property."""

import math
from itertools import combinations
from typing import Any, get_args

import numpy as np
import pytest
from builders import make_segment
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from prefrl.config.run import Selector
from prefrl.data.batch import Batch, stack
from prefrl.data.segment import Segment
from prefrl.errors import UsageError
from prefrl.training.selection import (
    binary_entropy,
    candidate_pairs,
    disagreement,
    disagreement_k_centre,
    entropy,
    k_centre,
    pair_probabilities,
    segment_features,
    select,
)

SEEDS = st.integers(0, 2**32 - 1)
SELECTORS = get_args(Selector)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _pool(size: int, seed: int = 0) -> list[Segment]:
    rng = _rng(seed)
    return [make_segment(rng, steps=5) for _ in range(size)]


def _first_obs(batch: Batch[NDArray[Any]]) -> np.ndarray:
    """Three members that predict 0, 10 and 20 times the first observed number."""
    return np.array([[0.0], [10.0], [20.0]]) * batch.obs["obs"][:, 0, 0]


# candidate_pairs


@given(st.integers(0, 40), st.data(), SEEDS)
def test_pairs_are_distinct_ordered_and_balanced(num_segments: int, data: st.DataObject, seed: int) -> None:
    total = num_segments * (num_segments - 1) // 2
    count = data.draw(st.integers(0, total))
    pairs = candidate_pairs(num_segments, count, _rng(seed))
    assert pairs.shape == (count, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len({tuple(pair) for pair in pairs.tolist()}) == count
    uses = np.bincount(pairs.ravel(), minlength=num_segments)
    assert uses.size == num_segments
    assert uses.max(initial=0) - uses.min(initial=count) <= 2 - (num_segments % 2 == 0)


@pytest.mark.parametrize("num_segments", [2, 3, 4, 7, 8])
def test_all_pairs_can_be_had(num_segments: int) -> None:
    total = num_segments * (num_segments - 1) // 2
    pairs = candidate_pairs(num_segments, total, _rng())
    assert {tuple(pair) for pair in pairs.tolist()} == set(combinations(range(num_segments), 2))


def test_no_segment_comes_twice_while_others_wait() -> None:
    assert sorted(candidate_pairs(2000, 1000, _rng()).ravel().tolist()) == list(range(2000))


@pytest.mark.parametrize("num_segments", [4, 5])
def test_every_pair_is_equally_likely(num_segments: int) -> None:
    rng, draws = _rng(), 12_000
    first = [tuple(candidate_pairs(num_segments, 1, rng)[0].tolist()) for _ in range(draws)]
    pairs = list(combinations(range(num_segments), 2))
    share = 1 / len(pairs)
    bound = 4.5 * math.sqrt(share * (1 - share) / draws)
    assert all(abs(first.count(pair) / draws - share) < bound for pair in pairs)


@pytest.mark.parametrize(("num_segments", "count"), [(0, 1), (1, 1), (4, 7)])
def test_too_few_segments_is_a_usage_error_with_a_remedy(num_segments: int, count: int) -> None:
    with pytest.raises(UsageError, match=rf"{count} questions.*{num_segments} segments.*fewer labels"):
        candidate_pairs(num_segments, count, _rng())


# disagreement and entropy


def test_disagreement_by_hand() -> None:
    # Standard deviations over the two members: 0.0, 0.4, 0.1, 0.2.
    probabilities = np.array([[0.5, 0.1, 0.5, 0.9], [0.5, 0.9, 0.7, 0.5]])
    assert disagreement(probabilities, 2).tolist() == [1, 3]
    assert disagreement(probabilities, 4).tolist() == [1, 3, 2, 0]


def test_entropy_by_hand() -> None:
    # Means over the two members: 0.5, 0.9, 0.25, 0.6. The first two disagree most, which entropy does not ask.
    probabilities = np.array([[0.0, 1.0, 0.2, 0.6], [1.0, 0.8, 0.3, 0.6]])
    assert entropy(probabilities, 3).tolist() == [0, 3, 2]


def test_binary_entropy_by_hand() -> None:
    # -1/4 log(1/4) - 3/4 log(3/4) = 0.562335 nats.
    got = binary_entropy(np.array([0.0, 0.25, 0.5, 1.0]))
    np.testing.assert_allclose(got, [0.0, 0.5623351446, 0.6931471806, 0.0], atol=1e-10)


@given(st.integers(1, 4), st.integers(1, 30), st.data(), SEEDS)
def test_top_choices_dominate_the_rest(members: int, pairs: int, data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(0, pairs))
    probabilities = _rng(seed).random((members, pairs))
    for chosen, score in [
        (disagreement(probabilities, count), probabilities.std(axis=0)),
        (entropy(probabilities, count), -np.abs(probabilities.mean(axis=0) - 0.5)),
    ]:
        rest = np.setdiff1d(np.arange(pairs), chosen)
        assert len(set(chosen.tolist())) == count
        assert score[chosen].min(initial=np.inf) >= score[rest].max(initial=-np.inf) - 1e-12


def test_one_member_disagrees_with_nobody_and_takes_the_first() -> None:
    assert disagreement(np.array([[0.9, 0.1, 0.5]]), 2).tolist() == [0, 1]


# k_centre


def test_k_centre_by_hand() -> None:
    # From any of these points, the farthest-first order is forced.
    features = np.array([[0.0], [1.0], [4.0], [10.0]])
    orders = {0: [0, 3, 2, 1], 1: [1, 3, 2, 0], 2: [2, 3, 0, 1], 3: [3, 0, 2, 1]}
    chosen = [k_centre(features, 4, _rng(seed)).tolist() for seed in range(20)]
    assert all(order == orders[order[0]] for order in chosen)
    assert {order[0] for order in chosen} == {0, 1, 2, 3}


def test_k_centre_measures_euclidean_distance() -> None:
    # From (0, 0): (3, 3) is at 4.24, (4, 0) at 4; the sum of coordinates and the largest one disagree.
    features = np.array([[0.0, 0.0], [3.0, 3.0], [4.0, 0.0], [0.0, 0.0]])
    starts = [chosen for seed in range(20) if (chosen := k_centre(features, 2, _rng(seed)).tolist())[0] in (0, 3)]
    assert starts
    assert all(chosen[1] == 1 for chosen in starts)


@given(st.integers(1, 25), st.integers(1, 3), st.data(), SEEDS)
def test_k_centre_is_within_twice_the_optimum(pairs: int, dim: int, data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(1, pairs))
    features = np.round(_rng(seed).normal(size=(pairs, dim)))  # rounded: there are duplicates
    chosen = k_centre(features, count, _rng(seed))
    assert len(set(chosen.tolist())) == count
    between = np.linalg.norm(features[:, None] - features[chosen][None], axis=2)  # (C, count)
    radius = between.min(axis=1).max()
    # Gonzalez: were the optimum below radius / 2, two of the centres or the farthest point would share a cluster.
    apart = between[chosen][~np.eye(count, dtype=bool)]
    assert apart.min(initial=np.inf) >= radius - 1e-9


def test_disagreement_k_centre_takes_both_into_account() -> None:
    # Of twelve pairs, the last eight disagree most; among these, the features have two clusters.
    spread = np.array([0.1] * 4 + [0.5] * 8)
    probabilities = np.stack([0.5 - spread, 0.5 + spread])
    features = np.array([1000, -1000, 500, -500, 0, 1, 0, 1, 50, 51, 50, 51], float)[:, None]
    for seed in range(10):
        chosen = disagreement_k_centre(probabilities, features, 2, _rng(seed))
        assert sorted((chosen // 4).tolist()) == [1, 2]


# features and probabilities


def test_features_ignore_time_spent_absorbed() -> None:
    def segment(numbers: list[float], absorbing: list[bool]) -> Segment:
        obs = np.array(numbers, np.float32)[:, None]
        zeros = np.zeros(len(numbers) - 1, np.float32)
        return Segment({"obs": obs}, zeros[:, None], np.array(absorbing), zeros)

    # Means 2, 3, 5; standard deviations 1, 1, 1 (constant: no feature); absorbed shares 1/2, 0, 0; actions constant.
    dead = segment([1, 3, 0, 0], [False, False, True, True])
    features = segment_features([dead, segment([2, 4, 2, 4], [False] * 4), segment([4, 6, 4, 6], [False] * 4)])
    np.testing.assert_allclose(features[:, 0], [math.sqrt(2), -math.sqrt(0.5), -math.sqrt(0.5)])
    mean = np.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(features[:, 1], (mean - mean.mean()) / mean.std())
    np.testing.assert_array_equal(features[:, 2:], np.zeros((3, 3)))


@given(st.integers(1, 8), SEEDS)
def test_features_are_standardised(size: int, seed: int) -> None:
    features = segment_features(_pool(size, seed))
    assert features.shape == (size, 2 * (3 + 2) + 1)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    std = features.std(axis=0)
    assert ((np.abs(std - 1) < 1e-9) | (std == 0)).all()


def test_probabilities_by_hand() -> None:
    def predict(_: Batch[NDArray[Any]]) -> np.ndarray:
        return np.array([[0.0, 1.0, 3.0], [2.0, 2.0, -5000.0]], np.float32)

    got = pair_probabilities(_pool(3), np.array([[0, 1], [0, 2]]), predict)
    # sigmoid(-1), sigmoid(-3); sigmoid(0), sigmoid(5002) without overflow.
    np.testing.assert_allclose(got, [[0.2689414214, 0.0474258732], [0.5, 1.0]], atol=1e-10)


def test_only_what_is_compared_is_predicted() -> None:
    pool, seen = _pool(6), []

    def predict(batch: Batch[NDArray[Any]]) -> np.ndarray:
        seen.append(batch.obs["obs"])
        return _first_obs(batch)

    pairs = np.array([[1, 4], [1, 5]])
    everything = _first_obs(stack(pool)).astype(np.float64)
    expected = 1 / (1 + np.exp(everything[:, pairs[:, 1]] - everything[:, pairs[:, 0]]))
    np.testing.assert_allclose(pair_probabilities(pool, pairs, predict), expected, atol=1e-10)
    np.testing.assert_array_equal(seen[0], stack([pool[1], pool[4], pool[5]]).obs["obs"])


def test_predictions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\), want \(E, 2\)"):
        pair_probabilities(_pool(3), np.array([[0, 1]]), lambda *_: np.zeros(3))


# select


@pytest.mark.parametrize("selector", SELECTORS)
@pytest.mark.parametrize(("size", "count", "candidates"), [(30, 12, 10), (5, 10, 10), (6, 3, 1), (4, 0, 10), (2, 1, 5)])
def test_every_selector_gives_distinct_questions_over_the_pool(
    selector: Selector, size: int, count: int, candidates: int
) -> None:
    pool = _pool(size)
    questions = select(selector, pool, count, candidates, _first_obs, 1234, _rng())
    index = {id(segment): i for i, segment in enumerate(pool)}
    pairs = {frozenset(index[id(side)] for side in question.segments) for question in questions}
    assert len(questions) == len(pairs) == count
    assert all(len(pair) == 2 for pair in pairs)
    assert all(question.num_timesteps == 1234 and question.id is None for question in questions)


@pytest.mark.parametrize("selector", SELECTORS)
def test_selection_repeats_with_the_seed(selector: Selector) -> None:
    pool = _pool(20)

    def chosen(seed: int) -> list[list[int]]:
        questions = select(selector, pool, 8, 5, _first_obs, 0, _rng(seed))
        return [[id(side) for side in question.segments] for question in questions]

    assert chosen(3) == chosen(3)
    assert chosen(3) != chosen(4)


def test_sides_are_shuffled() -> None:
    pool = _pool(400)
    position = {id(segment): i for i, segment in enumerate(pool)}
    questions = select("uniform", pool, 2000, 1, None, 0, _rng())
    # The pair as chosen has the earlier segment first.
    exchanged = sum(position[id(left)] > position[id(right)] for left, right in (q.segments for q in questions))
    assert abs(exchanged - 1000) < 4.5 * math.sqrt(500)


def test_disagreement_finds_the_pairs_that_split_the_members() -> None:
    pool = _pool(12)
    first = np.array([segment.obs["obs"][0, 0] for segment in pool], np.float64)
    pairs = np.array(list(combinations(range(12), 2)))
    logits = np.array([[0.0], [10.0], [20.0]]) * (first[pairs[:, 0]] - first[pairs[:, 1]])
    spread = (1 / (1 + np.exp(-logits))).std(axis=0)
    best = {frozenset(pair) for pair in pairs[np.argsort(-spread)[:6]].tolist()}
    position = {id(segment): i for i, segment in enumerate(pool)}
    questions = select("disagreement", pool, 6, 11, _first_obs, 0, _rng())  # 66 candidates: every pair
    assert {frozenset(position[id(side)] for side in q.segments) for q in questions} == best


@pytest.mark.parametrize("selector", SELECTORS)
def test_prediction_happens_once_at_most_and_on_all_candidates(selector: Selector) -> None:
    shapes = []

    def predict(batch: Batch[NDArray[Any]]) -> np.ndarray:
        shapes.append((batch.obs["obs"].shape, batch.actions.shape, batch.absorbing.shape))
        return _first_obs(batch)

    select(selector, _pool(10), 4, 3, predict, 0, _rng())
    asks = selector not in ("uniform", "kcentre")
    assert shapes == [((10, 6, 3), (10, 5, 2), (10, 6))] * asks


@pytest.mark.parametrize("selector", SELECTORS)
def test_without_a_model_the_choice_is_uniform(selector: Selector) -> None:
    pool = _pool(10)
    questions = select(selector, pool, 5, 9, None, 0, _rng())
    assert {id(side) for question in questions for side in question.segments} == {id(segment) for segment in pool}


@pytest.mark.parametrize("selector", SELECTORS)
@pytest.mark.parametrize("field", ["obs", "actions", "true_rewards"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_segments_that_are_not_finite_never_get_in(selector: Selector, field: str, value: float) -> None:
    pool = _pool(5)
    getattr(pool[2], field)[1] = value
    questions = select(selector, pool, 6, 2, _first_obs, 0, _rng())
    assert all(pool[2] is not side for question in questions for side in question.segments)
    with pytest.raises(UsageError, match="4 segments make only 6 pairs"):
        select(selector, pool, 7, 2, _first_obs, 0, _rng())


def test_an_unknown_selector_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"'best'; choose one of uniform, disagreement"):
        select("best", _pool(3), 1, 1, None, 0, _rng())  # type: ignore[arg-type]
