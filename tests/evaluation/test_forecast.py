import dataclasses
import math

import numpy as np
import pytest
import toy_envs  # noqa: F401
from builders import make_answer
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import cut
from prefrl.errors import UsageError
from prefrl.evaluation.forecast import Point, extrapolate, forecast, learning_curve, weighted_quantile
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Comparison
from prefrl.feedback.question import Question
from prefrl.training.learner import Learner

CONFIG = TrainConfig(
    "MoveRight-v0",
    segment_length=10,
    ppo=PPOConfig(n_envs=4, n_steps=20, batch_size=40, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(16,), learning_rate=1e-2, step_share=1.0),
)


def answers(count: int) -> list[Answer]:
    segments = cut(Learner(CONFIG).explore(20 * count), CONFIG.segment_length)
    pairs = list(zip(segments[::2], segments[1::2], strict=False))[:count]
    return [
        make_answer(Question((a, b), id=i), "left" if a.true_return > b.true_return else "right", seq=i)
        for i, (a, b) in enumerate(pairs, 1)
    ]


def curve(floor: float, scale: float, power: float, decided: int = 4000) -> list[Point]:
    sizes = (40, 80, 160, 320)
    return [Point(n, decided * (1 - floor - scale * n**-power), decided) for n in sizes]


@pytest.mark.parametrize(
    ("floor", "scale", "power", "goal"), [(0.0, 2.0, 0.5, 0.95), (0.05, 1.5, 0.5, 0.9), (0.0, 1.2, 0.4, 0.92)]
)
def test_a_curve_without_noise_is_continued_to_its_goal(floor: float, scale: float, power: float, goal: float) -> None:
    needed = ((1 - goal - floor) / scale) ** (-1 / power)
    found = extrapolate(curve(floor, scale, power), 320, goal)
    assert found.labels == 320
    assert 1 / 2 < (320 + found.more) / needed < 2
    low, high = found.ci95
    assert low <= found.more <= high
    assert low <= needed - 320 <= high
    assert found.agreement == pytest.approx(1 - floor - scale * 320**-power, abs=0.01)


def test_a_goal_that_is_reached_takes_no_more() -> None:
    assert extrapolate(curve(0.0, 1.0, 0.5), 320, 0.85).more == 0


def test_a_curve_that_levels_off_never_reaches_the_goal() -> None:
    found = extrapolate(curve(0.2, 5.0, 1.0), 320, 0.9)
    assert (found.more, found.ci95[1]) == (math.inf, math.inf)


def test_few_answers_make_a_wide_interval() -> None:
    wide, narrow = (extrapolate(curve(0.05, 1.5, 0.5, decided), 320, 0.9).ci95 for decided in (50, 40_000))
    assert wide[0] < narrow[0]
    assert wide[1] > narrow[1]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0.4, 1.0), min_size=4, max_size=4), st.floats(0.55, 0.99))
def test_any_curve_has_a_forecast_in_order(shares: list[float], goal: float) -> None:
    found = extrapolate([Point(25 * 2**i, 40 * share, 40) for i, share in enumerate(shares)], 300, goal)
    assert 0 <= found.ci95[0] <= found.more <= found.ci95[1]
    assert 0.5 <= found.agreement <= 1


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(20):
        floor, scale, power = rng.uniform(0, 0.08), rng.uniform(1, 2), rng.uniform(0.4, 0.7)
        goal = 1 - floor - scale * 900**-power
        points = [
            Point(n, float(rng.binomial(300, max(0.5, 1 - floor - scale * n**-power))), 300) for n in (40, 80, 160, 320)
        ]
        low, high = extrapolate(points, 320, goal).ci95
        held.append(low <= 580 <= high)
    assert np.mean(held) > 0.85


def test_the_curve_is_that_of_answers_that_were_never_seen() -> None:
    honest = answers(60)
    points = learning_curve(honest, CONFIG.reward_model, np.random.default_rng(0))
    assert [point.labels for point in points] == [11, 17, 22, 34, 45]
    assert {point.decided for point in points} == {60}  # each answer is held out once
    assert points[-1].right / 60 > 0.8
    rng = np.random.default_rng(1)
    coin = [dataclasses.replace(a, value=Comparison(rng.choice(["left", "right"]))) for a in honest]
    points = learning_curve(coin, CONFIG.reward_model, rng)
    assert max(point.right / 60 for point in points) < 0.75  # whatever was learned by heart


def test_the_forecast_of_real_answers_is_finite_and_repeats_itself() -> None:
    used = answers(48)
    first, again = (forecast(used, CONFIG.reward_model, 0.9, np.random.default_rng(0)) for _ in range(2))
    assert first == again
    assert first.labels == 48


def test_what_cannot_be_forecast_is_refused() -> None:
    few = answers(30)
    with pytest.raises(UsageError, match="30 answers"):
        forecast(few, CONFIG.reward_model, 0.9, np.random.default_rng(0))
    for goal in (0.5, 1.0, 90, math.nan):
        with pytest.raises(UsageError, match="--goal"):
            forecast(few, CONFIG.reward_model, goal, np.random.default_rng(0))


def test_weighted_quantiles_by_hand() -> None:
    values, weights = np.array([[3.0, 1.0], [np.inf, 2.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    assert [weighted_quantile(values, weights, q) for q in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1, 1, 2, 3, np.inf]
    assert weighted_quantile(values, np.array([[0.0, 0.1], [0.8, 0.1]]), 0.5) == np.inf
