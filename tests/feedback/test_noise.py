import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.feedback.noise import ReturnStats


def test_return_stats_by_hand() -> None:
    assert ReturnStats.of(np.array([1.0, 3.0])) == ReturnStats(mean=2.0, std=1.0)


@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_equal_returns_get_a_unit_to_divide_by(value: float, count: int) -> None:
    assert ReturnStats.of(np.full(count, value)).std == 1.0


@pytest.mark.parametrize("returns", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_return_stats_refuse_nonsense(returns: list[float]) -> None:
    with pytest.raises(ValueError, match="want"), np.errstate(invalid="ignore"):
        ReturnStats.of(np.array(returns))


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan, math.inf])
def test_return_stats_refuse_a_deviation_that_cannot_divide(std: float) -> None:
    with pytest.raises(ValueError, match="std > 0"):
        ReturnStats(0.0, std)
