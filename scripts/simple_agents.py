"""Agents that have learned nothing, to compare with."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from prefrl.environments.make import make_env


def random_returns(env_id: str, env_kwargs: Mapping[str, Any], seed: int, episodes: int) -> list[float]:
    """True returns (episodes,) of an agent that acts at random; resets are seeded with `seed` and those that follow."""
    return _returns(env_id, env_kwargs, seed, episodes, idle=False)


def idle_returns(env_id: str, env_kwargs: Mapping[str, Any], seed: int, episodes: int) -> list[float]:
    """Likewise of an agent whose actions are all 0; where they are discrete, that is the first of them."""
    return _returns(env_id, env_kwargs, seed, episodes, idle=True)


def _returns(env_id: str, env_kwargs: Mapping[str, Any], seed: int, episodes: int, idle: bool) -> list[float]:
    env: gym.Env[Any, Any] = make_env(env_id, env_kwargs)
    env.action_space.seed(seed)
    nothing = np.zeros(env.action_space.shape or (), env.action_space.dtype)
    returns = []
    for episode in range(episodes):
        env.reset(seed=seed + episode)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(nothing if idle else env.action_space.sample())
            total, done = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns
