"""What an episode changes in its simulator's model: colours, sizes, places, which no simulator's state holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 2**20
"""Bytes of what is the same in all states of a segment: each segment is kept, and read whenever a reward is learned."""

MOST_A_STATE = 2**14
"""Bytes a state of what is not, such as colours; a texture at each step cannot be kept. It is by the state, so that a
short trial tells what becomes of long segments."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class FreshModel:
    """The model of an environment as it was made."""

    arrays: Arrays
    """Name -> array, of all that can be seen."""

    changing: set[str] = field(default_factory=set)
    """Names of those that differ from it in some episode so far, of this environment or another one like it."""


@dataclass(frozen=True, eq=False)
class ModelChange:
    """A model beside the fresh one."""

    fresh: FreshModel

    changed: Arrays = field(default_factory=dict)
    """Name -> array, of those that differ."""

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array of that name, changed or fresh."""
        array: NDArray[Any] = self.changed.get(name, self.fresh.arrays[name])
        return array


def model_rows(changes: Sequence[ModelChange]) -> dict[str, NDArray[Any]] | None:
    """Name -> array, of all that differ in some episode: with one row if it is the same in all n states, or with n.

    None if that takes more than `MOST` and `MOST_A_STATE` bytes.
    """
    rows, fixed, varying = {}, 0, 0
    for name in sorted(changes[0].fresh.changing):
        arrays = [change[name] for change in changes]
        first = arrays[0]
        varies = any(array is not first and not np.array_equal(array, first) for array in arrays)
        fixed, varying = (fixed, varying + first.nbytes) if varies else (fixed + first.nbytes, varying)
        if fixed > MOST or varying > MOST_A_STATE:
            return None
        rows[name] = np.stack(arrays) if varies else first[None]
    return rows
