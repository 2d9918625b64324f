"""What algorithms that learn from a replay buffer have in common: the recipe of PEBBLE (Lee et al. 2021)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm as SB3OffPolicy

from prefrl.algorithms import replay
from prefrl.algorithms.base import FUSED, Read, SB3Algorithm
from prefrl.algorithms.seeds import seed_round
from prefrl.config.algorithms import OffPolicyConfig
from prefrl.data.episode import Episode
from prefrl.environments.actions import bounds
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.errors import UsageError
from prefrl.rewards.ensemble import RawReward, RewardEnsemble
from prefrl.rewards.novelty import StateEntropy

REPLAY_FILE = "replay.safetensors"

Settings = TypeVar("Settings", bound=OffPolicyConfig)
Agent = TypeVar("Agent", bound=SB3OffPolicy)


class OffPolicyAlgorithm(SB3Algorithm[Settings, Agent], Generic[Settings, Agent]):
    """An actor and critics that act by bounded numbers and learn from all steps so far.

    Rewards are paid as they are: in units of whole returns a step's reward is some hundredths, and the temperature of
    SAC, which starts at 1 and falls by a 3000th of itself in a gradient step, would outweigh it for 20,000 of them.
    """

    @classmethod
    def check(cls, action_space: spaces.Space[Any]) -> None:
        if not isinstance(action_space, spaces.Box) or not np.isfinite(bounds(action_space)).all():
            raise UsageError(f"--algorithm {cls.name} acts by bounded numbers, not by {action_space}; leave it out")

    def without_learning(self, settings: Settings) -> Settings:
        return replace(settings, buffer_size=1)

    def arguments(self) -> dict[str, Any]:
        """What SB3's constructors of these algorithms take alike."""
        return {
            "learning_rate": self.settings.learning_rate,
            "buffer_size": self.settings.buffer_size,
            "learning_starts": self.settings.random_steps,
            "batch_size": self.settings.batch_size,
            "tau": self.settings.tau,
            "gamma": self.settings.gamma,
            "gradient_steps": self.settings.gradient_steps,
            "replay_buffer_class": replay.RawReplayBuffer,
            "policy_kwargs": {"net_arch": list(self.settings.hidden), "optimizer_kwargs": FUSED},
            "device": "cpu",
        }

    def set_up(self, agent: Agent) -> None:
        size, agent.replay_buffer_class = agent.buffer_size, None  # ours is of no use without prefrl
        agent.buffer_size = 1  # what it remembers is not written, so that none of it takes memory here
        super().set_up(agent)
        agent.buffer_size = size

    def explore(self, steps: int) -> None:
        """Look for states that it has not seen yet: it learns from these steps too.

        If an episode ends meanwhile, rewards are paid in raw units from then on.
        """
        paid = self._paid
        ensemble = paid.reward_function
        assert isinstance(ensemble, RewardEnsemble)
        paid.reward_function = StateEntropy(self.recorder.spaces, steps)
        seed_round(self.agent, self.config.seed, 0)
        self.agent.learn(steps, self.watch(lambda _: None))
        # Else a fit would move what an end is worth by hundreds of steps' rewards, and values, which follow by
        # bootstrapping alone, would not catch up before the next one. Where nothing ends, a constant does no harm.
        raw = replay.holds_ends(self.agent) and not paid.neutral_endings
        paid.reward_function = RawReward(ensemble) if raw else ensemble
        replay.relabel(self.agent, self.units, paid)  # the first fit may have too few answers to do it
        reset_critic(self.agent)

    def reward_changed(self, round_index: int, episodes: Sequence[Episode]) -> None:
        """Pay all steps in the replay buffer again."""
        replay.relabel(self.agent, self.units, self._paid)

    @property
    def _paid(self) -> LearnedRewardVecEnv:
        assert self.paid is not None
        return self.paid

    def acting(self) -> Iterable[torch.Tensor]:
        actor: torch.nn.Module = self.agent.actor
        return actor.parameters()

    def memory(self) -> dict[str, bytes]:
        return {REPLAY_FILE: replay.to_bytes(self.agent)}

    def load_memory(self, read: Read) -> None:
        replay.from_bytes(self.agent, read(REPLAY_FILE))


def reset_critic(agent: Any) -> None:
    """Draw the weights of the value nets anew: they are of a reward that no longer counts."""
    for module in agent.critic.modules():
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()
    agent.critic_target.load_state_dict(agent.critic.state_dict())
    agent.critic.optimizer.state.clear()
