"""Segments and transitions side by side, as rewards are computed of them. Axes: S segments, T steps, N transitions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from prefrl.data import spaces
from prefrl.data.segment import Segment
from prefrl.data.spaces import Obs

Item = TypeVar("Item")
A = TypeVar("A")
B = TypeVar("B")


class Transitions(NamedTuple):
    """What a reward depends on."""

    obs: Obs
    """Name -> (N, *shape); none of them is absorbing."""

    actions: NDArray[np.float32]
    """(N, width) as executed."""

    next_obs: Obs
    """Name -> (N, *shape) that followed, terminal ones included."""

    terminated: NDArray[np.bool_]
    """(N,) whether the episode ended there, other than at a time limit."""


@dataclass(frozen=True, eq=False)
class Batch(Generic[A]):
    """Segments of equal length, stacked; `A` is an array or a tensor."""

    obs: Mapping[str, A]
    """Name -> (S, T + 1, *shape)."""

    actions: A
    """(S, T, width)."""

    absorbing: A
    """(S, T + 1) bool."""

    def map(self, function: Callable[[A], B]) -> "Batch[B]":
        """The batch of what `function` makes of each array."""
        obs = {name: function(array) for name, array in self.obs.items()}
        return Batch(obs, function(self.actions), function(self.absorbing))


def stack(segments: Sequence[Segment]) -> Batch[NDArray[Any]]:
    """S segments of equal length as one batch."""
    return Batch(
        {name: np.stack([s.obs[name] for s in segments]) for name in segments[0].obs},
        np.stack([s.actions for s in segments]),
        np.stack([s.absorbing for s in segments]),
    )


def is_finite(segment: Segment) -> bool:
    """Whether every number that a reward could be learned from is finite."""
    numbers = (segment.actions, segment.true_rewards)
    return spaces.is_finite(segment.obs) and all(bool(np.isfinite(x).all()) for x in numbers)


def some(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of `items`, evenly spread: behaviour changes in the course of training."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]
