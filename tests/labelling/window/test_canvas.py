"""What the window shows, read from its surface; no display is needed for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from label_bot import Run, record_segment, wait_for
from numpy.typing import NDArray

from prefrl.data.verdict import Verdict
from prefrl.labelling.state import Options
from prefrl.labelling.window.app import Window
from prefrl.labelling.window.paint import LEVELS, NOTICE
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.store.shown import ShownName, write_shown

Open = Callable[..., Window]


@pytest.fixture
def open_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened: list[Window] = []

    def start(run_dir: Path = tmp_path / "run", goal: str | None = None, **callbacks: Callable[[], bool]) -> Window:
        opened.append(Window(run_dir, Options("Ada", goal, 0.0, 64), **callbacks))
        return opened[-1]

    yield start
    for window in opened:
        window.service.leave()
    pygame.quit()


def make(path: Path, *, asked: bool = True, steps: int = 500, shown: tuple[ShownName, ...] = ("now",)) -> RunDir:
    """A run that has taken so many of its 1000 steps."""
    run = Run(path).create(3)
    run.write_config(type(run.config)(env_id="CartPole-v1", labels=3, steps=1000, teacher="human"))
    run.metrics_path.write_text(json.dumps({"num_timesteps": steps, "seconds/train": 60.0}) + "\n")
    if not asked:
        with open_store(run) as store:
            store.withdraw(claimed_too=True)
    for number, name in enumerate(shown):
        write_shown(run, name, record_segment(number))
    return run


def look(window: Window, seconds: float = 0.1) -> NDArray[np.uint8]:
    """The surface, a moment later: (W, H, 3)."""
    window._advance(seconds)
    window._follow()
    window._show()
    return pygame.surfarray.array3d(window.canvas.screen)


def at(picture: NDArray[np.uint8], rect: pygame.Rect) -> NDArray[np.uint8]:
    return picture[rect.left : rect.right, rect.top : rect.bottom]


def has(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour, np.uint8)).all(-1).any())


def test_while_there_is_nothing_to_ask_the_agent_plays(open_window: Open, tmp_path: Path) -> None:
    run = make(tmp_path / "run", asked=False)
    with run.lock():
        window = open_window()
        wait_for(lambda: look(window, 0.0) is not None and window.interlude.reel.playback)
        wait_for(lambda: window.interlude.reel.clips[0].drawn == 1)
        before = look(window)
        after = look(window, 0.7)
        [rect] = window.canvas.place.pictures
    assert window.interlude.words.heading == "The agent is practising"
    assert window.interlude.words.lines[0].startswith("next clips in about ")
    assert (at(before, rect) != at(after, rect)).any()


def test_before_the_run_something_moves(open_window: Open) -> None:
    window = open_window(starts=lambda: True)
    before = look(window)
    wait_for(lambda: (look(window) != before).any(), 5)
    assert window.interlude.words.heading == "The training is starting"


def test_a_banner_says_that_nobody_trains_and_the_question_can_be_answered(open_window: Open, tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    window = open_window()
    wait_for(lambda: has(at(look(window), window.canvas.place.banner), NOTICE))
    wait_for(lambda: look(window) is not None and window._scene().words is None)
    assert window._scene().heading == "Which is better?"
    with run.lock():
        wait_for(lambda: look(window) is not None and window._scene().banner is None)
        assert not has(look(window), NOTICE)


def test_a_finished_run_shows_before_and_after_and_what_was_learned(open_window: Open, tmp_path: Path) -> None:
    run = make(tmp_path / "run", steps=1000, shown=("now", "before", "after"))
    run.write_verdict(Verdict("doubtful", "Too few answers to say more"))
    window = open_window()
    wait_for(lambda: look(window) is not None and window.interlude.reel.names == ("before", "after"))
    wait_for(lambda: all(clip.drawn == 1 for clip in window.interlude.reel.clips))
    before, after = look(window), look(window, 0.7)
    assert all((at(before, rect) != at(after, rect)).any() for rect in window.canvas.place.pictures)
    assert window._scene().verdict == ("doubtful", "Too few answers to say more")
    assert has(at(after, window.canvas.place.words), LEVELS["doubtful"])
    assert window._scene().heading == "The agent is trained"
    assert not window.leaving
    window._act("leave")
    assert window.leaving


@pytest.mark.parametrize("goal", ["a\0b", "\x1b[31m", "two\nlines", "\u202e", "x" * 5000, "[bold]"])
def test_no_goal_and_no_path_breaks_the_window(open_window: Open, tmp_path: Path, goal: str) -> None:
    run_dir = tmp_path / "it's [red] \n \x1b"
    make(run_dir)
    window = open_window(run_dir, goal)
    wait_for(lambda: look(window) is not None and window.state.env_id)
    look(window)
    assert window.state.error is None
