"""What a teacher is: something that answers queries from their segments alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query
from prefrl.store.store import Answer, Store

RECENT_SEGMENTS = 1000
"""Segments whose true returns tell a teacher what is usual at the moment."""


@dataclass(frozen=True)
class ReturnStats:
    """What true returns of recent segments look like: the unit in which a teacher's faults are stated."""

    mean: float
    """Average undiscounted return of a segment."""

    std: float
    """Standard deviation of the returns, > 0."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.std) and self.std > 0):
            raise ValueError(f"ReturnStats has mean {self.mean} and std {self.std}, want finite numbers and std > 0")

    @classmethod
    def of(cls, returns: NDArray[np.floating]) -> Self:
        """The statistics of `returns` (N,), N >= 1; returns that are all equal are given a standard deviation of 1.

        Raises:
            ValueError: `returns` is empty, not one-dimensional or not finite.
        """
        if returns.ndim != 1 or returns.size == 0:
            raise ValueError(f"returns have shape {returns.shape}, want (N,) with N >= 1")
        mean, std = float(returns.mean(dtype=np.float64)), float(returns.std(dtype=np.float64))
        # Even equal returns can differ from their rounded mean in the last place, which must not become the unit.
        return cls(mean, std if std > 1e-9 * float(np.abs(returns).max()) else 1.0)


class Teacher(Protocol):
    """Answers queries at once, from inside the program. People answer through the store, from another process."""

    @property
    def name(self) -> str:
        """Who the store shall say gave the answers."""

    def choose(self, queries: Sequence[Query], context: ReturnStats, rng: np.random.Generator) -> list[Choice]:
        """One choice for each query, in order: a function of the arguments and nothing else."""


def answer_pending(store: Store, teacher: Teacher, rng: np.random.Generator) -> int:
    """Answer every pending query of `store` in one transaction; returns how many there were."""
    queries = store.pending()
    if not queries:
        return 0
    choices = teacher.choose(queries, ReturnStats.of(store.returns(RECENT_SEGMENTS)), rng)
    pairs = zip(queries, choices, strict=True)
    store.add_answers([Answer(query_id=_row(query), choice=choice, annotator=teacher.name) for query, choice in pairs])
    return len(queries)


def _row(query: Query) -> int:
    if query.id is None:
        raise ValueError("a pending query has no id, want the row it has in the store")
    return query.id
