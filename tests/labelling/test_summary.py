import pytest
from builders import make_answer, make_question
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from scipy.stats import binomtest

from prefrl.feedback.answer import Answer
from prefrl.labelling.summary import binomial_p, summarise


def answers() -> list[Answer]:
    """Three questions, and all of them again, two with their sides exchanged."""
    rng = default_rng(0)
    asked = [make_question(rng, 4, id=k) for k in range(3)]
    first = [make_answer(question, value) for question, value in zip(asked, ("left", "tie", "skip"), strict=True)]
    again = [("left", (1, 0)), ("right", (0, 1)), ("left", (1, 0))]
    return first + [
        make_answer(question, value, is_repeat=True, shown_order=order)
        for question, (value, order) in zip(asked, again, strict=True)
    ]


def test_a_summary_by_hand() -> None:
    every = answers()
    summary = summarise(every[1:], every, 2.0)
    assert (summary.labels, summary.minutes) == (2, 2.0)
    assert summary.said == (("tie", 1), ("can't tell", 1))
    assert (summary.times("tie"), summary.times("left")) == (1, 0)
    assert (summary.repeats, summary.consistent) == (2, 1)  # what was skipped tells nothing
    assert summary.sides == (("left", 1), ("right", 3))  # on the screen
    assert (summary.repeated, summary.taken_back) == (3, 0)


def test_what_was_said_adds_up_to_the_labels() -> None:
    every = answers()
    summary = summarise(every, every, 1.0, taken_back=2)
    assert sum(count for _, count in summary.said) == summary.labels == 3
    assert summary.repeated + summary.labels == len(every)
    assert summary.taken_back == 2


def test_no_side_is_favoured_where_nothing_was_answered() -> None:
    assert summarise([], [], 1.0).side_p == 1.0


@pytest.mark.parametrize(
    ("successes", "trials", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (5, 10, 1.0), (8, 10, 0.109375), (1, 1, 1.0)]
)
def test_binomial_p_by_hand(successes: int, trials: int, p: float) -> None:
    assert binomial_p(successes, trials) == p


@given(st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_binomial_p_is_scipys(case: tuple[int, int]) -> None:
    successes, trials = case
    expected = binomtest(successes, trials).pvalue if trials else 1.0
    assert binomial_p(successes, trials) == pytest.approx(expected, abs=1e-12)
