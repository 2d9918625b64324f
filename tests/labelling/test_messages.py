from dataclasses import replace

import numpy as np
import pytest
from builders import make_answer, make_question

from prefrl.labelling import messages
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.session import Pace
from prefrl.labelling.state import State
from prefrl.labelling.summary import Summary
from prefrl.labelling.trainer_status import Training


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(1000, 1024, 0.9), "training is over"),
        (Training(1000, 500, 0.9), "nobody trains it"),
        (Training(1000, 0, None, is_running=True), "nothing has been learned yet"),
        (Training(1000, 500, 0.0, is_running=True, held_out=2), "too early to say what it has learned"),
        (Training(1000, 500, 0.9, is_running=True, held_out=9), "too early to say what it has learned"),
        (Training(1000, 500, 0.9, is_running=True, held_out=10), "agrees with 90% of held-out answers"),
    ],
)
def test_the_trainers_progress(training: Training, said: str) -> None:
    assert messages.training(State(training=training)) == f"step {training.num_timesteps:,} of 1,000   ·   {said}"


def test_durations() -> None:
    assert [messages.duration(s) for s in (0.2, 89, 91, 3600, 3900)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 0 min",
        "1 h 5 min",
    ]


def test_no_time_is_left_to_give_when_training_is_over() -> None:
    at = Pace(answered=39, asked_for=40, per_hour=360.0)
    assert messages.pace(State(pace=at)).endswith("39 of 40 answered   ·   360 an hour   ·   10 s left at this pace")
    over = State(pace=at, training=Training(1000, 1024))
    assert messages.pace(over) == "39 of 40 answered   ·   360 an hour"


def test_the_summary_in_words() -> None:
    said = (("left", 8), ("tie", 1), ("can't tell", 2), ("right", 1))
    sides = (("left", 10), ("right", 1))
    summary = Summary(12, 3.04, said, 4, 3, sides, repeated=2, taken_back=1)
    assert messages.summary(summary) == [
        "12 labels in 3.0 min: 8 left, 1 tie, 2 can't tell, 1 right",
        "not counted: 2 hidden repeats, 1 answer taken back",
        "same answer on 3 of 4 hidden repeats in this run",
        "in all your answers to this run left 10 times, right 1 time: a favourite side? (p = 0.012)",
    ]
    uneven = replace(summary, sides=(("left", 38), ("right", 1)))
    assert messages.summary(uneven)[-1].endswith("a favourite side? (p < 0.001)")


def test_few_repeats_give_no_percentage_and_even_sides_no_line() -> None:
    summary = Summary(1, 0.5, (("left", 1),), 12, 9, (("left", 9), ("right", 8)))
    assert messages.summary(summary) == [
        "1 label in 0.5 min: 1 left",
        "same answer on 9 of 12 hidden repeats in this run (75%)",
    ]


def test_the_question_and_the_goal_are_both_said() -> None:
    assert messages.question("comparison") == "Which is better?"
    assert messages.goal(State(goal="hop")) == "Goal: hop"
    assert (messages.question(None), messages.goal(State())) == ("", "")


def test_what_an_undo_took_back_is_named_in_terms_of_the_screen() -> None:
    question = make_question(np.random.default_rng(0), 4, id=1)
    assert messages.took_back(make_answer(question, "left", shown_order=(1, 0))) == "Took back: right"
    assert messages.took_back(make_answer(question, "skip")) == "Took back: can't tell"
    assert messages.took_back(None) == "There is nothing to take back"


def test_an_answer_to_confirm() -> None:
    left = OFFERS["comparison"].answers[0]
    assert messages.not_seen_yet(left) == "Not seen to the end yet: ← once more if you are sure"
