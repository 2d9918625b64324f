import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss

from prefrl.rewards.metrics import (
    answer_probability,
    brier_score,
    ensemble_spread,
    estimate,
    expected_calibration_error,
    iqm,
    item_weights,
    pair_weights,
    pearson,
    preference_accuracy,
    reliability,
    resample,
    spearman,
    wilson,
)

PAIRS = st.lists(
    st.tuples(st.floats(-8, 8, width=32), st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 3)), min_size=1, max_size=30
)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize(
    ("logits", "targets", "expected"),
    [
        ([2.0, -1.0, 3.0, -0.5], [1.0, 0.0, 0.0, 1.0], 0.5),
        ([2.0, -1.0, 9.0], [1.0, 0.0, 0.5], 1.0),  # the tie is left out
        ([0.0, 1.0], [1.0, 1.0], 0.75),  # no opinion counts half
        ([0.0, 0.0], [1.0, 0.0], 0.5),
    ],
)
def test_accuracy_by_hand(logits: list[float], targets: list[float], expected: float) -> None:
    assert preference_accuracy(np.array(logits), np.array(targets)) == expected


def test_the_answer_of_a_teacher_who_answers_at_random_at_times_by_hand() -> None:
    logits = np.array([math.log(3), -math.log(3), 1000.0], np.float32)
    np.testing.assert_allclose(answer_probability(logits, 0.0), [0.75, 0.25, 1.0], rtol=1e-6)
    np.testing.assert_allclose(answer_probability(logits, 0.2), [0.7, 0.3, 0.9], rtol=1e-6)


@pytest.mark.parametrize(("logits", "targets"), [([], []), ([1.0, -2.0], [0.5, 0.5])])
def test_accuracy_of_no_decided_pair_is_nan(logits: list[float], targets: list[float]) -> None:
    assert math.isnan(preference_accuracy(np.array(logits), np.array(targets)))


def calibration(probabilities: list[float], targets: list[float], bins: int = 10) -> float:
    return expected_calibration_error(np.array(probabilities), np.array(targets), bins=bins)


def test_calibration_error_by_hand() -> None:
    # Confidences 0.9 (right), 0.9 (wrong) and 0.6 (right): gaps |0.9 - 1/2| * 2 pairs and |0.6 - 1| * 1 pair.
    assert calibration([0.9, 0.1, 0.6], [1.0, 1.0, 1.0]) == pytest.approx((2 * 0.4 + 0.4) / 3)


def test_calibration_error_is_averaged_within_a_bin_not_beyond() -> None:
    probabilities, targets = [0.52, 0.98], [1.0, 0.0]
    assert calibration(probabilities, targets) == pytest.approx((0.48 + 0.98) / 2)
    assert calibration(probabilities, targets, bins=1) == pytest.approx(0.75 - 0.5)


