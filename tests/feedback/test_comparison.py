"""What a comparison says, and the laws of the teacher that is simulated: by hand, and by frequency."""

import json
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from builders import make_question, make_segment
from hypothesis import given
from hypothesis import strategies as st

from prefrl.config.teachers import OracleConfig
from prefrl.feedback.comparison import PREFERRED, Comparison, ComparisonKind, Preferred, preference_logit, thresholds
from prefrl.feedback.noise import ReturnStats
from prefrl.feedback.question import Question

KIND = ComparisonKind()
QUESTION = make_question(np.random.default_rng(0), 4)
MIRROR: dict[Preferred, Preferred] = {"left": "right", "right": "left", "tie": "tie", "skip": "skip"}
UNIT = ReturnStats(mean=0.0, std=1.0)
DRAWS = 20_000


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _question(left: Sequence[float], right: Sequence[float]) -> Question:
    """A question whose sides pay these true rewards."""
    left_side, right_side = (
        make_segment(_rng(), len(side), true_rewards=np.array(side, np.float32)) for side in (left, right)
    )
    return Question((left_side, right_side))


def _questions(count: int = 40, mean_return: float = 5.0) -> list[Question]:
    rng, shift = _rng(1), np.float32(mean_return / 6)
    rewards = rng.normal(size=(count, 2, 6)).astype(np.float32) + shift
    return [_question(left.tolist(), right.tolist()) for left, right in rewards]


def _stats(questions: Sequence[Question]) -> ReturnStats:
    return ReturnStats.of(np.array([side.true_return for question in questions for side in question.segments]))


def _answers(
    config: OracleConfig, questions: Sequence[Question], stats: ReturnStats, rng: np.random.Generator
) -> list[Preferred]:
    return [KIND.simulate(question, stats, config, rng).preferred for question in questions]


def _frequencies(config: OracleConfig, question: Question, stats: ReturnStats, seed: int = 0) -> dict[Preferred, float]:
    counts = Counter(_answers(config, [question] * DRAWS, stats, _rng(seed)))
    return {preferred: counts[preferred] / DRAWS for preferred in PREFERRED}


def _near(frequency: float, probability: float) -> bool:
    """Within 4.5 standard deviations of the binomial: 7 in a million seeds would fail."""
    return abs(frequency - probability) <= 4.5 * math.sqrt(probability * (1 - probability) / DRAWS)


def _answer(config: OracleConfig, question: Question, stats: ReturnStats = UNIT) -> Preferred:
    return KIND.simulate(question, stats, config, _rng()).preferred


def _returns(question: Question) -> tuple[float, float]:
    left, right = question.segments
    return left.true_return, right.true_return


def _exchanged(question: Question) -> Question:
    return Question(question.segments[::-1])


# What it says


def test_an_unknown_comparison_is_refused_and_the_valid_ones_are_named() -> None:
    with pytest.raises(ValueError, match="'both'; valid ones are left, right, tie, skip"):
        Comparison("both")  # type: ignore[arg-type]
    for value in ("both", None, 1, ["left"], {"preferred": "left"}):
        with pytest.raises(ValueError, match="left, right, tie, skip"):
            KIND.from_json(value, QUESTION)


@pytest.mark.parametrize("preferred", PREFERRED)
def test_as_json_it_is_a_word(preferred: Preferred) -> None:
    assert json.loads(json.dumps(KIND.to_json(Comparison(preferred)))) == preferred
    assert KIND.from_json(preferred, QUESTION) == Comparison(preferred)


@pytest.mark.parametrize(
    ("preferred", "chosen"), [("left", (1.0, 0.0)), ("right", (0.0, 1.0)), ("tie", (0.5, 0.5)), ("skip", None)]
)
def test_it_is_a_choice_between_two_whole_segments(preferred: Preferred, chosen: tuple[float, float] | None) -> None:
    choices = KIND.choices(Comparison(preferred), QUESTION)
    if chosen is None:
        assert choices is None
    else:
        assert choices is not None
        (choice,) = choices
        assert (choice.options, choice.chosen) == (({0: 1.0}, {1: 1.0}), chosen)


