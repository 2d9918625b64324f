"""Ask: choose pairs of what the agent just did, and put them before whoever teaches it."""

import numpy as np

from prefrl.agents import ASK, derive_seed
from prefrl.learner import Learner
from prefrl.queries import select
from prefrl.segments import Episode, cut
from prefrl.store import Store


def ask(learner: Learner, store: Store, labels: int, span: int, episodes: list[Episode]) -> None:
    """Put so many queries about `episodes` into the store that it has asked for `labels` in all."""
    config = learner.config
    if labels > store.num_queries() and config.teacher == "human":
        store.withdraw()  # what the agent does now is worth more of a person's time than what it did then
    missing = labels - store.num_queries()  # 0 if a run that was killed here had asked already
    if missing > 0:
        predict = learner.ensemble.returns if span else None  # before the first fit all pairs are alike
        rng = np.random.default_rng(derive_seed(config.seed, ASK, span))
        segments = cut(episodes, config.segment_length)
        store.add_queries(
            select(config.selector, segments, missing, config.candidates, predict, learner.num_timesteps, rng)
        )
