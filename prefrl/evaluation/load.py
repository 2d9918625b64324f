"""What a run has learned, for programs of one's own: its agent, its reward, and its policy as a file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from prefrl.algorithms.base import Algorithm
from prefrl.data.spaces import Obs, Spaces, named
from prefrl.data.text import shell
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import CheckpointError, UsageError
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.files import atomic_write, storage
from prefrl.runs.run_dir import RunDir, versions
from prefrl.training.learner import load_ensemble
from prefrl.training.play import load


@dataclass(frozen=True)
class LoadedAgent:
    """A trained agent, which acts by its policy's mode: `action = agent(obs)`."""

    algorithm: Algorithm
    """What acts; it learns nothing."""

    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]

    def __call__(self, obs: Any) -> Any:
        """What it does where the environment gives `obs`: an action as `env.step` takes it, an int where discrete.

        Several observations (N, *shape) give as many actions.
        """
        shape = self.observation_space.shape
        assert shape is not None
        obs = np.asarray(obs)
        if obs.shape == shape:
            action = self.algorithm.act(obs[None])[0]
            return int(action) if isinstance(self.action_space, spaces.Discrete) else action
        if obs.shape[1:] != shape:
            raise ValueError(f"obs has shape {obs.shape}, want {shape}, or several of it, (N, ...)")
        return self.algorithm.act(obs)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, None]:
        """The same, as Stable-Baselines3 asks its agents, so that its `evaluate_policy` takes this one.

        The action comes with a state, which is None. The other arguments change nothing.
        """
        return self(observation), None


@dataclass(frozen=True)
class LoadedReward:
    """A learned reward: `reward(obs, action, next_obs, terminated)`, or the `ensemble` of a `LearnedRewardVecEnv`."""

    ensemble: RewardEnsemble
    """It does not learn any more."""

    @property
    def spaces(self) -> Spaces:
        """What it takes."""
        return self.ensemble.spaces

    def reward(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Rewards (N,) of N transitions, as `data.batch.Transitions` describes them."""
        return self.ensemble.reward(obs, actions, next_obs, terminated)

    def absorbing_reward(self) -> float:
        """Reward of one more step after an episode has terminated."""
        return self.ensemble.absorbing_reward()

    def __call__(self, obs: Any, action: Any, next_obs: Any, terminated: Any = False) -> Any:
        """The reward of a step, a float, or of N steps, (N,): 0 on average of the last steps it was trained on, +-1.

        `LearnedRewardVecEnv` adds to a last step what having died is worth.

        Args:
            obs: as the environment gave it, (*shape) or (N, *shape).
            action: as the environment took it; a whole number where its actions are discrete.
            next_obs: what followed, the last observation of an episode included.
            terminated: whether the episode ended there, other than at a time limit.
        """
        (shape,) = (spec.shape for spec in self.spaces.obs.values())
        before, after = np.asarray(obs), np.asarray(next_obs)
        if before.shape != after.shape or before.shape[-len(shape) :] != shape:
            raise ValueError(
                f"obs has shape {before.shape} and next_obs {after.shape}, want {shape}, or (N, ...) of it"
            )
        if before.shape == shape:
            return float(self(before[None], np.asarray(action)[None], after[None], np.asarray(terminated)[None])[0])
        ended = np.broadcast_to(np.asarray(terminated, dtype=bool), len(before))
        return self.reward(named(before), self._vectors(np.asarray(action), len(before)), named(after), ended)

    def _vectors(self, actions: NDArray[Any], count: int) -> NDArray[np.float32]:
        """`actions` of `count` steps as the reward sees them."""
        width, kind = self.spaces.action.width, self.spaces.action.kind
        if kind == "discrete" or (kind is None and actions.dtype.kind in "iu"):
            actions = np.eye(width)[actions.reshape(count)]
        return actions.reshape(count, width).astype(np.float32)


def load_agent(run_dir: Path | str) -> LoadedAgent:
    """The agent of a run's last checkpoint, for raw observations. Its environment is made once, to learn its spaces.

    Raises:
        UsageError: not a run folder.
        CheckpointError: the run has no checkpoint that can be used.
        EnvError: the environment cannot be made.
    """
    return _agent(*_last(run_dir))


def _agent(run: RunDir, checkpoint: Checkpoint) -> LoadedAgent:
    config = replace(run.config, vec="dummy", record_frames=False)
    recorder = RecordingVecEnv(make_venv(config, 1, drawable=False))
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's own draws stay what they were
            algorithm = load(config, checkpoint, recorder)
        return LoadedAgent(algorithm, recorder.observation_space, recorder.action_space)
    finally:
        recorder.close()


def load_reward(run_dir: Path | str) -> LoadedReward:
    """The reward that a run has learned, as of its last checkpoint.

    Raises:
        UsageError: not a run folder, or its agent was paid the true reward.
        CheckpointError: the run has no checkpoint that can be used.
    """
    run, checkpoint = _last(run_dir)
    if run.config.reward != "learned":
        raise UsageError(f"{run_dir} was paid the true reward, so that it has learned none; name another run")
    return LoadedReward(load_ensemble(checkpoint).requires_grad_(False))


def export_policy(run_dir: Path, folder: Path) -> Path:
    """Write the agent of a run's last checkpoint as policy.onnx in a new `folder`; the file.

    Raises:
        UsageError: `folder` exists, or onnx is not installed; also as `load_agent`.
        CheckpointError: as `load_agent`.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already; name another --output")
    run, checkpoint = _last(run_dir)
    metadata = {
        "env_id": run.config.env_id,
        "prefrl_version": versions()["prefrl"],
        "algorithm": run.config.algorithm,
        "num_timesteps": str(checkpoint.num_timesteps),
    }
    graph = _agent(run, checkpoint).algorithm.graph(metadata)
    with storage(folder):
        folder.mkdir(parents=True)
        atomic_write(folder / "policy.onnx", graph)
    return folder / "policy.onnx"


def _last(run_dir: Path | str) -> tuple[RunDir, Checkpoint]:
    run = RunDir.open(Path(run_dir))
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"{run_dir} has no checkpoint yet; go on with: prefrl resume {shell(run_dir)}")
    return run, checkpoint
