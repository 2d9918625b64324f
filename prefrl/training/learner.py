"""The learner: an algorithm, the environments it acts in and the reward it is paid. All that a checkpoint holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from prefrl.algorithms.registry import make_algorithm
from prefrl.algorithms.rollouts import first_episodes
from prefrl.algorithms.seeds import FIT, ROLL_OUT, WEIGHTS, derive_seed
from prefrl.algorithms.watch import Callbacks
from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.data.batch import stack
from prefrl.data.episode import Episode
from prefrl.data.segment import Segment
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.make import make_venv, repeats
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import CheckpointError
from prefrl.feedback.answer import Answer, can_fit, fingerprint
from prefrl.rewards.ensemble import RawReward, RewardEnsemble, make_ensemble
from prefrl.rewards.fit import FitMetrics, fit
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.files import json_values, sha256
from prefrl.runs.run_dir import RunDir, versions
from prefrl.store.store import StoreInfo

REWARD_FILE = "reward_model.safetensors"
FIT_THREADS = min(2, torch.get_num_threads())
"""A fit multiplies larger matrices than the agent does, so that a second thread shortens it, by the same result."""

FORMAT = 1
"""Of a checkpoint's files; raised whenever another prefrl would misread them."""


class Learner:
    """Environments, recorder, learned reward and algorithm, stacked in this order.

    In this process, torch computes on one thread from now on, but for fits.
    """

    def __init__(self, config: TrainConfig, venv: VecEnv | None = None) -> None:
        """`venv`: environments of the caller's own; made from the configuration if None."""
        torch.set_num_threads(1)  # small nets are fastest so
        self.config = config
        self.resumes = "unknown" if venv else how_it_resumes(config)
        """How near a resumed run is to an uninterrupted one."""

        self.fitted: Mapping[str, float | None] = {}
        """What the last fit achieved: the figures of `FitMetrics` as JSON has them; empty before the first."""

        self.ended = False
        """Whether a callback has ended training, perhaps in the middle of a round."""

        self.recorder = RecordingVecEnv(venv or make_venv(config))
        self.ensemble = make_ensemble(config.reward_model, self.recorder.spaces, self._generator(WEIGHTS, 0))
        gamma, neutral = config.agent.gamma, config.reward_model.neutral_endings
        self.paid = LearnedRewardVecEnv(self.recorder, self.ensemble, gamma, neutral_endings=neutral)
        self.algorithm = make_algorithm(config, self.recorder, self.paid if config.reward == "learned" else None)

    def _generator(self, *path: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.config.seed, *path))

    def set_logger(self, logger: Logger) -> None:
        """Let the algorithm record there how learning goes."""
        self.algorithm.set_logger(logger)

    def set_callbacks(self, callbacks: Callbacks) -> None:
        """Let Stable-Baselines3 call them too while the agent is trained."""
        self.algorithm.set_callbacks(callbacks)

    def store_info(self) -> StoreInfo:
        """What a store keeps about the environment."""
        goal = self.config.goal or self.recorder.get_attr("metadata", 0)[0].get("goal")
        return StoreInfo(self.config.env_id, self.config.env_kwargs, self.recorder.spaces, versions(), goal)

    @property
    def time_limit(self) -> int | None:
        """Steps after which the environment truncates its episodes, if that is known."""
        spec = self.recorder.get_attr("spec", 0)[0]
        return spec.max_episode_steps if spec else None

    @property
    def num_timesteps(self) -> int:
        """Environment steps taken so far, exploration included."""
        return self.algorithm.num_timesteps

    def explore(self, steps: int) -> list[Episode]:
        """Act without a reward for `steps` environment steps, to have something to ask about before training starts."""
        self.algorithm.explore(steps)
        return self.recorder.drain()

    def train(self, round_index: int, until: int, on_rollout: Callable[[int], None]) -> list[Episode]:
        """Train the agent on its reward from a clean state until it has taken `until` steps; what it did meanwhile.

        `on_rollout` is called with the number of steps after each rollout.
        """
        self.ended = not self.algorithm.train(round_index, until, on_rollout)
        return self.recorder.drain()

    def roll_out(self, longest: int) -> list[Episode]:
        """What the agent does at its best: an episode in each environment, cut after `longest` steps, always the same.

        Nothing is learned from it.
        """
        seed = derive_seed(self.config.seed, ROLL_OUT)
        return first_episodes(self.algorithm.act, self.recorder, seed=seed, longest=longest)

    def learn_reward(
        self, round_index: int, answers: Sequence[Answer], recent: list[Episode], segments: list[Segment]
    ) -> FitMetrics | None:
        """Fit the reward to all `answers` and rescale it on the recent behaviour; None when they are too few.

        `segments`: of the `recent` episodes.
        """
        if not can_fit(answers):
            return None
        generator = self._generator(FIT, round_index)
        torch.set_num_threads(FIT_THREADS)
        try:
            metrics = fit(self.ensemble, answers, config=self.config.reward_model, generator=generator)
        finally:
            torch.set_num_threads(1)
        if segments:
            self.ensemble.set_output_stats(stack(segments))
        self.algorithm.reward_changed(round_index, recent)
        self.fitted = json_values(metrics.as_dict())
        return metrics

    def save(
        self, run: RunDir, round_index: int, known: Sequence[Answer], notes: Mapping[str, Any] | None = None
    ) -> None:
        """Write a checkpoint of the end of a round, and the agent as a file that any user of SB3 can load.

        Args:
            run: where to.
            round_index: the last round that is done.
            known: the answers that the reward was learned from; a resumed run begins with the same ones.
            notes: kept in the checkpoint's state beside the rest.

        Raises:
            UsageError: something of the agent is not finite; nothing is written then.
        """
        files = {**self.algorithm.files(), **self.algorithm.memory(), REWARD_FILE: self.ensemble.to_bytes()}
        archive = self.algorithm.archive()
        state = {
            "round": round_index,
            "watermark": known[-1].seq if known else 0,
            "answers": fingerprint(known),
            "resume": self.resumes,
            "agent.zip": sha256(archive),
            "fitted": self.fitted,
            "paid_raw": isinstance(self.paid.reward_function, RawReward),
            **identity(self.config),
            **(notes or {}),
        }
        run.write_checkpoint(self.num_timesteps, files, state)
        run.write_agent(archive)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to what `save` wrote.

        Raises:
            CheckpointError: it is of another environment, or of networks of another shape.
        """
        checkpoint.require(identity(self.config))
        self.algorithm.load(checkpoint.read)
        try:
            self.ensemble.load_state_dict(load_ensemble(checkpoint).state_dict())
        except RuntimeError as error:
            raise CheckpointError(f"{checkpoint.path}: the saved reward model has another shape than asked") from error
        self.algorithm.load_memory(checkpoint.read)
        raw = checkpoint.state.get("paid_raw", False)
        self.paid.reward_function = RawReward(self.ensemble) if raw else self.ensemble
        self.algorithm.num_timesteps = checkpoint.num_timesteps
        self.fitted = checkpoint.state.get("fitted", {})


def identity(config: TrainConfig) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that loads it, beside the shapes of its networks."""
    return {"format": FORMAT, "env_id": config.env_id, "env_kwargs": config.env_kwargs}


def how_it_resumes(config: TrainConfig) -> str:
    """Whether a resumed run repeats an uninterrupted one, on a CPU and with the same versions; if not, why."""
    if config.reward == "learned" and not TRAITS[config.teacher].repeatable:
        return f"not exact: answers of the teacher {config.teacher} come at other times"
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
