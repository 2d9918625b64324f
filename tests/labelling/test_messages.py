from pathlib import Path

import pytest

from prefrl.labelling import messages as words
from prefrl.labelling.service import State
from prefrl.labelling.session import Pace
from prefrl.labelling.trainer_status import Training

RUN = Path("runs/a")


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(1000, 1024, 0.9), "training is over"),
        (Training(1000, 500, 0.9), "no trainer at work; answers are kept"),
        (Training(1000, 0, None, is_running=True), "learning has not begun"),
        (Training(1000, 500, 0.9, is_running=True), "agrees with 90% of held-out answers"),
    ],
)
def test_the_trainers_progress(training: Training, said: str) -> None:
    assert words.training(State(training=training)) == (f"step {training.num_timesteps:,} of 1,000", said)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (Training(1000, 1024), "The agent is trained"),
        (Training(1000, 500), "No clips are waiting"),
        (Training(1000, 500, is_running=True, next_clips=20.0), "The agent is practising"),
        (None, "The agent is practising"),
    ],
)
def test_what_stands_in_place_of_clips(training: Training | None, said: str) -> None:
    assert words.stage(State(env_id="CartPole-v1", training=training), None, RUN)[0] == said


def test_before_the_run_and_after_the_last_answer() -> None:
    assert words.stage(State(), None, RUN)[0] == "Waiting for the run to begin"
    done = State(env_id="CartPole-v1", pace=Pace(answered=40, asked_for=40, per_hour=None))
    assert words.stage(done, None, RUN)[0] == "All 40 answers are given"


def test_durations() -> None:
    assert [words.duration(s) for s in (0.2, 89, 91, 3600, 3900)] == ["1 s", "89 s", "2 min", "1 h 0 min", "1 h 5 min"]


def test_all_answers_are_given_but_nobody_trains() -> None:
    stopped = Training(1000, 500, 0.9)
    done = State(env_id="CartPole-v1", pace=Pace(answered=40, asked_for=40, per_hour=None), training=stopped)
    heading, remedy = words.stage(done, None, RUN)
    assert heading == "All 40 answers are given"
    assert "prefrl resume runs/a" in remedy


def test_a_run_that_begins_is_started_or_resumed() -> None:
    said = " ".join(words.stage(State(), None, RUN))
    assert "prefrl train ENV_ID --run-dir runs/a" in said
    assert "prefrl resume runs/a" in said


def test_no_time_is_left_to_give_when_training_is_over() -> None:
    at = Pace(answered=39, asked_for=40, per_hour=360.0)
    assert words.pace(State(pace=at)).endswith("39 of 40 answered   ·   360 an hour   ·   10 s left at this pace")
    over = State(pace=at, training=Training(1000, 1024))
    assert words.pace(over) == "39 of 40 answered   ·   360 an hour"
