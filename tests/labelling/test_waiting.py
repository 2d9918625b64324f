from dataclasses import replace
from pathlib import Path

import pytest

from prefrl.data.verdict import LEVELS, Verdict
from prefrl.labelling import waiting
from prefrl.labelling.session import Pace, Showing
from prefrl.labelling.state import State
from prefrl.labelling.summary import Summary
from prefrl.labelling.trainer_status import Training

RUN = Path("runs/a [b]'s")
QUOTED = """'runs/a [b]'"'"'s'"""
TRAINS = Training(1000, 500, is_running=True, next_clips=20.0)
OVER = Training(1000, 1024)


def pace(answered: int) -> Pace:
    return Pace(answered=answered, asked_for=40, per_hour=None)


@pytest.mark.parametrize(
    ("training", "heading", "line"),
    [
        (OVER, "The agent is trained", None),
        (replace(OVER, is_running=True), "The training is over", "The best of the last agents is chosen"),
        (Training(1000, 500), "No clips are waiting", None),
        (TRAINS, "The agent is practising", "next clips in about 20 s"),
        (replace(TRAINS, next_clips=1.0), "The agent is practising", "next clips any moment"),
        (replace(TRAINS, num_timesteps=0), "The agent is exploring", "first questions in about 20 s"),
        (None, "The agent is practising", "next clips soon"),
    ],
)
def test_what_stands_in_place_of_clips(training: Training | None, heading: str, line: str | None) -> None:
    words = waiting.words(State(env_id="CartPole-v1", training=training), RUN)
    assert words.heading == heading
    assert [said[: len(line or "")] for said in words.lines] == ([line] if line else [])


def test_before_the_run_it_says_how_to_begin_unless_a_trainer_does() -> None:
    words = waiting.words(State(), RUN)
    assert words.heading == "Waiting for the run to begin"
    assert f"prefrl train ENV_ID --run-dir {QUOTED}" in " ".join(words.lines)
    assert f"prefrl resume {QUOTED}" in " ".join(words.lines)
    started = waiting.words(State(), RUN, starts=True)
    assert started.heading == "The training is starting"
    assert "prefrl" not in " ".join(started.lines)


def test_after_the_last_answer_the_agent_trains_on() -> None:
    done = State(env_id="CartPole-v1", pace=pace(40), training=TRAINS)
    words = waiting.words(done, RUN)
    assert words.heading == "All 40 answers are given"
    assert "it trains on" in words.lines[0]
    assert waiting.shown(done) == ("now",)
    assert waiting.banner(done, RUN) is None


def test_a_banner_with_the_command_where_nobody_trains() -> None:
    for state in (State(training=Training(1000, 500)), State(training=Training(1000, 500), showings=(Showing(1),))):
        banner = waiting.banner(state, RUN)
        assert banner is not None
        assert "answers are kept" in banner.sentence
        assert banner.command == f"prefrl resume {QUOTED}"
    assert [waiting.banner(State(training=at), RUN) for at in (None, TRAINS, OVER)] == [None] * 3


def test_clips_that_are_being_drawn_or_cannot_be() -> None:
    shown = State(env_id="CartPole-v1", showings=(Showing(1),))
    assert waiting.words(shown, RUN) == waiting.Words("Drawing the clips")
    said = waiting.words(shown, RUN, error="no OpenGL")
    assert said.heading == "These clips cannot be drawn"
    assert said.lines == ("no OpenGL", "↓ goes on without them, R tries again")
    assert said.is_final


def test_at_the_end_before_and_after_are_shown() -> None:
    state = State(training=OVER, shown={"now": 1, "before": 1, "after": 2}, showings=(Showing(1),))
    assert waiting.shown(state) == ("before", "after")
    assert waiting.shown(replace(state, shown={"now": 1})) == ("now",)  # of a run of before
    assert waiting.shown(replace(state, training=replace(OVER, is_running=True))) == ("now",)
    assert waiting.words(state, RUN).heading == "The agent is trained"


def test_the_end_says_what_the_session_came_to_and_what_to_do_next() -> None:
    state = State(training=OVER, pace=pace(40))
    session = Summary(2, 0.5, (("left", 2),), 4, 3, (("left", 2), ("right", 2)))
    command = f"prefrl evaluate {QUOTED} --video agent.mp4"
    first, consistency, last = waiting.end(state, session, RUN)
    assert first == "2 labels in 0.5 min: 2 left"
    assert consistency == "same answer on 3 of 4 hidden repeats in this run"
    assert last.endswith(command)
    idle = replace(session, labels=0, said=())
    assert waiting.end(state, idle, RUN)[:2] == ("40 answers taught it", consistency)
    assert waiting.end(State(), None, RUN)[0].endswith(command)


def test_the_verdict_has_a_sign_and_a_word_of_its_own() -> None:
    assert waiting.MARKS.keys() == set(LEVELS)
    assert len({sign for sign, _ in waiting.MARKS.values()}) == len({word for _, word in waiting.MARKS.values()}) == 4
    judged = State(training=OVER, verdict=Verdict("bad", "Your answers contradict each other: 17 of 37"))
    assert waiting.verdict(judged, RUN) == ("bad", "Your answers contradict each other: 17 of 37")
    level, sentence = waiting.verdict(State(training=OVER), RUN)
    assert level == "unknown"
    assert f"prefrl evaluate {QUOTED}" in sentence
