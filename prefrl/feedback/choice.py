"""What every kind of feedback comes down to: a choice among options (reward-rational choice, Jeon et al. 2020)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = float | NDArray[np.float32]
"""How much the steps of a segment count: all the same, or (T,) each its own."""

WHOLE: Weights = 1.0


@dataclass(frozen=True, eq=False)
class Choice:
    """Whoever answered chose one of the options, each worth the weighted sum of its steps' rewards."""

    options: tuple[Mapping[int, Weights], ...]
    """For each option, place of a segment in the question -> what its steps weigh; nothing if it is left out."""

    chosen: tuple[float, ...]
    """The probability that each option was chosen, as the answer says: (1, 0), or (0.5, 0.5) for a tie. Sums to 1."""

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(self.options) != len(self.chosen):
            raise ValueError(f"Choice has {len(self.options)} options and {len(self.chosen)} chances, want two or more")
        if not math.isclose(sum(self.chosen), 1.0) or min(self.chosen) < 0:
            raise ValueError(f"Choice.chosen is {self.chosen}, want probabilities that sum to 1")

    @property
    def is_decided(self) -> bool:
        """Whether one option was chosen alone."""
        return max(self.chosen) == 1.0
