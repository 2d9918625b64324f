"""SAC (Haarnoja et al. 2018): learns from all steps so far, for environments whose steps are slow."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecEnv

from prefrl.algorithms.off_policy import OffPolicyAlgorithm
from prefrl.config.algorithms import SACConfig


class SACAlgorithm(OffPolicyAlgorithm[SACConfig, SAC]):
    """SAC, with a temperature that follows the entropy that SB3 aims at."""

    name: ClassVar[str] = "sac"

    def make(self, venv: VecEnv) -> SAC:
        return SAC("MlpPolicy", venv, **self.arguments())

    def layers(self) -> Sequence[torch.nn.Module]:
        actor = self.agent.actor
        return [*actor.latent_pi, actor.mu, torch.nn.Tanh()]
