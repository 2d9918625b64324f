import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from builders import make_answer, make_question

from prefrl.feedback.answer import BREAK, Answer, can_fit, fingerprint, informative, is_held_out, standing
from prefrl.feedback.comparison import Comparison

FINGERPRINT = "e84019c337280b58e752bb71649d5a39f6fb7228636ec25118165c5457d21654"
QUESTION = make_question(np.random.default_rng(0), 4, id=3)


def answer(preferred: Any = "left", **fields: Any) -> Answer:
    return make_answer(QUESTION, preferred, **fields)


def test_an_answer_without_a_name_is_not_the_oracles() -> None:
    assert Answer(QUESTION, Comparison("left")).annotator == "api"


def test_what_takes_back_says_what() -> None:
    assert answer(None, replaces=1).value is None
    with pytest.raises(ValueError, match=r"Answer\.replaces does not say"):
        answer(None)


@pytest.mark.parametrize("name", ["shown_at", "answered_at"])
@pytest.mark.parametrize("time", [math.nan, math.inf])
def test_times_are_finite(name: str, time: float) -> None:
    with pytest.raises(ValueError, match=rf"^Answer\.{name} is (nan|inf), want a finite time"):
        answer(**{name: time})


@pytest.mark.parametrize("order", [(0,), (0, 0), (1, 2)])
def test_the_order_on_the_screen_is_one_of_the_segments(order: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="want a permutation"):
        answer(shown_order=order)


def test_the_screen_may_have_shown_the_sides_exchanged() -> None:
    assert answer("left", shown_order=(1, 0)).on_screen() == Comparison("right")
    assert answer("left", shown_order=(0, 1)).on_screen() == Comparison("left")
    assert answer("left").on_screen() == Comparison("left")
    assert answer(None, replaces=1).on_screen() is None


def test_how_long_an_answer_took() -> None:
    assert answer(shown_at=10.0, answered_at=12.5).seconds == 2.5
    assert answer(shown_at=10.0, answered_at=10.0 + BREAK).seconds is None
    assert answer(shown_at=10.0, answered_at=9.0).seconds is None
    assert answer(answered_at=9.0).seconds is None


def test_an_answer_counts_until_another_takes_its_place() -> None:
    first, second, back = answer(seq=1), answer("tie", seq=2, replaces=1), answer(None, seq=3, replaces=2)
    repeat, repeat_back = answer(seq=4, is_repeat=True), answer(None, seq=5, replaces=4, is_repeat=True)
    assert standing([first]) == [first]
    assert standing([first, second]) == [second]
    assert standing([first, second, back]) == []
    assert standing([first, repeat]) == [first]
    assert standing([first, repeat], repeats=True) == [repeat]
    assert standing([first, repeat, repeat_back], repeats=True) == []


def test_a_reward_is_learned_from_what_counts_and_says_something() -> None:
    answers = [answer(choice, seq=seq) for seq, choice in enumerate(("left", "tie", "skip", "right"), 1)]
    taken_back = answer(None, seq=5, replaces=4)
    assert [a.seq for a in informative([*answers, taken_back])] == [1, 2]
    assert can_fit([*answers, taken_back])
    assert not can_fit(answers[1:3])
    assert [a.is_decided for a in answers] == [True, False, False, True]


def test_all_answers_to_a_question_are_held_out_together() -> None:
    rng = np.random.default_rng(0)
    questions = [make_question(rng, 2, id=i) for i in (1, 2, 11, 12, 2)]
    answers = [make_answer(question, seq=seq) for seq, question in enumerate(questions, 1)]
    assert is_held_out(answers, 0.1).tolist() == [True, False, True, False, False]
    assert is_held_out(answers, 0.0).tolist() == [False] * 5
    assert is_held_out(answers[1:2], 0.1).tolist() == [False]  # something is left to learn from
    assert is_held_out([answers[1], answers[3]], 0.1).tolist() == [True, False]  # and something to judge by
    assert is_held_out([], 0.1).tolist() == []


def test_the_fingerprint_is_that_of_runs_made_before_there_were_kinds() -> None:
    """Their checkpoints hold it: a literal, computed by the first version."""
    answers = [answer("left", seq=1), answer(None, annotator="Zoë", seq=2, replaces=1), answer("skip", seq=3)]
    assert fingerprint(answers) == FINGERPRINT
    assert fingerprint(answers[:2]) != FINGERPRINT
    assert fingerprint([]) == "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"


def test_an_answer_is_frozen_and_compares_by_identity() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer().annotator = "somebody else"  # type: ignore[misc]
    assert answer() != answer()
    assert answer().at(7).seq == 7