def test_a_stated_winner_that_wins_as_often_as_stated_is_calibrated() -> None:
    assert calibration([0.75, 0.25, 0.75, 0.25], [1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.0)


@pytest.mark.parametrize(("probability", "error"), [(0.5, 0.0), (1.0, 0.5), (0.0, 0.5)])
def test_a_tie_is_half_right(probability: float, error: float) -> None:
    assert calibration([probability], [0.5]) == pytest.approx(error)


@given(PAIRS)
def test_calibration_error_is_a_share_and_blind_to_the_sides(pairs: list[tuple[float, float, int]]) -> None:
    logits, targets, _ = (np.array(x) for x in zip(*pairs, strict=True))
    probabilities = sigmoid(logits)
    decided = probabilities != 0.5  # of an even chance, the left is called the winner
    error = expected_calibration_error(probabilities[decided], targets[decided])
    if decided.any():
        assert 0 <= error <= 1
        # A mirrored probability may be rounded into the neighbouring bin, so only what cannot be is compared.
        mirrored = expected_calibration_error(1 - probabilities[decided], 1 - targets[decided], bins=1)
        unturned = expected_calibration_error(probabilities[decided], targets[decided], bins=1)
        assert mirrored == pytest.approx(unturned, abs=1e-9)


def test_figures_of_no_pair_are_nan() -> None:
    assert math.isnan(calibration([], []))
    assert math.isnan(brier_score(np.zeros(0), np.zeros(0)))
    assert math.isnan(spearman(np.zeros(0), np.zeros(0)))


def test_brier_score_by_hand() -> None:
    assert brier_score(np.array([0.9, 0.2, 0.6]), np.array([1.0, 1.0, 0.5])) == pytest.approx((0.01 + 0.64 + 0.01) / 3)
    assert brier_score(np.full(4, 0.5), np.array([1.0, 0, 1, 0])) == 0.25


def test_the_figures_are_those_of_scikit_learn_and_scipy() -> None:
    rng = np.random.default_rng(0)
    logits, weights = rng.normal(size=500), rng.integers(0, 3, 500)
    targets = (rng.random(500) < sigmoid(2 * logits)).astype(float)
    p = sigmoid(logits)
    assert preference_accuracy(logits, targets, weights) == pytest.approx(
        accuracy_score(targets, p > 0.5, sample_weight=weights)
    )
    assert brier_score(p, targets, weights) == pytest.approx(brier_score_loss(targets, p, sample_weight=weights))
    left_first = p >= 0.5
    right, confidence = np.where(left_first, targets, 1 - targets), np.where(left_first, p, 1 - p)
    share, stated = calibration_curve(right, 2 * confidence - 1, n_bins=10)  # its bins are those of [0, 1]
    found = reliability(p, targets)
    assert found.accuracy[found.pairs > 0] == pytest.approx(share)
    assert found.confidence[found.pairs > 0] == pytest.approx((stated + 1) / 2)
    x, y = rng.normal(size=300), rng.normal(size=300).round(1)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


@given(PAIRS)
def test_a_weight_is_how_often_an_item_is_there(pairs: list[tuple[float, float, int]]) -> None:
    logits, targets, weights = (np.array(x) for x in zip(*pairs, strict=True))
    p = sigmoid(logits)
    for metric, x in ((preference_accuracy, logits), (brier_score, p), (expected_calibration_error, p)):
        repeated = metric(np.repeat(x, weights), np.repeat(targets, weights))
        assert metric(x, targets, weights) == pytest.approx(repeated, nan_ok=True)
    assert pearson(logits, targets, weights) == pytest.approx(
        pearson(np.repeat(logits, weights), np.repeat(targets, weights)), nan_ok=True
    )


def test_rank_correlation_by_hand() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 1e6, 500.0])) == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -8.0, -27.0])) == pytest.approx(-1.0)
    assert math.isnan(spearman(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    assert math.isnan(spearman(np.array([1.0]), np.array([3.0])))


def test_ensemble_spread_by_hand() -> None:
    # Centred: (-1, 1) and (-3, 3). Their mean (-2, 2) has deviation 2; the members differ by 1 on either segment.
    assert ensemble_spread(np.array([[4.0, 6.0], [7.0, 13.0]])) == pytest.approx(1 / 2)
    assert ensemble_spread(np.array([[4.0, 6.0], [14.0, 16.0]])) == 0  # a constant is no disagreement
    assert ensemble_spread(np.array([[0.0, 1.0], [1.0, 0.0]])) == math.inf
    assert math.isnan(ensemble_spread(np.array([[0.0, 1.0]])))
    assert ensemble_spread(np.array([[2.0, 2.0], [3.0, 3.0]])) == 0


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=10), st.floats(0.1, 10), st.floats(-100, 100))
def test_ensemble_spread_knows_no_scale(values: list[float], scale: float, shift: float) -> None:
    returns = np.stack([np.array(values), np.array(values)[::-1] ** 2])
    if np.ptp(returns.mean(0)) > 1e-3:
        moved = ensemble_spread(scale * returns + shift)
        assert moved == pytest.approx(ensemble_spread(returns), rel=1e-4, abs=1e-6)


def test_iqm_by_hand() -> None:
    assert iqm(np.array([0.0, 10.0, 2.0, 4.0])) == 3.0


@pytest.mark.parametrize(("right", "total"), [(0, 5), (5, 5), (8, 10), (50, 100)])
def test_wilson_is_that_of_scipy(right: int, total: int) -> None:
    expected = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert wilson(right, total) == pytest.approx((expected.low, expected.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_pairs_are_seen_as_often_as_their_groups_meet() -> None:
    counts = np.array([[2, 1, 0], [1, 1, 1]])
    first, second = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    assert [row.tolist() for row in pair_weights(counts, first, second)] == [[2, 2, 1, 0], [1, 1, 1, 1]]
    assert [row.tolist() for row in item_weights(counts, first)] == [[2, 2, 1, 0], [1, 1, 1, 1]]


def test_the_interval_of_groups_is_honest() -> None:
    """Steps of one episode are alike: the interval must be that of ten episodes, not of 500 steps."""
    rng, held, widths = np.random.default_rng(0), [], []
    for _ in range(60):
        episode = np.repeat(np.arange(20), 50)
        x = rng.normal(size=20)[episode] + 0.1 * rng.normal(size=1000)
        y = rng.normal(size=20)[episode] + 0.1 * rng.normal(size=1000)
        found = estimate(pearson, x, y, weights=item_weights(resample(20, rng), episode))
        low, high = found.ci95
        assert low <= found.value <= high
        held.append(low <= 0 <= high)
        widths.append(high - low)
    assert np.mean(held) > 0.8
    assert np.mean(widths) > 0.5  # 0.12 if the 1000 steps were independent


def test_one_group_has_no_interval() -> None:
    weights = item_weights(resample(1, np.random.default_rng(0)), np.zeros(4, int))
    found = estimate(iqm_like, np.arange(4.0), weights=weights)
    assert found.value == 1.5
    assert all(math.isnan(x) for x in found.ci95)


def iqm_like(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    return float(np.average(values, weights=weights))
