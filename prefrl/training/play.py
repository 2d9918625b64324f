"""Let the trained agent of a checkpoint act, which learns nothing from it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from prefrl.algorithms.base import Algorithm
from prefrl.algorithms.registry import make_algorithm
from prefrl.algorithms.rollouts import first_episodes
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.runs.checkpoints import Checkpoint
from prefrl.training.learner import identity

LONGEST = 10_000  # steps after which an episode that goes on is cut: some environments have no time limit


def load(config: TrainConfig, checkpoint: Checkpoint, recorder: RecordingVecEnv) -> Algorithm:
    """The trained agent in the recorder's environments, which learns nothing."""
    algorithm = make_algorithm(config, recorder, learns=False)
    checkpoint.require(identity(config))
    algorithm.load(checkpoint.read)
    return algorithm


def play(
    config: TrainConfig,
    checkpoint: Checkpoint,
    random_shares: NDArray[np.float64],
    seed: int,
    *,
    longest: int | None = None,
    drawable: bool = True,
) -> list[Episode]:
    """One whole episode in each of as many environments as `random_shares` (N,) has entries.

    The agent acts by its policy's mode, and at random in that share of the steps. Episodes are cut after `longest`
    steps, `LONGEST` if None. Unless `drawable`, no clips can be drawn of them.
    """
    config = replace(config, vec="dummy", record_frames=config.record_frames and drawable)
    recorder = RecordingVecEnv(make_venv(config, len(random_shares), drawable))
    act = load(config, checkpoint, recorder).act
    episodes = first_episodes(act, recorder, seed=seed, longest=longest or LONGEST, random_shares=random_shares)
    recorder.close()
    return episodes
