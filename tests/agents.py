"""Algorithms in toy environments, without a learner. Import as `from agents import make`."""

import dataclasses
from typing import Any

import gymnasium as gym
import toy_envs
from small import SMALL, SMALL_SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.algorithms.base import SB3Algorithm
from prefrl.algorithms.registry import make_algorithm
from prefrl.config.run import TrainConfig
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.rewards.ensemble import RewardEnsemble

PPO = dataclasses.replace(SMALL, ppo=dataclasses.replace(SMALL.ppo, n_envs=2, n_steps=16, batch_size=16))
SAC = SMALL_SAC


def make(
    config: TrainConfig, env: type[gym.Env] = toy_envs.MoveRight, *, learned: bool = True, learns: bool = True
) -> SB3Algorithm[Any, Any]:
    """An algorithm in copies of `env`, which are cut after 20 steps, paid a random reward or the environment's."""
    recorder = RecordingVecEnv(DummyVecEnv([lambda: gym.wrappers.TimeLimit(env(), 20)] * config.agent.n_envs))
    ensemble = RewardEnsemble(recorder.spaces, members=2, hidden=(8,))
    paid = LearnedRewardVecEnv(recorder, ensemble, config.agent.gamma)
    algorithm = make_algorithm(config, recorder, paid if learned else None, learns=learns)
    assert isinstance(algorithm, SB3Algorithm)
    return algorithm


def trained(config: TrainConfig, env: type[gym.Env] = toy_envs.MoveRight, steps: int = 96) -> SB3Algorithm[Any, Any]:
    """`make`, and a round of training."""
    algorithm = make(config, env)
    algorithm.train(1, steps, lambda _: None)
    return algorithm
