"""What an algorithm is, and what all those of Stable-Baselines3 have in common."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from torch.distributions import Distribution

from prefrl.algorithms.exported import bare, fill
from prefrl.algorithms.normalise import normalise
from prefrl.algorithms.onnx_policy import policy_graph
from prefrl.algorithms.rollouts import random_actions
from prefrl.algorithms.saving import agent_files, agent_tensors, load_agent
from prefrl.algorithms.seeds import EXPLORE, WEIGHTS, derive_seed, seed_round
from prefrl.algorithms.watch import Callbacks, Together, Watch, listed
from prefrl.config.algorithms import AgentConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.environments.actions import action_units, in_units
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import UsageError

FUSED = {"fused": True}  # Adam steps all tensors in one call; on a CPU, torch's default is one by one

Read = Callable[[str], bytes]
"""The bytes of a file, by its name."""


class Algorithm(Protocol):
    """Trains an agent in environments that are recorded, round by round. Axes: N environments."""

    name: ClassVar[str]
    """As in `config.algorithms`: its settings are the field of that name."""

    num_timesteps: int
    """Environment steps taken so far, exploration included."""

    def __init__(
        self,
        config: TrainConfig,
        recorder: RecordingVecEnv,
        paid: LearnedRewardVecEnv | None = None,
        *,
        learns: bool = True,
    ) -> None:
        """An agent of random weights.

        Args:
            config: the settings of the run.
            recorder: the environments.
            paid: `recorder` with the learned reward on top; None pays the environment's own.
            learns: False for an agent that is loaded and then only acts.

        Raises:
            UsageError: as `check`.
        """

    @classmethod
    def check(cls, action_space: spaces.Space[Any]) -> None:
        """Raise `UsageError` if no agent of this algorithm can act in that space."""

    def set_logger(self, logger: Logger) -> None:
        """Record there how learning goes."""

    def set_callbacks(self, callbacks: Callbacks) -> None:
        """Have Stable-Baselines3 call them too while the agent is trained, in each round as in a `learn` of its own."""

    def explore(self, steps: int) -> None:
        """Act for `steps` steps before there is a reward, so that there is something to ask about."""

    def train(self, round_index: int, until: int, on_rollout: Callable[[int], None]) -> bool:
        """Train from a clean state until `until` steps have been taken, those of earlier rounds included.

        `on_rollout` is called with the number of steps after each rollout.

        Returns:
            Whether it may go on: False if a callback has ended it, perhaps after fewer steps.

        Raises:
            UsageError: the agent's nets hold NaN or infinity.
        """

    def reward_changed(self, round_index: int, episodes: Sequence[Episode]) -> None:
        """Make what the agent has learned or remembered fit a reward that has just changed.

        Args:
            round_index: the round that ended before, 0 for exploration.
            episodes: what the agent did in it.
        """

    def act(self, obs: NDArray[Any]) -> NDArray[Any]:
        """What the agent does where it observes `obs` (N, *shape), as the environments gave it: its policy's mode.

        Actions are as the environments take them, whatever units the agent has.
        """

    def files(self) -> dict[str, bytes]:
        """The agent as files of a checkpoint.

        Raises:
            UsageError: something of it is not finite.
        """

    def load(self, read: Read) -> None:
        """Become the agent that `files` wrote. Counts of steps, and memory, stay as they are.

        Raises:
            CheckpointError: the files are of another environment or another network.
        """

    def memory(self) -> dict[str, bytes]:
        """What training needs beside the agent to go on, as files of a checkpoint: a replay buffer, or nothing."""

    def load_memory(self, read: Read) -> None:
        """Take what `memory` wrote.

        Raises:
            CheckpointError: the files are of another environment, or damaged.
        """

    def archive(self) -> bytes:
        """The agent as a zip file for users of Stable-Baselines3, for raw observations and the environment's units.

        It holds pickles, so prefrl never reads it.
        """

    def graph(self, metadata: Mapping[str, str]) -> bytes:
        """The agent's mode as an ONNX file with that `metadata`: `onnx_policy.policy_graph`.

        Raises:
            UsageError: onnx is not installed.
        """


Settings = TypeVar("Settings", bound=AgentConfig)
Agent = TypeVar("Agent", bound=BaseAlgorithm)


class SB3Algorithm(ABC, Generic[Settings, Agent]):
    """An `Algorithm` of Stable-Baselines3, which sees normalised observations and acts in `units` of its own.

    In this process, torch checks no values of distributions once one of them learns.
    """

    name: ClassVar[str]

    reward_clip: ClassVar[float | None] = None
    """Where rewards, in units of the standard deviation of returns, are cut; None pays them as they are."""

    def __init__(
        self,
        config: TrainConfig,
        recorder: RecordingVecEnv,
        paid: LearnedRewardVecEnv | None = None,
        *,
        learns: bool = True,
    ) -> None:
        self.check(recorder.action_space)
        if learns:
            Distribution.set_default_validate_args(False)  # slow; `Watch` looks at the weights instead
        settings = getattr(config, self.name)
        self.config, self.recorder, self.paid = config, recorder, paid
        self.settings: Settings = settings if learns else self.without_learning(settings)
        clip = self.reward_clip if learns else None
        self.units = action_units(recorder.action_space, scaled=config.action_units == "scaled")
        venv = in_units(paid or recorder, self.units)
        self.normaliser = normalise(venv, self.settings.gamma, reward_clip=clip, training=learns)
        torch.manual_seed(derive_seed(config.seed, WEIGHTS, 1))
        self.agent: Agent = self.make(self.normaliser)
        self.callbacks: list[BaseCallback] = []

    @classmethod
    def check(cls, action_space: spaces.Space[Any]) -> None:
        """All are fine."""

    @abstractmethod
    def make(self, venv: VecEnv) -> Agent:
        """An agent that was never trained."""

    def without_learning(self, settings: Settings) -> Settings:
        """`settings`, changed for an agent that only acts: no memory for what it would learn from."""
        return settings

    @property
    def num_timesteps(self) -> int:
        return self.agent.num_timesteps

    @num_timesteps.setter
    def num_timesteps(self, steps: int) -> None:
        self.agent.num_timesteps = steps

    def set_logger(self, logger: Logger) -> None:
        self.agent.set_logger(logger)

    def set_callbacks(self, callbacks: Callbacks) -> None:
        self.callbacks = listed(callbacks)

    def explore(self, steps: int) -> None:
        """Act at random."""
        rng = np.random.default_rng(derive_seed(self.config.seed, EXPLORE, 0))
        self.recorder.seed(derive_seed(self.config.seed, EXPLORE, 1))
        self.recorder.reset()
        for _ in range(-(-steps // self.recorder.num_envs)):
            self.recorder.step(random_actions(self.recorder.action_space, self.recorder.num_envs, rng))
            self.num_timesteps += self.recorder.num_envs

    def train(self, round_index: int, until: int, on_rollout: Callable[[int], None]) -> bool:
        seed_round(self.agent, self.config.seed, round_index)
        called = Together([self.watch(on_rollout), *self.callbacks])
        self.agent.learn(until - self.num_timesteps, called, reset_num_timesteps=False)
        return not called.ended

    def watch(self, on_rollout: Callable[[int], None]) -> Watch:
        """Lets no broken agent act, and calls `on_rollout` with the number of steps after a rollout."""
        return Watch(lambda: self.require_finite(self.acting()), on_rollout)

    @abstractmethod
    def reward_changed(self, round_index: int, episodes: Sequence[Episode]) -> None:
        """As `Algorithm.reward_changed`."""

    def act(self, obs: NDArray[Any]) -> NDArray[Any]:
        actions, _ = self.agent.predict(self.normaliser.normalize_obs(obs), deterministic=True)
        return self.units.executed(actions)

    def acting(self) -> Iterable[torch.Tensor]:
        """The weights that decide what the agent does."""
        return self.agent.policy.parameters()

    def require_finite(self, tensors: Iterable[torch.Tensor]) -> None:
        """Refuse an agent that an update has broken, as some of its `tensors` show.

        Raises:
            UsageError: a value is NaN or infinite, or their sum overflows.
        """
        if not all(tensor.detach().sum().isfinite() for tensor in tensors):
            raise UsageError(
                f"the agent's nets hold NaN or infinity after {self.num_timesteps} steps; start anew with a lower "
                f"--{self.name}.learning-rate"
            )

    def files(self) -> dict[str, bytes]:
        self.require_finite(t for tensors in agent_tensors(self.agent).values() for t in tensors.values())
        return agent_files(self.agent, self.normaliser)

    def load(self, read: Read) -> None:
        load_agent(self.agent, self.normaliser, read)

    def memory(self) -> dict[str, bytes]:
        return {}

    def load_memory(self, read: Read) -> None:
        """There is nothing to load."""

    def archive(self) -> bytes:
        space = self.recorder.observation_space
        assert isinstance(space, spaces.Box)
        agent = bare(self.agent, self.normaliser, space, self.units.space)
        with torch.random.fork_rng(devices=[]):  # the nets are drawn, and then filled
            self.set_up(agent)
        fill(agent, self.agent)
        self.use_units(agent)
        data = io.BytesIO()
        agent.save(data)
        return data.getvalue()

    def graph(self, metadata: Mapping[str, str]) -> bytes:
        space, units = self.recorder.observation_space, self.units
        assert isinstance(space, spaces.Box)
        if self.agent.policy.squash_output:  # between -1 and 1, which SB3 makes the bounds of what it acts in
            units = action_units(units.space, scaled=True)
        return policy_graph(self.layers(), self.normaliser, units, space, metadata)

    @abstractmethod
    def layers(self) -> Sequence[torch.nn.Module]:
        """From normalised observations (N, D), one after the other, to the policy's mode, or to logits of choices."""

    def set_up(self, agent: Agent) -> None:
        """Make the nets of a bare `agent`."""
        agent._setup_model()

    def use_units(self, agent: Agent) -> None:
        """Make an `agent` that acts in `units` act in those of the environment; SB3 does where it squashes actions."""