@pytest.mark.parametrize("preferred", PREFERRED)
def test_in_another_order_the_other_side_is_meant(preferred: Preferred) -> None:
    assert KIND.reorder(Comparison(preferred), (0, 1)) == Comparison(preferred)
    assert KIND.reorder(Comparison(preferred), (1, 0)) == Comparison(MIRROR[preferred])


def test_it_is_of_two_segments() -> None:
    KIND.check(QUESTION)
    with pytest.raises(ValueError, match="of 2 segments, not of 1"):
        KIND.check(Question(QUESTION.segments[:1]))


# The perfect oracle


def test_perfect_oracle_prefers_the_greater_return_and_mirrors_exactly() -> None:
    questions = _questions()
    answers = _answers(OracleConfig(), questions, _stats(questions), _rng())
    assert answers == ["left" if left > right else "right" for left, right in map(_returns, questions)]
    mirrored = _answers(OracleConfig(), [_exchanged(q) for q in questions], _stats(questions), _rng(5))
    assert mirrored == [MIRROR[answer] for answer in answers]


def test_perfect_oracle_calls_equal_returns_a_tie() -> None:
    assert _answer(OracleConfig(), _question([1, 2, 3], [3, 1, 2])) == "tie"
    assert _answer(OracleConfig(mistake=1.0), _question([1, 2, 3], [3, 1, 2])) == "tie"


@given(st.integers(1, 60), st.floats(0.5, 1), st.integers(0, 1000))
def test_equal_segments_tie(steps: int, gamma: float, seed: int) -> None:
    sides = [make_segment(_rng(seed + i), steps) for i in range(5)]
    questions = [Question((side, side)) for side in sides]
    assert _answers(OracleConfig(gamma=gamma), questions, UNIT, _rng()) == ["tie"] * 5


# Rationality


@pytest.mark.parametrize(
    ("beta", "probability"),
    [(0.0, 0.5), (0.5, 0.6224593312), (1.0, 0.7310585786), (3.0, 0.9525741268), (math.inf, 1.0)],
)
def test_mistake_2_beta_sets_the_probability(beta: float, probability: float) -> None:
    # Returns 3 and 1, standard deviation 2: sigmoid(beta * 1).
    stats, question = ReturnStats(mean=7.0, std=2.0), _question([1, 2], [0, 1])
    frequencies = _frequencies(OracleConfig(beta=beta), question, stats)
    assert _near(frequencies["left"], probability)
    assert frequencies["left"] + frequencies["right"] == 1.0


@pytest.mark.parametrize("gamma", [1.0, 0.7])
def test_mistake_3_the_scale_of_the_rewards_changes_no_teacher(gamma: float) -> None:
    questions = _questions()
    scaled = [_question(*((100 * side.true_rewards).tolist() for side in q.segments)) for q in questions]
    config = OracleConfig(beta=1.5, gamma=gamma, mistake=0.1, skip=0.5, tie=0.2)
    for question, same in zip(questions[:5], scaled[:5], strict=True):
        assert _frequencies(config, question, _stats(questions)) == _frequencies(config, same, _stats(scaled))
    assert _answers(config, questions, _stats(questions), _rng()) == _answers(config, scaled, _stats(scaled), _rng())


# Myopia


def test_myopia_by_hand() -> None:
    # gamma 1/2 weighs three steps 1/4, 1/2, 1: returns 1 and 1.5 in place of 4 and 1.5; the mean weight is 7/12.
    question = _question([4, 0, 0], [0, 0, 1.5])
    assert _answer(OracleConfig(), question) == "left"
    assert _answer(OracleConfig(gamma=0.5), question) == "right"
    left, right = (side.true_rewards.astype(np.float64) for side in question.segments)
    assert preference_logit(left, right, 0.5, UNIT) == pytest.approx(-6 / 7)
    assert preference_logit(left, right, 1.0, ReturnStats(0.0, 2.0)) == pytest.approx(1.25)
    assert preference_logit(left, right, 0.0, UNIT) == pytest.approx(-4.5)
    frequencies = _frequencies(OracleConfig(beta=2.0, gamma=0.5), question, UNIT)
    assert _near(frequencies["left"], 0.1526098020)  # sigmoid(-12/7)


