import numpy as np
import pytest

from prefrl.feedback.choice import WHOLE, Choice

OPTIONS = ({0: WHOLE}, {1: np.array([0.0, 1.0], np.float32)}, {})


def test_an_option_is_chosen_or_several_are_as_likely() -> None:
    assert Choice(OPTIONS, (0.0, 1.0, 0.0)).is_decided
    assert not Choice(OPTIONS, (0.5, 0.5, 0.0)).is_decided


@pytest.mark.parametrize(
    ("count", "chosen", "complaint"),
    [
        (1, (1.0,), "want two or more"),
        (3, (1.0, 0.0), "3 options and 2 chances"),
        (2, (1.0, 1.0), "sum to 1"),
        (2, (1.5, -0.5), "sum to 1"),
    ],
)
def test_what_is_no_choice_is_refused(count: int, chosen: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Choice(OPTIONS[:count], chosen)
