"""What every teacher must do, and the oracle's laws: by hand, and by frequency."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from builders import make_query, make_segment
from hypothesis import given
from hypothesis import strategies as st

from prefrl.config.run import OracleConfig
from prefrl.feedback.comparison import CHOICES, Choice
from prefrl.feedback.question import Query
from prefrl.store.store import Store
from prefrl.teachers.base import ReturnStats, Teacher, answer_pending
from prefrl.teachers.oracle import Oracle, preference_logits, thresholds

TEACHERS: dict[str, Teacher] = {
    "perfect": Oracle(),
    "noisy": Oracle(OracleConfig(beta=1.0)),
    "coin": Oracle(OracleConfig(beta=0.0)),
    "myopic": Oracle(OracleConfig(gamma=0.9)),
    "mistaken": Oracle(OracleConfig(mistake=0.3)),
    "skipping": Oracle(OracleConfig(skip=0.9)),
    "tying": Oracle(OracleConfig(tie=0.5)),
    "all faults": Oracle(OracleConfig(beta=2.0, gamma=0.95, mistake=0.1, skip=0.9, tie=0.2)),
}
every_teacher = pytest.mark.parametrize("teacher", TEACHERS.values(), ids=TEACHERS.keys())

MIRROR: dict[Choice, Choice] = {"left": "right", "right": "left", "tie": "tie", "skip": "skip"}
UNIT = ReturnStats(mean=0.0, std=1.0)
DRAWS = 20_000


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _query(left: Sequence[float], right: Sequence[float]) -> Query:
    """A query whose sides pay these true rewards."""
    sides = [make_segment(_rng(), len(side), true_rewards=np.array(side, np.float32)) for side in (left, right)]
    return Query(*sides)


def _queries(count: int = 40, mean_return: float = 5.0) -> list[Query]:
    rng, shift = _rng(1), np.float32(mean_return / 6)
    rewards = rng.normal(size=(count, 2, 6)).astype(np.float32) + shift
    return [_query(left.tolist(), right.tolist()) for left, right in rewards]


def _stats(queries: Sequence[Query]) -> ReturnStats:
    return ReturnStats.of(np.array([side.true_return for query in queries for side in (query.left, query.right)]))


def _frequencies(teacher: Teacher, query: Query, stats: ReturnStats, seed: int = 0) -> dict[Choice, float]:
    counts = Counter(teacher.choose([query] * DRAWS, stats, _rng(seed)))
    return {choice: counts[choice] / DRAWS for choice in CHOICES}


def _near(frequency: float, probability: float) -> bool:
    """Within 4.5 standard deviations of the binomial: 7 in a million seeds would fail."""
    return abs(frequency - probability) <= 4.5 * math.sqrt(probability * (1 - probability) / DRAWS)


def _choose(config: OracleConfig, query: Query, stats: ReturnStats = UNIT) -> Choice:
    return Oracle(config).choose([query], stats, _rng())[0]


# The contract of every teacher


@every_teacher
def test_one_valid_choice_for_each_query(teacher: Teacher) -> None:
    queries = _queries()
    choices = teacher.choose(queries, _stats(queries), _rng())
    assert len(choices) == len(queries)
    assert set(choices) <= set(CHOICES)
    assert all(type(choice) is str for choice in choices)
    assert teacher.choose([], UNIT, _rng()) == []
    assert teacher.name


@every_teacher
def test_the_same_seed_gives_the_same_choices(teacher: Teacher) -> None:
    queries = _queries()
    first, again = (teacher.choose(queries, _stats(queries), _rng(7)) for _ in range(2))
    assert first == again


@every_teacher
def test_queries_are_left_as_they_were(teacher: Teacher) -> None:
    queries = _queries(5)
    sides = [side for query in queries for side in (query.left, query.right)]
    before = [(s.obs.copy(), s.actions.copy(), s.absorbing.copy(), s.true_rewards.copy()) for s in sides]
    teacher.choose(queries, _stats(queries), _rng())
    for side, copies in zip(sides, before, strict=True):
        for array, copy in zip((side.obs, side.actions, side.absorbing, side.true_rewards), copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@every_teacher
def test_exchanging_the_sides_mirrors_the_law(teacher: Teacher) -> None:
    queries = _queries()
    for query in queries[:3]:
        there = _frequencies(teacher, query, _stats(queries), seed=1)
        back = _frequencies(teacher, Query(query.right, query.left), _stats(queries), seed=2)
        for choice in CHOICES:
            pooled = (there[choice] + back[MIRROR[choice]]) / 2
            bound = 4.5 * math.sqrt(pooled * (1 - pooled) * 2 / DRAWS)
            assert abs(there[choice] - back[MIRROR[choice]]) <= bound


@every_teacher
def test_answers_land_in_the_store_exactly_once(teacher: Teacher, tmp_path: Path) -> None:
    rng = _rng()
    with Store(f"sqlite:///{tmp_path / 'preferences.sqlite'}") as store:
        store.add_queries([make_query(rng, steps=6, num_timesteps=i) for i in range(9)])
        assert answer_pending(store, teacher, _rng()) == 9
        assert answer_pending(store, teacher, _rng()) == 0
        assert store.pending() == []
        preferences = store.preferences()
    assert sorted(preference.query.num_timesteps for preference in preferences) == list(range(9))
    assert {preference.annotator for preference in preferences} == {teacher.name}
    queries = [preference.query for preference in preferences]
    assert [preference.choice for preference in preferences] == teacher.choose(queries, _stats(queries), _rng())


# The perfect oracle


def test_perfect_oracle_prefers_the_greater_return_and_mirrors_exactly() -> None:
    queries = _queries()
    choices = Oracle().choose(queries, _stats(queries), _rng())
    assert choices == ["left" if q.left.true_return > q.right.true_return else "right" for q in queries]
    mirrored = Oracle().choose([Query(q.right, q.left) for q in queries], _stats(queries), _rng(5))
    assert mirrored == [MIRROR[choice] for choice in choices]


def test_perfect_oracle_calls_equal_returns_a_tie() -> None:
    assert _choose(OracleConfig(), _query([1, 2, 3], [3, 1, 2])) == "tie"
    assert _choose(OracleConfig(mistake=1.0), _query([1, 2, 3], [3, 1, 2])) == "tie"


@given(st.integers(1, 60), st.floats(0.5, 1), st.integers(0, 1000))
def test_equal_segments_tie_wherever_they_stand_in_a_batch(steps: int, gamma: float, seed: int) -> None:
    sides = [make_segment(_rng(seed + i), steps) for i in range(5)]
    queries = [Query(side, side) for side in sides]
    assert Oracle(OracleConfig(gamma=gamma)).choose(queries, UNIT, _rng()) == ["tie"] * 5


# Rationality


@pytest.mark.parametrize(
    ("beta", "probability"),
    [(0.0, 0.5), (0.5, 0.6224593312), (1.0, 0.7310585786), (3.0, 0.9525741268), (math.inf, 1.0)],
)
def test_mistake_2_beta_sets_the_probability(beta: float, probability: float) -> None:
    # Returns 3 and 1, standard deviation 2: sigmoid(beta * 1).
    stats, query = ReturnStats(mean=7.0, std=2.0), _query([1, 2], [0, 1])
    frequencies = _frequencies(Oracle(OracleConfig(beta=beta)), query, stats)
    assert _near(frequencies["left"], probability)
    assert frequencies["left"] + frequencies["right"] == 1.0


@pytest.mark.parametrize("gamma", [1.0, 0.7])
def test_mistake_3_the_scale_of_the_rewards_changes_no_teacher(gamma: float) -> None:
    queries = _queries()
    scaled = [_query((100 * q.left.true_rewards).tolist(), (100 * q.right.true_rewards).tolist()) for q in queries]
    oracle = Oracle(OracleConfig(beta=1.5, gamma=gamma, mistake=0.1, skip=0.5, tie=0.2))
    for query, same in zip(queries[:5], scaled[:5], strict=True):
        assert _frequencies(oracle, query, _stats(queries)) == _frequencies(oracle, same, _stats(scaled))
    assert oracle.choose(queries, _stats(queries), _rng()) == oracle.choose(scaled, _stats(scaled), _rng())


@given(st.integers(0, 40))
def test_cutting_a_batch_in_two_changes_no_answer(cut: int) -> None:
    queries, oracle = _queries(), Oracle(OracleConfig(beta=1.0, mistake=0.2))
    stats, rng = _stats(queries), _rng(3)
    parts = oracle.choose(queries[:cut], stats, rng) + oracle.choose(queries[cut:], stats, rng)
    assert parts == oracle.choose(queries, stats, _rng(3))


# Myopia


def test_myopia_by_hand() -> None:
    # gamma 1/2 weighs three steps 1/4, 1/2, 1: returns 1 and 1.5 in place of 4 and 1.5; the mean weight is 7/12.
    query = _query([4, 0, 0], [0, 0, 1.5])
    assert _choose(OracleConfig(), query) == "left"
    assert _choose(OracleConfig(gamma=0.5), query) == "right"
    left, right = (side.true_rewards[None].astype(np.float64) for side in (query.left, query.right))
    assert preference_logits(left, right, 0.5, UNIT).tolist() == pytest.approx([-6 / 7])
    assert preference_logits(left, right, 1.0, ReturnStats(0.0, 2.0)).tolist() == pytest.approx([1.25])
    assert preference_logits(left, right, 0.0, UNIT).tolist() == pytest.approx([-4.5])
    frequencies = _frequencies(Oracle(OracleConfig(beta=2.0, gamma=0.5)), query, UNIT)
    assert _near(frequencies["left"], 0.1526098020)  # sigmoid(-12/7)


@given(st.floats(0, 1), st.floats(-3, 3), st.integers(1, 100))
def test_myopia_alone_makes_no_teacher_noisier(gamma: float, difference: float, steps: int) -> None:
    left = np.full((1, steps), difference)
    logits = preference_logits(left, np.zeros_like(left), gamma, ReturnStats(0.0, 2.0))
    np.testing.assert_allclose(logits, difference * steps / 2, atol=1e-9)


# Mistakes


@pytest.mark.parametrize("mistake", [0.0, 0.1, 0.5, 1.0])
def test_mistakes_flip_a_perfect_answer(mistake: float) -> None:
    frequencies = _frequencies(Oracle(OracleConfig(mistake=mistake)), _query([1], [0]), UNIT)
    assert _near(frequencies["right"], mistake)
    assert frequencies["left"] + frequencies["right"] == 1.0


def test_mistakes_flip_a_noisy_answer_independently() -> None:
    # 0.8 * sigmoid(1) + 0.2 * sigmoid(-1)
    frequencies = _frequencies(Oracle(OracleConfig(beta=1.0, mistake=0.2)), _query([1], [0]), UNIT)
    assert _near(frequencies["left"], 0.6386351472)


# Skips and ties


def test_thresholds_by_hand() -> None:
    config = OracleConfig(skip=0.3, tie=0.2)
    assert thresholds(config, ReturnStats(10.0, 1.0)) == pytest.approx((3.0, 2.0))
    assert thresholds(config, ReturnStats(-10.0, 1.0)) == pytest.approx((-17.0, 2.0))
    assert thresholds(config, ReturnStats(0.0, 1.0)) == (0.0, 0.0)
    assert thresholds(OracleConfig(), ReturnStats(10.0, 1.0)) == (-math.inf, 0.0)


@pytest.mark.parametrize(
    ("left", "right", "mean", "expected"),
    [
        (2.9, 2.8, 10.0, "skip"),  # both below 3, and skip comes before tie
        (3.1, 2.8, 10.0, "tie"),  # one below 3; 0.3 apart, below 2
        (2.9, 5.0, 10.0, "right"),  # 2.1 apart
        (12.0, 10.5, 10.0, "tie"),
        (-18.0, -21.0, -10.0, "skip"),  # both below -17
        (-16.5, -21.0, -10.0, "left"),
        (-3.0, -4.5, -10.0, "tie"),
        (0.0, 0.0, 0.0, "tie"),  # sparse rewards, none seen yet: nothing lies below the average
    ],
)
def test_skip_and_tie_by_hand(left: float, right: float, mean: float, expected: Choice) -> None:
    config = OracleConfig(skip=0.3, tie=0.2)
    assert _choose(config, _query([left], [right]), ReturnStats(mean, 5.0)) == expected
    assert _choose(config, _query([right], [left]), ReturnStats(mean, 5.0)) == MIRROR[expected]


def test_skip_and_tie_see_undiscounted_returns_of_a_myopic_teacher() -> None:
    # Only the last step counts for gamma 0, but 4 is above the skip threshold of 2, and 4 - 4 below any for ties.
    stats = ReturnStats(mean=4.0, std=1.0)
    assert _choose(OracleConfig(gamma=0.0, skip=0.5), _query([4, 0], [0, 1]), stats) == "right"
    assert _choose(OracleConfig(gamma=0.0, skip=0.5), _query([1, 0], [0, 1]), stats) == "skip"
    assert _choose(OracleConfig(gamma=0.0, tie=0.1), _query([4, 0], [0, 4]), stats) == "tie"
    assert _choose(OracleConfig(gamma=0.0), _query([4, 0], [0, 4]), stats) == "right"


def test_ties_and_skips_stand_above_noise_and_mistakes() -> None:
    config = OracleConfig(beta=0.1, mistake=0.5, skip=0.3, tie=0.2)
    assert _frequencies(Oracle(config), _query([5], [6]), ReturnStats(10.0, 1.0))["tie"] == 1.0
    assert _frequencies(Oracle(config), _query([1], [2]), ReturnStats(10.0, 1.0))["skip"] == 1.0


def test_mistake_1_thresholds_do_not_compound_from_session_to_session() -> None:
    oracle = Oracle(OracleConfig(skip=0.3, tie=0.2))
    queries = [_query([2.9], [0.5]), _query([3.1], [0.5]), _query([5.0], [6.9]), _query([5.0], [7.1])]
    at_ten = ["skip", "left", "tie", "right"]
    for mean, expected in [(10.0, at_ten), (10.0, at_ten), (40.0, ["skip"] * 4), (10.0, at_ten), (10.0, at_ten)]:
        assert oracle.choose(queries, ReturnStats(mean, 1.0), _rng()) == expected


@given(st.floats(0.01, 0.5), st.floats(-100, 100))
def test_mistake_1_thresholds_are_linear_in_the_share(share: float, mean: float) -> None:
    stats = ReturnStats(mean, 1.0)
    (skip, tie), (skip_twice, tie_twice) = (thresholds(OracleConfig(skip=s, tie=s), stats) for s in (share, 2 * share))
    lowest = mean - abs(mean)
    assert skip_twice - lowest == pytest.approx(2 * (skip - lowest), abs=1e-9)
    assert tie_twice == pytest.approx(2 * tie)


# ReturnStats


def test_return_stats_by_hand() -> None:
    assert ReturnStats.of(np.array([1.0, 3.0])) == ReturnStats(mean=2.0, std=1.0)


@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_equal_returns_get_a_unit_to_divide_by(value: float, count: int) -> None:
    assert ReturnStats.of(np.full(count, value)).std == 1.0


@pytest.mark.parametrize("returns", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_return_stats_refuse_nonsense(returns: list[float]) -> None:
    with pytest.raises(ValueError, match="want"), np.errstate(invalid="ignore"):
        ReturnStats.of(np.array(returns))


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan, math.inf])
def test_return_stats_refuse_a_deviation_that_cannot_divide(std: float) -> None:
    with pytest.raises(ValueError, match="std > 0"):
        ReturnStats(0.0, std)
