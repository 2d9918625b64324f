import pytest
from report_runs import answer, made_up, timed

from prefrl.report.people import annotator, hardest

ANSWERS = [
    timed(1, 1, "left", 10.0, 12.0),
    timed(2, 2, "tie", 20.0, 26.0),
    timed(3, 3, "right", 30.0, 34.0),
    timed(4, 4, "skip", 40.0, 41.0),
    timed(5, 5, "left", 50.0, 900.0),  # went for a coffee
    timed(6, 1, "right", 60.0, 61.0, is_repeat=True, shown_order=(1, 0)),
    timed(7, 3, "right", 70.0, 71.0, is_repeat=True),
]


def test_an_annotator_is_summed_up_by_hand_counted_figures() -> None:
    found = annotator("Zoë", ANSWERS)
    assert found.seconds == 3.0  # the median of 2, 6, 4 and 1; repeats and pauses left out
    assert found.summary.minutes == pytest.approx(13 / 60)
    counts = (found.summary.labels, found.summary.times("tie"), found.summary.times("can't tell"))
    assert counts == (5, 1, 1)
    assert (found.summary.repeats, found.summary.consistent) == (2, 1)
    assert found.summary.sides == (("left", 3), ("right", 2))  # on the screen: the swapped repeat was a left
    assert found.consistency[0] < 0.5 < found.consistency[1]
    assert annotator("oracle", [answer(1, "left")]).seconds is None


@pytest.mark.parametrize(("shown", "answered"), [(None, 5.0), (5.0, None), (5.0, 5.0), (5.0, 4.0), (5.0, 126.0)])
def test_no_thinking_time_is_made_up(shown: float | None, answered: float | None) -> None:
    assert answer(1, "left", shown_at=shown, answered_at=answered).seconds is None


def test_the_hardest_question_is_the_one_answered_in_two_ways() -> None:
    run = made_up(by_annotator={"Zoë": ANSWERS}, answers=[answer(i, "left") for i in (1, 2, 3, 4, 5)])
    found = hardest(run, 4)
    assert [hard.question_id for hard in found] == [1, 2, 4, 3]
    assert found[0].reason == "answered left, and right when it came again"
    assert [hard.reason for hard in found[1:]] == ["called a tie", "could not tell", "took 4.0 s"]


def test_a_question_whose_answer_was_taken_back_is_not_shown() -> None:
    taken_back = [answer(1, "left"), answer(2, None, 1, replaces=1), answer(3, "left")]
    run = made_up(by_annotator={"Zoë": ANSWERS}, answers=taken_back)
    assert [hard.question_id for hard in hardest(run, 4)] == [3]
