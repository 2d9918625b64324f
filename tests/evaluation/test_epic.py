import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.evaluation.epic import AdditiveReward, canonical, draw, epic_distance, mean_rewards, pearson_distance

GAMMA = 0.9
RNG = np.random.default_rng(0)
OBS, ACTIONS, NEXT_OBS = RNG.normal(size=(400, 3)), RNG.uniform(-1, 1, (400, 2)), RNG.normal(size=(400, 3))
DRAWS = draw(ACTIONS, OBS, 40, RNG)


def reward(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
    return np.sin(obs[:, 0]) * actions[:, 0] + next_obs[:, 1] ** 2 - actions[:, 1]


def distance(first, second) -> float:
    return epic_distance(first, second, OBS, ACTIONS, NEXT_OBS, DRAWS, GAMMA)


def shaped(scale: float = 1.0, shift: float = 0.0, weight: float = 0.0):
    """`reward`, rescaled, and shaped by the potential weight * (s_0^3 - cos(s_2))."""

    def potential(obs: np.ndarray) -> np.ndarray:
        return weight * (obs[:, 0] ** 3 - np.cos(obs[:, 2]))

    def changed(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return scale * reward(obs, actions, next_obs) + shift + GAMMA * potential(next_obs) - potential(obs)

    return changed


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100), st.floats(-100, 100), st.floats(-10, 10))
def test_scale_and_potential_shaping_are_no_distance(scale: float, shift: float, weight: float) -> None:
    assert distance(reward, shaped(scale, shift, scale * weight)) == pytest.approx(0.0, abs=1e-5)


def test_a_reward_and_its_opposite_are_as_far_apart_as_can_be() -> None:
    assert distance(reward, shaped(scale=-2.0, weight=3.0)) == pytest.approx(1.0)


def test_it_is_a_pseudometric() -> None:
    def other(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return actions[:, 0] - next_obs[:, 2]

    def third(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return obs[:, 1] * next_obs[:, 1]

    ab, bc, ac = distance(reward, other), distance(other, third), distance(reward, third)
    assert ab == pytest.approx(distance(other, reward))
    assert 0 < ab < 1
    assert ac <= ab + bc
    assert distance(shaped(weight=5.0), other) == pytest.approx(ab)


def test_shaping_that_is_not_by_this_discount_is_a_distance() -> None:
    def wrongly(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return reward(obs, actions, next_obs) + next_obs[:, 0] * 0.5

    assert distance(reward, wrongly) > 0.1


def test_the_canonical_form_by_hand() -> None:
    """R = 10 s + a + 100 s', one state 2 -> 3 by action 5; the draws are a = 1, s' = 4 and a = 3, s' = 6."""

    def linear(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return (10 * obs + actions + 100 * next_obs)[:, 0]

    s, a, after = np.array([[2.0]]), np.array([[5.0]]), np.array([[3.0]])
    draws = draw(np.array([[1.0]]), np.array([[4.0]]), 1, RNG)._replace(
        actions=np.array([[1.0], [3.0]]), next_obs=np.array([[4.0], [6.0]])
    )
    assert mean_rewards(linear, s, draws).tolist() == [20 + 2 + 500]
    assert canonical(linear, s, a, after, draws, 0.5).tolist() == [325 + 0.5 * 532 - 522]
    assert canonical(linear, s, a, after, draws, 0.5, np.array([0.0])).tolist() == [0.5 * 532 - 522]
    assert len(mean_rewards(linear, s[:0], draws)) == 0


def test_pearson_distance_by_hand() -> None:
    x = np.array([1.0, 2.0, 3.0])
    assert pearson_distance(x, 5 * x - 2) == 0
    assert pearson_distance(x, -x) == 1
    assert pearson_distance(x, np.array([1.0, 0.0, 1.0])) == pytest.approx(math.sqrt(0.5))
    assert math.isnan(pearson_distance(x, np.ones(3)))


def test_a_fitted_reward_says_what_was_paid_and_stays_sober_elsewhere() -> None:
    def quadratic(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        return 3 * next_obs[:, 0] - obs[:, 1] ** 2 + 2 * actions[:, 1] - 7

    fitted = AdditiveReward(OBS, ACTIONS, NEXT_OBS, quadratic(OBS, ACTIONS, NEXT_OBS))
    assert fitted.r2 > 0.999
    assert fitted(OBS, ACTIONS, NEXT_OBS) == pytest.approx(quadratic(OBS, ACTIONS, NEXT_OBS), abs=0.05)
    assert distance(quadratic, fitted) < 0.01
    far = fitted(1e6 * np.ones((1, 3)), np.zeros((1, 2)), np.zeros((1, 3)))
    assert abs(far[0]) < 100
    assert AdditiveReward(OBS, ACTIONS, NEXT_OBS, reward(OBS, ACTIONS, NEXT_OBS)).r2 < 0.95


def test_a_constant_reward_has_no_fit_to_speak_of() -> None:
    fitted = AdditiveReward(OBS, ACTIONS, NEXT_OBS, np.ones(400))
    assert math.isnan(fitted.r2)
    assert fitted(OBS, ACTIONS, NEXT_OBS) == pytest.approx(1.0)
