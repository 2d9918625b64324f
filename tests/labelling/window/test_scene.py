"""Which buttons are lit, and which can do nothing."""

from types import SimpleNamespace

from prefrl.labelling.state import State
from prefrl.labelling.window.scene import dim, lit

ANSWERS = {"left", "tie", "skip", "right"}


def player(playback: object = None, error: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(playback=playback, error=error, speed=0.5, is_paused=True)


def test_answers_wait_for_the_clips() -> None:
    assert dim(State(), None, None) == {"undo"}
    assert dim(State(), None, "comparison") == ANSWERS | {"undo"}
    assert dim(State(can_undo=True), player(), "comparison") == ANSWERS
    assert dim(State(can_undo=True), player(playback=1), "comparison") == set()


def test_clips_that_cannot_be_drawn_can_only_be_skipped() -> None:
    assert dim(State(can_undo=True), player(error="no OpenGL"), "comparison") == ANSWERS - {"skip"}


def test_what_is_switched_on_is_lit() -> None:
    assert lit(None) == {"speed 1"}
    assert lit(player(), "left", None) == {"speed 0.5", "pause", "left"}
