"""Settings of a run that takes a second. Import as `from small import SMALL`."""

import dataclasses

import toy_envs  # noqa: F401  # registers the environment

from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig

SMALL = TrainConfig(
    "MoveRight-v0",
    steps=800,
    labels=20,
    segment_length=10,
    rounds=4,
    explore_steps=80,
    ppo=PPOConfig(n_envs=4, n_steps=20, batch_size=40, n_epochs=2, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(16,), batch_size=16),
)

SMALL_SAC = dataclasses.replace(
    SMALL,
    algorithm="sac",
    sac=SACConfig(n_envs=2, gradient_steps=1, batch_size=16, buffer_size=500, random_steps=20, hidden=(8,)),
)
