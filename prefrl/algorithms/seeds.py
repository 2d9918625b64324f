"""Seeds: one for each purpose, derived from the run's, so that a resumed run draws what it would have drawn."""

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import set_random_seed

ROUND, EXPLORE, FIT, WEIGHTS, ASK, ANSWER, ROLL_OUT = range(7)  # the purposes that seeds are derived for


def derive_seed(seed: int, *path: int) -> int:
    """The seed of a purpose: a pure function of the run's seed and of `path`, the purpose and what it counts."""
    # A spawn key, because (seed, 1) and (seed, 1, 0) are the same entropy to numpy.
    sequence = np.random.SeedSequence(seed, spawn_key=path)
    return int(sequence.generate_state(1)[0]) >> 1  # SB3 adds the index of an environment to an int32


def seed_round(agent: BaseAlgorithm, seed: int, round_index: int) -> None:
    """Start a round from a clean state: seed all generators anew, and have all environments reset."""
    assert agent.env is not None
    round_seed = derive_seed(seed, ROUND, round_index)
    set_random_seed(round_seed)  # SB3 draws from the global generators of torch and numpy
    agent.env.seed(round_seed)
    agent.action_space.seed(round_seed)  # which off-policy algorithms draw their random steps from
    agent._last_obs = None  # makes learn() reset the environments
    agent._n_updates = 0  # TD3 trains its policy by it at every second update; no checkpoint holds it
