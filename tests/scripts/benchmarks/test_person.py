"""What is made of the times that a session noted; the session itself takes minutes."""

import pytest
from benchmarks.person import Session, better
from builders import make_question
from numpy.random import default_rng


def test_waits_by_hand() -> None:
    session = Session(100.0, shown=[108.0, 111.1, 115.0], pressed=[111.0, 114.5, 118.0])
    assert session.waits == pytest.approx([0.1, 0.5])
    assert session.figures() == pytest.approx(
        {
            "seconds_to_first_question": 8.0,
            "wait_percent": 6.0,
            "longest_wait_s": 0.5,
            "next_question_ms_median": 300.0,
        }
    )


def test_the_key_is_that_of_the_better_clip() -> None:
    question = make_question(default_rng(0))
    left, right = (segment.true_return for segment in question.segments)
    assert better(question) == ("Left" if left > right else "Right")
    assert better(make_question(default_rng(0), left=question.segments[0], right=question.segments[0])) == "Up"
