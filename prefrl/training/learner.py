"""The learner: an agent, the environments it acts in and the reward it is paid. All that a checkpoint holds."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import ConstantSchedule
from stable_baselines3.common.vec_env import VecEnv
from torch.distributions import Distribution

from prefrl.algorithms import replay
from prefrl.algorithms.ppo import move_values
from prefrl.algorithms.rollouts import first_episodes, random_actions
from prefrl.algorithms.saving import (
    EXPLORE,
    FIT,
    PERFORM,
    WEIGHTS,
    agent_files,
    derive_seed,
    forget_values,
    load_agent,
    make_agent,
    normalise,
    require_finite,
    seed_span,
)
from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode, stack
from prefrl.data.segment import Segment
from prefrl.environments.make import make_venv, repeats
from prefrl.environments.recorder import LearnedRewardVecEnv, RecordingVecEnv, action_dim
from prefrl.errors import CheckpointError
from prefrl.feedback.answer import Preference, fingerprint
from prefrl.rewards.ensemble import RawReward, RewardEnsemble
from prefrl.rewards.fit import FitMetrics, can_fit, fit, make_ensemble
from prefrl.rewards.novelty import StateEntropy
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.files import sha256
from prefrl.runs.run_dir import RunDir, versions
from prefrl.store.store import StoreInfo

REWARD_FILE = "reward_model.safetensors"
REPLAY_FILE = "replay.safetensors"
FIT_THREADS = min(2, torch.get_num_threads())
"""A fit multiplies larger matrices than the agent does, so that a second thread shortens it, by the same result."""

FORMAT = 1
"""Of a checkpoint's files; raised whenever another prefrl would misread them."""


