"""PPO (Schulman et al. 2017): learns from what it does now, and forgets it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.utils import ConstantSchedule
from stable_baselines3.common.vec_env import VecEnv

from prefrl.algorithms.base import FUSED, SB3Algorithm
from prefrl.config.algorithms import PPOConfig
from prefrl.data.episode import Episode
from prefrl.data.spaces import is_finite

REWARD_CLIP = 100.0  # SB3's default of 10 would cut into what a termination is paid


class PPOAlgorithm(SB3Algorithm[PPOConfig, PPO]):
    """PPO, whose step size falls in the course of a run, and whose values follow the reward at once."""

    name: ClassVar[str] = "ppo"
    reward_clip: ClassVar[float | None] = REWARD_CLIP

    def make(self, venv: VecEnv) -> PPO:
        return make_ppo(self.settings, venv)

    def without_learning(self, settings: PPOConfig) -> PPOConfig:
        return replace(settings, n_steps=settings.batch_size)  # SB3 warns of updates that it will not do

    def train(self, round_index: int, until: int, on_rollout: Callable[[int], None]) -> bool:
        share = min(1.0, self.num_timesteps / self.config.steps)
        first, last = self.settings.learning_rate, self.settings.final_learning_rate
        self.agent.lr_schedule = ConstantSchedule(first + share * (last - first))
        return super().train(round_index, until, on_rollout)

    def layers(self) -> Sequence[torch.nn.Module]:
        policy = self.agent.policy
        return [*policy.mlp_extractor.policy_net, policy.action_net]

    def use_units(self, agent: PPO) -> None:
        if isinstance(self.units.space, spaces.Box):
            origin, unit = (torch.as_tensor(np.ravel(x)).float() for x in (self.units.origin, self.units.unit))
            policy: Any = agent.policy
            with torch.no_grad():
                policy.action_net.weight.mul_(unit[:, None])
                policy.action_net.bias.mul_(unit).add_(origin)
                policy.log_std.add_(unit.clamp(min=1e-30).log())  # a unit is 0 where two bounds are the same

    def reward_changed(self, round_index: int, episodes: Sequence[Episode]) -> None:
        if round_index > 0:  # before, no values have been learned
            self.shift_values(episodes)

    def shift_values(self, episodes: Sequence[Episode]) -> None:
        """Add to all values the constant that fits best to what the latest `episodes` would be paid now.

        A new reward has another mean. A mean that moves by d moves every value by d / (1 - gamma), and so the advantage
        of a step that ends an episode, and of no other: until the value net had followed, which takes it many updates,
        dying would look better or worse than it is. Episodes with a value that is not finite are left out.
        """
        assert self.paid is not None
        episodes = [e for e in episodes if is_finite(e.obs)]
        if episodes:
            rewards = [self.normaliser.normalize_reward(self.paid.pay(*e.transitions)) for e in episodes]
            values = [self._values(e) for e in episodes]
            terminated = np.array([e.terminated for e in episodes])
            with torch.no_grad():
                self.agent.policy.value_net.bias.add_(offset(rewards, values, terminated, self.agent.gamma))

    @torch.no_grad()
    def _values(self, episode: Episode) -> NDArray[np.float64]:
        (obs,) = episode.obs.values()
        seen = torch.as_tensor(self.normaliser.normalize_obs(obs), dtype=torch.float32)
        values: NDArray[np.float64] = self.agent.policy.predict_values(seen)[:, 0].double().numpy()
        values[-1] *= not episode.terminated
        return values


def make_ppo(settings: PPOConfig, venv: VecEnv) -> PPO:
    """Stable-Baselines3's agent; seed its generators first."""
    continuous = isinstance(venv.action_space, spaces.Box)
    policy_kwargs: dict[str, Any] = {
        "net_arch": list(settings.hidden),
        "activation_fn": {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[settings.activation],
        "ortho_init": False,
        "optimizer_kwargs": {**FUSED, "eps": settings.adam_eps},
        **({"log_std_init": settings.log_std_init} if continuous else {}),
    }
    return PPO(
        "MlpPolicy",
        venv,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        n_epochs=settings.n_epochs,
        learning_rate=settings.learning_rate,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        vf_coef=settings.vf_coef,
        max_grad_norm=settings.max_grad_norm,
        policy_kwargs=policy_kwargs,
        device="cpu",
    )


def offset(
    rewards: Sequence[NDArray[np.floating]],
    values: Sequence[NDArray[np.floating]],
    terminated: NDArray[np.bool_],
    gamma: float,
) -> float:
    """The constant to add to the values of all states that leaves no temporal difference on average.

        c = sum_t delta_t / sum_t (1 - gamma [s_{t+1} is not terminal])

    LSTD with a constant as its only feature (Bradtke & Barto 1996). Axes: K episodes of T steps.

    Args:
        rewards: of each episode (T,).
        values: of each episode's states (T + 1,), 0 for a terminal one.
        terminated: (K,) whether the last state is terminal.
        gamma: discount factor, below 1.
    """
    deltas = sum(float((r + gamma * v[1:] - v[:-1]).sum()) for r, v in zip(rewards, values, strict=True))
    weight = sum(len(r) * (1 - gamma) + gamma * bool(ends) for r, ends in zip(rewards, terminated, strict=True))
    return deltas / weight
