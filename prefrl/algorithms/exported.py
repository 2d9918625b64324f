"""An agent for users of Stable-Baselines3 alone: it sees raw observations and acts in its environment's units.

Its file names classes of torch and Stable-Baselines3, and none of prefrl's.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor, fx, nn

from prefrl.algorithms.normalise import moments

Agent = TypeVar("Agent", bound=BaseAlgorithm)

OF_A_MOMENT = ("ep_info_buffer", "ep_success_buffer", "start_time")


class Normalise(nn.Module):
    """Raw observations (N, *shape) as `normaliser` makes them: flat, in standard deviations, clipped; (N, D)."""

    mean: Tensor  # (D,)
    std: Tensor  # (D,)
    rest: Tensor  # (D,) what `mean` loses by being rounded to float32, in standard deviations

    def __init__(self, normaliser: VecNormalize) -> None:
        super().__init__()
        mean, std = moments(normaliser)
        rounded = mean.astype(np.float32)
        self.register_buffer("mean", torch.as_tensor(rounded))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))
        self.register_buffer("rest", torch.as_tensor((rounded - mean) / std, dtype=torch.float32))
        self.limit = float(normaliser.clip_obs)
        self.features_dim = len(mean)

    def forward(self, obs: Tensor) -> Tensor:
        normalised = (obs.flatten(1) - self.mean) / self.std + self.rest
        return normalised.clamp(-self.limit, self.limit)


def bare(agent: Agent, normaliser: VecNormalize, obs_space: spaces.Box, action_space: spaces.Space[Any]) -> Agent:
    """A copy of `agent` for raw observations, without nets; its `_setup_model` makes them."""
    copy = type(agent)(agent.policy_class, None, device="cpu", _init_setup_model=False)  # type: ignore[call-arg]
    left_out = {*agent._excluded_save_params(), *OF_A_MOMENT}
    vars(copy).update({k: v for k, v in vars(agent).items() if k[0] != "_" and k not in left_out})
    copy.observation_space, copy.action_space = obs_space, action_space
    # A traced module is written as the text of its code, which any Python reads, and needs no class of prefrl's. SB3
    # calls the class of an extractor with the space; `requires_grad_` ignores that, and returns the module.
    extractor = fx.symbolic_trace(Normalise(normaliser))
    extractor.features_dim = extractor(torch.zeros(1, *obs_space.shape)).shape[1]
    copy.policy_kwargs = {**agent.policy_kwargs, "features_extractor_class": extractor.requires_grad_}
    return copy


def fill(copy: Agent, agent: Agent) -> None:
    """Give the nets of `copy` the weights of `agent`."""
    copy.policy.load_state_dict({**copy.policy.state_dict(), **agent.policy.state_dict()})
    for name in copy._get_torch_save_params()[1]:
        getattr(copy, name).data.copy_(getattr(agent, name).data)
