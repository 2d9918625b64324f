"""Random but valid segments and queries for tests. Import as `from builders import make_query, make_segment`."""

import numpy as np
from numpy.typing import NDArray

from prefrl.data.segment import Segment
from prefrl.feedback.question import Query


def make_segment(
    rng: np.random.Generator,
    steps: int = 50,
    obs_dim: int = 3,
    action_dim: int = 2,
    absorbing_from: int | None = None,
    *,
    true_rewards: NDArray[np.float32] | None = None,
    state_dim: int | None = None,
    reset_seed: int | None = None,
    replay_steps: int | None = None,
    start: int = 0,
) -> Segment:
    """A segment of `steps` transitions; states from index `absorbing_from` (1 .. steps) on are absorbing.

    `state_dim` adds simulator states, `replay_steps` that many actions to replay from the reset.
    """
    absorbing = np.zeros(steps + 1, bool)
    if absorbing_from is not None:
        absorbing[absorbing_from:] = True
    alive, moving = ~absorbing[:, None], ~absorbing[:-1]
    rewards = rng.normal(size=steps).astype(np.float32) if true_rewards is None else true_rewards
    return Segment(
        obs=rng.normal(size=(steps + 1, obs_dim)).astype(np.float32) * alive,
        actions=rng.uniform(-1, 1, (steps, action_dim)).astype(np.float32) * moving[:, None],
        absorbing=absorbing,
        true_rewards=rewards * moving,
        sim_states=None if state_dim is None else rng.normal(size=(steps + 1, state_dim)),
        reset_seed=reset_seed,
        replay_actions=None
        if replay_steps is None
        else rng.uniform(-1, 1, (replay_steps, action_dim)).astype(np.float32),
        start=start,
    )


def make_query(
    rng: np.random.Generator,
    steps: int = 50,
    obs_dim: int = 3,
    action_dim: int = 2,
    *,
    left: Segment | None = None,
    right: Segment | None = None,
    num_timesteps: int = 0,
    swapped: bool = False,
) -> Query:
    """A query over two segments, each made at random unless it is given."""
    return Query(
        left=make_segment(rng, steps, obs_dim, action_dim) if left is None else left,
        right=make_segment(rng, steps, obs_dim, action_dim) if right is None else right,
        num_timesteps=num_timesteps,
        swapped=swapped,
    )
