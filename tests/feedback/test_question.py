import dataclasses

import numpy as np
import pytest
from builders import make_question, make_segment

from prefrl.feedback.question import Question

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("other", [make_segment(RNG, 5, 3, 2), make_segment(RNG, 4, 2, 2), make_segment(RNG, 4, 3, 1)])
def test_segments_of_a_question_have_equal_shapes(other: object) -> None:
    with pytest.raises(ValueError, match=r"^Question\.segments have the shapes"):
        Question((make_segment(RNG, 4, 3, 2), other))  # type: ignore[arg-type]


def test_a_question_is_about_something_and_wants_an_answer() -> None:
    with pytest.raises(ValueError, match=r"^Question\.segments is empty"):
        Question(())
    with pytest.raises(ValueError, match=r"^Question\.wanted is 0"):
        Question((make_segment(RNG),), wanted=0)


def test_a_question_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_question(RNG).wanted = 2  # type: ignore[misc]
