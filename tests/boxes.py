"""Environments whose actions and observations have units of all sizes. Import as `from boxes import Uneven`."""

import dataclasses

import gymnasium as gym
import numpy as np
import toy_envs
from agents import PPO, SAC
from gymnasium import spaces

from prefrl.algorithms.base import SB3Algorithm


class Uneven(toy_envs.RandomEnds):
    """Four numbers in two axes, each with bounds of its own; one that cannot move. It observes numbers of all sizes."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Box(np.array([[-2, 0], [7, -1e-3]]), np.array([[0.5, 100], [7, 1e-3]]), dtype=np.float64)

    def observe(self) -> np.ndarray:
        return super().observe() * np.array([1e-3, 1.0, 50.0]) + np.array([0.0, 20.0, -1000.0])


class Open(toy_envs.RandomEnds):
    """Acts by numbers that lack a bound, or both."""

    action_space = spaces.Box(np.array([-np.inf, 4.0], np.float32), np.array([np.inf, np.inf], np.float32))


class Bytes(toy_envs.Counter):
    observation_space = spaces.Box(0, 255, (2,), np.uint8)

    def observe(self) -> np.ndarray:
        return super().observe().astype(np.uint8)


def observations(env: type[gym.Env]) -> np.ndarray:
    """What it observes, and what lies so far out that it is clipped."""
    space = env.observation_space
    drawn = np.random.default_rng(0).normal(size=(50, *space.shape)) * 10.0 ** np.arange(-3, 7).repeat(5)[:, None]
    return np.clip(drawn, space.low, space.high).astype(space.dtype)


def assert_same(algorithm: SB3Algorithm, got: np.ndarray, expected: np.ndarray) -> None:
    """Actions are the same to 1e-5 of half their range, or of the environment's unit where a bound is missing."""
    assert got.shape == expected.shape
    assert (np.abs(got - expected) <= 1e-5 * algorithm.units.unit).all()


CASES = {
    "bounds of -1 and 1": (PPO, toy_envs.MoveRight),
    "bounds of all sizes": (PPO, Uneven),
    "bounds of all sizes, raw": (dataclasses.replace(PPO, action_units="raw"), Uneven),
    "missing bounds": (PPO, Open),
    "choices": (PPO, Bytes),
    "squashed": (SAC, Uneven),
    "squashed, raw": (dataclasses.replace(SAC, action_units="raw"), toy_envs.RandomEnds),
}
"""Settings, and an environment to train in by them."""
