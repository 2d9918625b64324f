from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_answer, make_question

from prefrl.labelling import messages
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.session import Pace, Showing
from prefrl.labelling.state import State
from prefrl.labelling.summary import Summary
from prefrl.labelling.trainer_status import Training

RUN = Path("runs/a")


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(1000, 1024, 0.9), "training is over"),
        (Training(1000, 500, 0.9), "no trainer is running; answers are kept"),
        (Training(1000, 0, None, is_running=True), "nothing has been learned yet"),
        (Training(1000, 500, 0.0, is_running=True, held_out=2), "too early to say what it has learned"),
        (Training(1000, 500, 0.9, is_running=True, held_out=9), "too early to say what it has learned"),
        (Training(1000, 500, 0.9, is_running=True, held_out=10), "agrees with 90% of held-out answers"),
    ],
)
def test_the_trainers_progress(training: Training, said: str) -> None:
    assert messages.training(State(training=training)) == (f"step {training.num_timesteps:,} of 1,000", said)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(1000, 1024), "The agent is trained"),
        (Training(1000, 500), "No clips are waiting"),
        (Training(1000, 500, is_running=True, next_clips=20.0), "The agent is training"),
        (None, "The agent is training"),
    ],
)
def test_what_stands_in_place_of_clips(training: Training | None, said: str) -> None:
    assert messages.no_clips(State(env_id="CartPole-v1", training=training), RUN)[0] == said


def test_before_the_run_and_after_the_last_answer() -> None:
    assert messages.no_clips(State(), RUN)[0] == "Waiting for the run to begin"
    done = State(env_id="CartPole-v1", pace=Pace(answered=40, asked_for=40, per_hour=None))
    assert messages.no_clips(done, RUN)[0] == "All 40 answers are given"


def test_durations() -> None:
    assert [messages.duration(s) for s in (0.2, 89, 91, 3600, 3900)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 0 min",
        "1 h 5 min",
    ]


def test_all_answers_are_given_but_nobody_trains() -> None:
    stopped = Training(1000, 500, 0.9)
    done = State(env_id="CartPole-v1", pace=Pace(answered=40, asked_for=40, per_hour=None), training=stopped)
    heading, remedy = messages.no_clips(done, RUN)
    assert heading == "All 40 answers are given"
    assert "prefrl resume runs/a" in remedy


def test_a_run_that_begins_is_started_or_resumed() -> None:
    said = " ".join(messages.no_clips(State(), RUN))
    assert "prefrl train ENV_ID --run-dir runs/a" in said
    assert "prefrl resume runs/a" in said


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


def test_clips_that_are_being_drawn_or_cannot_be() -> None:
    shown = State(env_id="CartPole-v1", showings=(Showing(1),))
    assert messages.no_clips(shown, RUN) == ("Drawing the clips",)
    said = messages.no_clips(shown, RUN, "no OpenGL")
    assert said == ("These clips cannot be drawn", "no OpenGL", "↓ goes on without them, R tries again")


def test_what_an_undo_took_back_is_named_in_terms_of_the_screen() -> None:
    question = make_question(np.random.default_rng(0), 4, id=1)
    assert messages.took_back(make_answer(question, "left", shown_order=(1, 0))) == "Took back: right"
    assert messages.took_back(make_answer(question, "skip")) == "Took back: can't tell"
    assert messages.took_back(None) == "There is nothing to take back"


def test_an_answer_to_confirm() -> None:
    left = OFFERS["comparison"].answers[0]
    assert messages.not_seen_yet(left) == "Not seen to the end yet: ← once more if you are sure"
