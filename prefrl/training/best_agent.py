"""Choose the best of the last agents: policies unlearn things, and the last one may just have done so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prefrl.algorithms.base import Read
from prefrl.data.episode import Episode
from prefrl.data.spaces import is_finite
from prefrl.runs.checkpoints import Checkpoint
from prefrl.training.learner import Learner, identity

MOST = 0.25  # of a run's steps that are taken in addition to try agents


@dataclass(frozen=True)
class Trial:
    """What agents earned; empty if none was tried."""

    earned: Mapping[int, float]
    """Steps that an agent had trained for -> its mean return by what agents are paid for, in order of the steps."""

    @property
    def best(self) -> int:
        """The steps of the agent that earned most, the later one of equals."""
        return max(self.earned, key=lambda steps: (self.earned[steps], steps))


def choose(learner: Learner, earlier: Sequence[Checkpoint]) -> Trial:
    """Give `learner` the best agent among its own and those of `earlier` checkpoints, latest first.

    Each is tried in an episode of each environment; where these have no time limit, episodes are cut. None is tried
    where that would take more than `MOST` of the run's steps, nor where episodes are filmed: such an environment is
    often there only once, a robot for example. All else of `learner` stays as it is.

    Raises:
        CheckpointError: a checkpoint is of another environment, or of networks of another shape.
        EnvError: the environment failed; `learner` may have any of the agents then.
    """
    config, limit = learner.config, learner.time_limit
    affordable = int(MOST * config.steps) // ((len(earlier) + 1) * learner.recorder.num_envs)
    if not earlier or config.record_frames or affordable < (limit or config.segment_length):
        return Trial({})
    algorithm, own = learner.algorithm, learner.algorithm.files()
    agents: dict[int, Read] = {learner.num_timesteps: own.__getitem__}
    for checkpoint in earlier:
        checkpoint.require(identity(config))
        agents[checkpoint.num_timesteps] = checkpoint.read
    earned = {}
    for steps in sorted(agents):
        algorithm.load(agents[steps])
        earned[steps] = mean_return(learner, learner.roll_out(limit or affordable))
    trial = Trial(earned)
    algorithm.load(agents[trial.best])
    return trial


def mean_return(learner: Learner, episodes: Sequence[Episode]) -> float:
    """Mean of `episodes` by what the agent is paid for, those left out whose numbers are not finite.

    In raw units of a learned reward being dead is worth 0; with neutral endings the mean of recent steps is.
    """
    if learner.config.reward == "true":
        returns = [e.true_return for e in episodes]
    else:
        neutral = learner.config.reward_model.neutral_endings
        reward = learner.ensemble.reward if neutral else learner.ensemble.raw_reward
        returns = [float(reward(*e.transitions).sum(dtype=np.float64)) for e in episodes if is_finite(e.obs)]
    finite = [value for value in returns if np.isfinite(value)]
    return float(np.mean(finite)) if finite else -np.inf