class Learner:
    """Environments, recorder, learned reward, normaliser and PPO or SAC, stacked in this order.

    In this process, torch computes on one thread from now on, but for fits, and checks no values of distributions.
    """

    def __init__(self, config: TrainConfig, venv: VecEnv | None = None) -> None:
        """`venv`: environments of the caller's own; made from the configuration if None."""
        torch.set_num_threads(1)  # small nets are fastest so
        Distribution.set_default_validate_args(False)  # slow; `_OnRollout` looks at the weights instead
        self.config = config
        self.resumes = "unknown" if venv else how_it_resumes(config)
        """How near a resumed run is to an uninterrupted one."""

        self.recorder = RecordingVecEnv(venv or make_venv(config))
        self.obs_dim = self.recorder.observation_space.shape[0]  # type: ignore[index]
        self.action_dim = action_dim(self.recorder.action_space)
        generator = self._generator(WEIGHTS, 0)
        self.ensemble = make_ensemble(config.reward_model, self.obs_dim, self.action_dim, generator)
        gamma, neutral = config.agent.gamma, config.reward_model.neutral_endings
        self.paid = LearnedRewardVecEnv(self.recorder, self.ensemble, gamma, neutral_endings=neutral)
        self.normaliser = normalise(self.paid if config.reward == "learned" else self.recorder, config.agent)
        torch.manual_seed(derive_seed(config.seed, WEIGHTS, 1))
        self.agent = make_agent(config.agent, self.normaliser)

    def _generator(self, *path: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.config.seed, *path))

    def store_info(self) -> StoreInfo:
        """What a store is told about the environment."""
        goal = self.config.goal or self.recorder.get_attr("metadata", 0)[0].get("goal")
        return StoreInfo(self.config.env_id, self.config.env_kwargs, self.obs_dim, self.action_dim, versions(), goal)

    @property
    def time_limit(self) -> int | None:
        """Steps after which the environment truncates its episodes, if that is known."""
        spec = self.recorder.get_attr("spec", 0)[0]
        return spec.max_episode_steps if spec else None

    @property
    def num_timesteps(self) -> int:
        """Environment steps taken so far, exploration included."""
        return self.agent.num_timesteps

    def explore(self, steps: int) -> list[Episode]:
        """Act without a reward for `steps` environment steps, to have something to compare before training starts.

        SAC, which learns from these steps too, seeks states that it has not seen yet; if an episode ends meanwhile, it
        is paid in raw units from then on. PPO acts at random.
        """
        if isinstance(self.agent, SAC):
            return self._seek_novelty(self.agent, steps)
        rng = np.random.default_rng(derive_seed(self.config.seed, EXPLORE, 0))
        self.recorder.seed(derive_seed(self.config.seed, EXPLORE, 1))
        self.recorder.reset()
        for _ in range(-(-steps // self.recorder.num_envs)):
            self.recorder.step(random_actions(self.recorder.action_space, self.recorder.num_envs, rng))
            self.agent.num_timesteps += self.recorder.num_envs
        return self.recorder.drain()

    def _seek_novelty(self, agent: SAC, steps: int) -> list[Episode]:
        self.paid.reward_function = StateEntropy(self.obs_dim, steps)
        seed_span(agent, self.config.seed, 0)
        agent.learn(steps, _OnRollout(lambda _: None))
        # Else a fit would move what an end is worth by hundreds of steps' rewards, and SAC's values, which follow by
        # bootstrapping alone, would not catch up before the next one. Where nothing ends, a constant is free.
        self._pay(raw=replay.holds_ends(agent) and not self.paid.neutral_endings)
        replay.relabel(agent, self.paid)  # the first fit may have too few answers to do it
        forget_values(agent)
        return self.recorder.drain()

    def _pay(self, raw: bool) -> None:
        self.paid.reward_function = RawReward(self.ensemble) if raw else self.ensemble

    def practise(self, span: int, until: int, on_rollout: Callable[[int], None]) -> list[Episode]:
        """Train the agent on its reward from a clean state until it has taken `until` steps; what it did meanwhile.

        `on_rollout` is called with the number of steps after each rollout.
        """
        agent, share = self.config.agent, min(1.0, self.num_timesteps / self.config.steps)
        if isinstance(agent, PPOConfig):
            rate = agent.learning_rate + share * (agent.final_learning_rate - agent.learning_rate)
            self.agent.lr_schedule = ConstantSchedule(rate)
        seed_span(self.agent, self.config.seed, span)
        self.agent.learn(until - self.num_timesteps, _OnRollout(on_rollout), reset_num_timesteps=False)
        return self.recorder.drain()

    def perform(self, longest: int) -> list[Episode]:
        """What the agent does at its best: an episode in each environment, cut after `longest` steps, always the same.

        Nothing is learned from it.
        """
        seed = derive_seed(self.config.seed, PERFORM)
        return first_episodes(self.agent, self.normaliser, self.recorder, seed=seed, longest=longest)

    def learn_reward(
        self, span: int, preferences: Sequence[Preference], recent: list[Episode], segments: list[Segment]
    ) -> FitMetrics | None:
        """Fit the reward to all `preferences` and rescale it on the recent behaviour; None when they are too few.

        `segments`: of the `recent` episodes.
        """
        if not can_fit(preferences):
            return None
        generator = self._generator(FIT, span)
        torch.set_num_threads(FIT_THREADS)
        try:
            metrics = fit(self.ensemble, preferences, config=self.config.reward_model, generator=generator)
        finally:
            torch.set_num_threads(1)
        if segments:
            self.ensemble.set_output_stats(*stack(segments))
        if isinstance(self.agent, SAC):
            replay.relabel(self.agent, self.paid)
        elif span > 0:  # before, it had not begun to learn
            move_values(self.agent, self.normaliser, self.paid, recent)
        return metrics

    def save(
        self,
        run: RunDir,
        span: int,
        known: Sequence[Preference],
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint of the end of `span`, and the agent as a file that any user of SB3 can load.

        Args:
            run: where to.
            span: the last one that is done.
            known: the preferences that the reward was learned from; a resumed run begins with the same ones.
            notes: kept in the checkpoint's state beside the rest.

        Raises:
            UsageError: something of the agent is not finite; nothing is written then.
        """
        agent_zip = io.BytesIO()
        self.agent.save(agent_zip)  # a pickle inside: prefrl writes it and never reads it
        files = {**agent_files(self.agent, self.normaliser), REWARD_FILE: self.ensemble.to_bytes()}
        if isinstance(self.agent, SAC):
            files[REPLAY_FILE] = replay.to_bytes(self.agent)
        state = {
            "span": span,
            "watermark": known[-1].seq if known else 0,
            "answers": fingerprint(known),
            "resume": self.resumes,
            "agent.zip": sha256(agent_zip.getvalue()),
            "paid_raw": isinstance(self.paid.reward_function, RawReward),
            **identity(self.config),
            **(notes or {}),
        }
        run.write_checkpoint(self.num_timesteps, files, state)
        run.write_agent(agent_zip.getvalue(), files["vec_normalize.json"])

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to what `save` wrote.

        Raises:
            CheckpointError: it is of another environment, or of networks of another shape.
        """
        checkpoint.require(identity(self.config))
        load_agent(self.agent, self.normaliser, checkpoint.read)
        try:
            self.ensemble.load_state_dict(load_ensemble(checkpoint).state_dict())
        except RuntimeError as error:
            raise CheckpointError(f"{checkpoint.path}: the saved reward model has another shape than asked") from error
        if isinstance(self.agent, SAC):
            replay.from_bytes(self.agent, checkpoint.read(REPLAY_FILE))
            self._pay(raw=checkpoint.state.get("paid_raw", False))
        self.agent.num_timesteps = checkpoint.num_timesteps


def identity(config: TrainConfig) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that loads it, beside the shapes of its networks."""
    return {"format": FORMAT, "env_id": config.env_id, "env_kwargs": config.env_kwargs}


def how_it_resumes(config: TrainConfig) -> str:
    """Whether a resumed run repeats an uninterrupted one, on a CPU and with the same versions; if not, why."""
    if config.teacher == "human" and config.reward == "learned":
        return "not exact: a person's answers come at other times"
    if config.record_frames:  # what is recorded is often there only once, a robot for example: no second one is made
        return "not exact: the environment was recorded"
    if not repeats(config):
        return "not exact: the environment does not repeat itself after reset(seed=...)"
    return "exact"


def load_ensemble(checkpoint: Checkpoint) -> RewardEnsemble:
    """The reward model of a checkpoint.

    Raises:
        CheckpointError: the file is damaged, no reward model, or of another version.
    """
    checkpoint.require({"format": FORMAT})
    data = checkpoint.read(REWARD_FILE)
    try:
        return RewardEnsemble.from_bytes(data)
    except (SafetensorError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"{checkpoint.path / REWARD_FILE} holds no reward model ({error})") from error


class _OnRollout(BaseCallback):
    """Calls `call` with the number of steps after each rollout, and lets no agent act that an update has broken."""

    def __init__(self, call: Callable[[int], None]) -> None:
        super().__init__()
        self.call = call

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        agent = self.model
        assert isinstance(agent, PPO | SAC)
        acts = agent.actor if isinstance(agent, SAC) else agent.policy
        require_finite(agent, acts.parameters())

    def _on_rollout_end(self) -> None:
        self.call(self.num_timesteps)
