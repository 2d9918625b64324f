"""What an episode changes in its simulator's model: colours, sizes, places, which no simulator's state holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 2**26
"""Bytes of a segment's model; one that changes more, such as a texture at each step, cannot be kept."""

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

    None if that takes more than `MOST` bytes.
    """
    rows, size = {}, 0
    for name in sorted(changes[0].fresh.changing):
        arrays = [change[name] for change in changes]
        first = arrays[0]
        varies = any(array is not first and not np.array_equal(array, first) for array in arrays)
        size += first.nbytes * (len(arrays) if varies else 1)
        if size > MOST:
            return None
        rows[name] = np.stack(arrays) if varies else first[None]
    return rows
