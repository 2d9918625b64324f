import pytest
from report_runs import made_up, preference

from prefrl.report.people import annotator, hardest
from prefrl.store.claims import Given

GIVEN = [
    Given(1, 1, "left", 10.0, 12.0),
    Given(2, 2, "tie", 20.0, 26.0),
    Given(3, 3, "right", 30.0, 34.0),
    Given(4, 4, "skip", 40.0, 41.0),
    Given(5, 5, "left", 50.0, 900.0),  # went for a coffee
    Given(1, 1, "right", 60.0, 61.0, is_repeat=True, swapped=True),
    Given(2, 3, "right", 70.0, 71.0, is_repeat=True),
]


def test_an_annotator_is_summed_up_by_hand_counted_figures() -> None:
    found = annotator("Zoë", GIVEN)
    assert found.seconds == 3.0  # the median of 2, 6, 4 and 1; repeats and pauses left out
    assert found.summary.minutes == pytest.approx(13 / 60)
    counts = (found.summary.labels, found.summary.ties, found.summary.skips)
    assert counts == (5, 1, 1)
    assert (found.summary.repeats, found.summary.consistent) == (2, 1)
    assert (found.summary.lefts, found.summary.rights) == (3, 2)  # on the screen: the swapped repeat was a left
    assert found.consistency[0] < 0.5 < found.consistency[1]
    assert annotator("oracle", [Given(1, 1, "left")]).seconds is None


@pytest.mark.parametrize(("shown", "answered"), [(None, 5.0), (5.0, None), (5.0, 5.0), (5.0, 4.0), (5.0, 126.0)])
def test_no_thinking_time_is_made_up(shown: float | None, answered: float | None) -> None:
    assert Given(1, 1, "left", shown, answered).seconds is None


def test_the_hardest_question_is_the_one_answered_in_two_ways() -> None:
    run = made_up(given={"Zoë": GIVEN}, preferences=[preference(i, "left") for i in (1, 2, 3, 4, 5)])
    found = hardest(run, 4)
    assert [hard.query_id for hard in found] == [1, 2, 4, 3]
    assert found[0].reason == "answered left, and right when it came again"
    assert [hard.reason for hard in found[1:]] == ["called a tie", "could not tell", "took 4.0 s"]


def test_a_question_whose_answer_was_taken_back_is_not_shown() -> None:
    taken_back = [preference(1, "left"), preference(2, None, 1, supersedes=1), preference(3, "left")]
    run = made_up(given={"Zoë": GIVEN}, preferences=taken_back)
    assert [hard.query_id for hard in hardest(run, 4)] == [3]
