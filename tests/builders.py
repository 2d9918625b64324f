"""Random but valid segments, questions and answers for tests. Import as `from builders import make_question`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrl.data.segment import Segment
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question


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
        obs={"obs": rng.normal(size=(steps + 1, obs_dim)).astype(np.float32) * alive},
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


def make_question(
    rng: np.random.Generator,
    steps: int = 50,
    obs_dim: int = 3,
    action_dim: int = 2,
    *,
    left: Segment | None = None,
    right: Segment | None = None,
    num_timesteps: int = 0,
    id: int | None = None,
) -> Question:
    """A comparison of two segments, each made at random unless it is given."""
    sides = (
        make_segment(rng, steps, obs_dim, action_dim) if left is None else left,
        make_segment(rng, steps, obs_dim, action_dim) if right is None else right,
    )
    return Question(sides, num_timesteps=num_timesteps, id=id)


def make_answer(
    question: Question, preferred: Preferred | None = "left", annotator: str = "oracle", **fields: Any
) -> Answer:
    """An answer to a comparison; None takes back the one that `replaces` names."""
    return Answer(question, None if preferred is None else Comparison(preferred), annotator, **fields)
