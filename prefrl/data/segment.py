"""A segment of behaviour: what a teacher is shown and a reward is learned from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrl.data.spaces import ActionSpec, ArraySpec, Obs, Spaces


@dataclass(frozen=True, eq=False)
class Film:
    """What was seen while a segment happened, kept where it cannot be drawn again."""

    jpegs: tuple[bytes, ...]
    """T + 1 pictures, one for each state of the segment, as JPEG; the last real one is repeated."""

    fps: float
    """Pictures per second in real time, > 0."""

    def __post_init__(self) -> None:
        if not all(self.jpegs):
            raise ValueError("Film.jpegs holds an empty picture")
        if not 0 < self.fps < math.inf:
            raise ValueError(f"Film.fps is {self.fps}, want a number above 0")


@dataclass(frozen=True, eq=False)
class Segment:
    """`T` consecutive transitions of one episode, padded with absorbing states after a termination.

    Absorbing states follow Kostrikov et al. 2019, "Discriminator-Actor-Critic": an episode that terminates goes on
    for ever in a state that pays a reward of its own. So segments of equal length can be cut from episodes of any
    length, and being dead has a value that the reward model can learn.
    """

    obs: Obs
    """Name -> (T + 1, *shape) raw observations, the last one after the last action.

    Where absorbing, only the first row holds something: what was seen when the episode terminated. The rest is zero."""

    actions: NDArray[np.float32]
    """(T, width) actions as executed (clipped); one-hot if discrete; zero where absorbing."""

    absorbing: NDArray[np.bool_]
    """(T + 1,) True for every state from the one that a termination led to."""

    true_rewards: NDArray[np.float32]
    """(T,) the environment's own rewards, for oracles and evaluation alone; zero where absorbing."""

    sim_states: NDArray[np.float64] | None = None
    """(T + 1, state_dim) simulator states to render clips from, or None; the last real one is repeated."""

    model: Mapping[str, NDArray[Any]] | None = None
    """Name -> (1 or T + 1, *shape) arrays of the simulator's model that episodes change, by name, to be put in before a
    clip is drawn: one for all states, or one for each. None where nothing changes, or it was not noticed."""

    reset_seed: int | None = None
    """Seed of the episode's reset, for environments that are re-rendered by replay; None if unknown."""

    replay_actions: NDArray[np.float32] | None = None
    """(K, width) executed actions from that reset to the segment's start; None where states are kept."""

    start: int = 0
    """Number of steps of the episode before the segment, >= 0."""

    film: Film | None = None
    """Recorded pictures, which are shown instead of drawing; None where none were recorded, or none were loaded."""

    def __post_init__(self) -> None:
        steps = len(self.actions)
        expected = {
            "actions": (self.actions, np.float32, (steps, *self.actions.shape[1:2])),
            "absorbing": (self.absorbing, np.bool_, (steps + 1,)),
            "true_rewards": (self.true_rewards, np.float32, (steps,)),
        }
        for name, (array, dtype, shape) in expected.items():
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"Segment.{name} is {array.dtype}{array.shape}, want {np.dtype(dtype)}{shape}")
        if self.actions.ndim != 2:
            raise ValueError(f"Segment.actions has {self.actions.ndim} axes, want 2")
        if not self.obs:
            raise ValueError("Segment.obs is empty, want at least one array")
        for name, array in self.obs.items():
            numbers = array.dtype == np.float32 or array.dtype.kind in "biu"
            if len(array) != steps + 1 or not numbers:
                want = f"{steps + 1} rows of float32 or whole numbers"
                raise ValueError(f"Segment.obs[{name!r}] is {array.dtype}{array.shape}, want {want}")
        if steps == 0:
            raise ValueError("Segment.actions is empty, want at least one step")
        if self.sim_states is not None and len(self.sim_states) != steps + 1:
            raise ValueError(f"Segment.sim_states has {len(self.sim_states)} rows, want {steps + 1}")
        for name, array in (self.model or {}).items():
            if array.ndim == 0 or len(array) not in (1, steps + 1):
                raise ValueError(f"Segment.model[{name!r}] is {array.dtype}{array.shape}, want 1 or {steps + 1} rows")
        if self.film is not None and len(self.film.jpegs) != steps + 1:
            raise ValueError(f"Segment.film has {len(self.film.jpegs)} pictures, want {steps + 1}")
        if self.start < 0:
            raise ValueError(f"Segment.start is {self.start}, want >= 0")

    def __len__(self) -> int:
        """Number of transitions, absorbing ones included."""
        return len(self.actions)

    @property
    def spaces(self) -> Spaces:
        """What was observed, and how wide actions are."""
        obs = {name: ArraySpec(array.shape[1:], array.dtype.name) for name, array in self.obs.items()}
        return Spaces(obs, ActionSpec(self.actions.shape[1]))

    @property
    def can_be_drawn(self) -> bool:
        """Whether it holds pictures, or what it takes to draw some."""
        return self.film is not None or self.sim_states is not None or self.reset_seed is not None

    @property
    def true_return(self) -> float:
        """Undiscounted sum of the true rewards."""
        return float(self.true_rewards.sum(dtype=np.float64))