@given(st.floats(0, 1), st.floats(-3, 3), st.integers(1, 100))
def test_myopia_alone_makes_no_teacher_noisier(gamma: float, difference: float, steps: int) -> None:
    left = np.full(steps, difference)
    logit = preference_logit(left, np.zeros_like(left), gamma, ReturnStats(0.0, 2.0))
    assert logit == pytest.approx(difference * steps / 2, abs=1e-9)


# Mistakes


@pytest.mark.parametrize("mistake", [0.0, 0.1, 0.5, 1.0])
def test_mistakes_flip_a_perfect_answer(mistake: float) -> None:
    frequencies = _frequencies(OracleConfig(mistake=mistake), _question([1], [0]), UNIT)
    assert _near(frequencies["right"], mistake)
    assert frequencies["left"] + frequencies["right"] == 1.0


def test_mistakes_flip_a_noisy_answer_independently() -> None:
    # 0.8 * sigmoid(1) + 0.2 * sigmoid(-1)
    frequencies = _frequencies(OracleConfig(beta=1.0, mistake=0.2), _question([1], [0]), UNIT)
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
def test_skip_and_tie_by_hand(left: float, right: float, mean: float, expected: Preferred) -> None:
    config = OracleConfig(skip=0.3, tie=0.2)
    assert _answer(config, _question([left], [right]), ReturnStats(mean, 5.0)) == expected
    assert _answer(config, _question([right], [left]), ReturnStats(mean, 5.0)) == MIRROR[expected]


def test_skip_and_tie_see_undiscounted_returns_of_a_myopic_teacher() -> None:
    # Only the last step counts for gamma 0, but 4 is above the skip threshold of 2, and 4 - 4 below any for ties.
    stats = ReturnStats(mean=4.0, std=1.0)
    assert _answer(OracleConfig(gamma=0.0, skip=0.5), _question([4, 0], [0, 1]), stats) == "right"
    assert _answer(OracleConfig(gamma=0.0, skip=0.5), _question([1, 0], [0, 1]), stats) == "skip"
    assert _answer(OracleConfig(gamma=0.0, tie=0.1), _question([4, 0], [0, 4]), stats) == "tie"
    assert _answer(OracleConfig(gamma=0.0), _question([4, 0], [0, 4]), stats) == "right"


def test_ties_and_skips_stand_above_noise_and_mistakes() -> None:
    config = OracleConfig(beta=0.1, mistake=0.5, skip=0.3, tie=0.2)
    assert _frequencies(config, _question([5], [6]), ReturnStats(10.0, 1.0))["tie"] == 1.0
    assert _frequencies(config, _question([1], [2]), ReturnStats(10.0, 1.0))["skip"] == 1.0


def test_mistake_1_thresholds_do_not_compound_from_session_to_session() -> None:
    config = OracleConfig(skip=0.3, tie=0.2)
    questions = [_question([2.9], [0.5]), _question([3.1], [0.5]), _question([5.0], [6.9]), _question([5.0], [7.1])]
    at_ten = ["skip", "left", "tie", "right"]
    for mean, expected in [(10.0, at_ten), (10.0, at_ten), (40.0, ["skip"] * 4), (10.0, at_ten), (10.0, at_ten)]:
        assert _answers(config, questions, ReturnStats(mean, 1.0), _rng()) == expected


@given(st.floats(0.01, 0.5), st.floats(-100, 100))
def test_mistake_1_thresholds_are_linear_in_the_share(share: float, mean: float) -> None:
    stats = ReturnStats(mean, 1.0)
    (skip, tie), (skip_twice, tie_twice) = (thresholds(OracleConfig(skip=s, tie=s), stats) for s in (share, 2 * share))
    lowest = mean - abs(mean)
    assert skip_twice - lowest == pytest.approx(2 * (skip - lowest), abs=1e-9)
    assert tie_twice == pytest.approx(2 * tie)
