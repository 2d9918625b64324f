"""Choose the best of the last agents: policies forget, and the last one may have just forgotten what it could do."""

from collections.abc import Sequence

import numpy as np

from prefrl.agents import agent_files, load_agent
from prefrl.checkpoints import KEEP, Checkpoint
from prefrl.learner import Learner
from prefrl.segments import Episode

MOST = 0.25  # of a run's steps: as many may be taken to try the agents

Scores = dict[int, float]
"""Steps that an agent had trained for -> what it earned, on average."""


def choose(learner: Learner, earlier: Sequence[Checkpoint]) -> Scores:
    """Give `learner` the best agent among its own and those of `earlier` checkpoints, judged by what it is paid for.

    That is its learned reward as it is now, or the true one if it is paid that. Each agent is tried in an episode of
    each environment. All else of `learner` stays as it is. Of the `earlier` ones, latest first, those count that will
    be kept beside the one to come.

    Returns:
        What each agent earned, the best one first. Nothing if the run is too short for trying them in whole episodes.
    """
    earlier = earlier[: KEEP - 1]
    longest = int(MOST * learner.config.steps) // ((len(earlier) + 1) * learner.recorder.num_envs)
    if not earlier or (learner.time_limit or longest) > longest:
        return {}
    own = agent_files(learner.agent, learner.normaliser)
    agents = {learner.num_timesteps: own.__getitem__} | {c.num_timesteps: c.read for c in earlier}
    scores: Scores = {}
    for steps, read in agents.items():
        load_agent(learner.agent, learner.normaliser, read)
        scores[steps] = earned(learner, learner.perform(learner.time_limit or longest))
    scores = dict(sorted(scores.items(), key=lambda item: (item[1], item[0]), reverse=True))
    load_agent(learner.agent, learner.normaliser, agents[next(iter(scores))])
    return scores


def earned(learner: Learner, episodes: Sequence[Episode]) -> float:
    """Mean return of `episodes` by what the agent is paid for; minus infinity where that is not finite."""
    if learner.config.reward == "true":
        returns = [e.true_return for e in episodes]
    else:
        returns = [float(learner.ensemble.raw_reward(*e.transitions).sum(dtype=np.float64)) for e in episodes]
    mean = float(np.mean(returns))
    return mean if np.isfinite(mean) else -np.inf
