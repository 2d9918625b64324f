"""Observations and rewards in units of their own deviations, by Stable-Baselines3's VecNormalize."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecNormalize


def normalise(venv: VecEnv, gamma: float, *, reward_clip: float | None, training: bool) -> VecNormalize:
    """Normalise what the agent observes, and its rewards unless `reward_clip` is None.

    Without `training`, the statistics stay as they are.
    """
    scaled, clip = reward_clip is not None, reward_clip or math.inf
    normaliser = VecNormalize(venv, training=training, norm_reward=scaled, gamma=gamma, clip_reward=clip)
    space = normaliser.observation_space
    if not np.issubdtype(space.dtype, np.floating):  # SB3 would keep what is normalised as whole numbers
        normaliser.observation_space = spaces.Box(-np.inf, np.inf, space.shape, np.float32)
    return normaliser


def moments(normaliser: VecNormalize) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What `normaliser` subtracts from observations, and what it divides them by: (D,) each."""
    stats: Any = normaliser.obs_rms
    return np.ravel(stats.mean), np.sqrt(np.ravel(stats.var) + normaliser.epsilon)
