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
    """Segments, stacked; `A` is an array or a tensor. Those that are shorter than others are padded at their end."""

    obs: Mapping[str, A]
    """Name -> (S, T + 1, *shape)."""

    actions: A
    """(S, T, width)."""

    absorbing: A
    """(S, T + 1) bool; padding goes on with what a segment ends with."""

    real: A
    """(S, T + 1) bool, False for states that are padding."""

    @property
    def alive(self) -> A:
        """(S, T + 1) bool: states that are real, and not absorbing."""
        return ~self.absorbing & self.real  # type: ignore[operator,no-any-return]

    @property
    def lived(self) -> A:
        """(S, T) bool: steps that are real, and begin in a state that is not absorbing."""
        return ~self.absorbing[:, :-1] & self.real[:, 1:]  # type: ignore[index,no-any-return]

    def map(self, function: Callable[[A], B]) -> "Batch[B]":
        """The batch of what `function` makes of each array."""
        obs = {name: function(array) for name, array in self.obs.items()}
        return Batch(obs, function(self.actions), function(self.absorbing), function(self.real))


def stack(segments: Sequence[Segment]) -> Batch[NDArray[Any]]:
    """S segments as one batch."""
    steps = max(len(s) for s in segments)
    return Batch(
        {name: np.stack([longer(s.obs[name], steps + 1) for s in segments]) for name in segments[0].obs},
        np.stack([longer(s.actions, steps) for s in segments]),
        np.stack([longer(s.absorbing, steps + 1, s.absorbing[-1]) for s in segments]),
        np.arange(steps + 1) <= np.array([len(s) for s in segments])[:, None],
    )


def longer(rows: NDArray[Any], length: int, value: Any = 0) -> NDArray[Any]:
    """`rows` with as many more, filled with `value`, as make them `length`; the same array if they are so many."""
    missing = length - len(rows)
    return rows if not missing else np.concatenate([rows, np.full((missing, *rows.shape[1:]), value, rows.dtype)])


def is_finite(segment: Segment) -> bool:
    """Whether every number that a reward could be learned from is finite."""
    numbers = (segment.actions, segment.true_rewards)
    return spaces.is_finite(segment.obs) and all(bool(np.isfinite(x).all()) for x in numbers)


def some(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of `items`, evenly spread: behaviour changes in the course of training."""
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]
