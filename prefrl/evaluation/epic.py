"""EPIC: how far apart two rewards are, whatever their scale and potential-based shaping.

Gleave et al. 2021, "Quantifying Differences in Reward Functions". Axes: N transitions, M draws.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefrl.rewards.metrics import Weights, pearson

Floats = NDArray[np.float64]
RewardFunction = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]
"""Rewards (N,) of observations (N, obs_dim), actions (N, action_dim) and next observations (N, obs_dim)."""


class Draws(NamedTuple):
    """An action and a next observation that have nothing to do with each other or with any state, M times."""

    actions: NDArray[Any]  # (M, action_dim)
    next_obs: NDArray[Any]  # (M, obs_dim)


def draw(actions: NDArray[Any], obs: NDArray[Any], count: int, rng: np.random.Generator) -> Draws:
    """`count` independent draws from `actions` (N, action_dim) and `obs` (N, obs_dim)."""
    return Draws(actions[rng.integers(len(actions), size=count)], obs[rng.integers(len(obs), size=count)])


def epic_distance(
    first: RewardFunction,
    second: RewardFunction,
    obs: NDArray[Any],
    actions: NDArray[Any],
    next_obs: NDArray[Any],
    draws: Draws,
    gamma: float,
) -> float:
    """The EPIC distance of two rewards on transitions (N, .), in [0, 1]; NaN when one of them is constant.

    0: they order all policies alike in every environment with these states and actions. 1: they are opposites.
    `gamma` is the discount factor that shaping is meant with.
    """
    both = [canonical(reward, obs, actions, next_obs, draws, gamma) for reward in (first, second)]
    return pearson_distance(*both)


def canonical(
    reward: RewardFunction,
    obs: NDArray[Any],
    actions: NDArray[Any],
    next_obs: NDArray[Any],
    draws: Draws,
    gamma: float,
    rewards: NDArray[Any] | None = None,
) -> Floats:
    """(N,) the canonically shaped reward (their definition 4.1), which no potential changes.

        C(R)(s, a, s') = R(s, a, s') + E[gamma R(s', A, S') - R(s, A, S') - gamma R(S, A, S')]

    The last term is a constant, to which their distance is blind; it is left out. `rewards` (N,) are those of the
    transitions themselves where they are known better than by `reward`.
    """
    given = reward(obs, actions, next_obs) if rewards is None else rewards
    shaping = gamma * mean_rewards(reward, next_obs, draws) - mean_rewards(reward, obs, draws)
    return np.asarray(given, np.float64) + shaping


def mean_rewards(reward: RewardFunction, obs: NDArray[Any], draws: Draws) -> Floats:
    """(N,) mean of R(s, A, S') over the draws, for each s of `obs` (N, obs_dim)."""
    count = len(draws.actions)
    rows = max(1, 50_000 // count)  # bounds memory
    means = []
    for start in range(0, len(obs), rows):
        part = obs[start : start + rows]
        actions, next_obs = (np.tile(x, (len(part), 1)) for x in draws)
        rewards = reward(np.repeat(part, count, axis=0), actions, next_obs)
        means.append(np.asarray(rewards, np.float64).reshape(len(part), count).mean(axis=1))
    return np.concatenate(means) if means else np.zeros(0)


def pearson_distance(x: NDArray[Any], y: NDArray[Any], weights: Weights = None) -> float:
    """sqrt((1 - correlation) / 2) of `x` and `y` (N,), in [0, 1] (their definition 4.5); NaN if one is constant."""
    return float(np.sqrt((1 - pearson(x, y, weights)) / 2))


class AdditiveReward:
    """A reward known only where an agent has been, made a function of any observation, action and next observation.

    An environment cannot be asked what it would pay for leaping from any state to any other, as EPIC's expectations
    want to know. This is the ridge regression of the rewards that it paid on the values of observations, actions and
    next observations and on their squares, each clipped to what was seen: a sum of one part for each, so that it says
    something sensible about combinations that never happened. `r2` tells how much of the rewards' variance it explains.
    """

    def __init__(self, obs: NDArray[Any], actions: NDArray[Any], next_obs: NDArray[Any], rewards: NDArray[Any]) -> None:
        """Fit to N transitions: (N, obs_dim), (N, action_dim), (N, obs_dim) and rewards (N,)."""
        inputs = np.concatenate((obs, actions, next_obs), axis=1).astype(np.float64)
        self._low, self._high = inputs.min(0), inputs.max(0)
        self._mean, self._std = inputs.mean(0), np.maximum(inputs.std(0), 1e-8)
        features = self._features(inputs)
        target = np.asarray(rewards, np.float64)
        penalty = 1e-4 * len(features) * np.eye(features.shape[1])
        penalty[0, 0] = 0.0  # the intercept
        self._coefficients = np.linalg.solve(features.T @ features + penalty, features.T @ target)
        left_over = target - features @ self._coefficients
        self.r2 = float(1 - left_over.var() / target.var()) if target.var() > 0 else float("nan")

    def __call__(self, obs: NDArray[Any], actions: NDArray[Any], next_obs: NDArray[Any]) -> Floats:
        """Rewards (N,); arguments as in `RewardFunction`."""
        inputs = np.concatenate((obs, actions, next_obs), axis=1)
        rewards: Floats = self._features(inputs) @ self._coefficients
        return rewards

    def _features(self, inputs: NDArray[Any]) -> Floats:
        scaled = (np.clip(inputs, self._low, self._high) - self._mean) / self._std
        return np.concatenate((np.ones((len(scaled), 1)), scaled, scaled**2), axis=1)
