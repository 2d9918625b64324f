"""The faults of a synthetic teacher, and the unit that they are stated in."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray


class Noise(Protocol):
    """Human faults: those of B-Pref (Lee et al. 2021). `config.teachers.OracleConfig` is one."""

    @property
    def beta(self) -> float:
        """Rationality; inf never errs."""

    @property
    def gamma(self) -> float:
        """Myopia: a step k before a segment's end counts gamma^k."""

    @property
    def mistake(self) -> float:
        """Probability of giving the opposite answer."""

    @property
    def skip(self) -> float:
        """Share of the average return below which nothing is said."""

    @property
    def tie(self) -> float:
        """Share of the average return by which returns must differ."""


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
