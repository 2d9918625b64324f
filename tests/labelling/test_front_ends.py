"""What every front end must manage: the same person at a window, and at a program that knows JSON alone."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from label_bot import Driver, Run, said, wait_for, xvfb

from prefrl.feedback.kinds import KINDS
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import Options
from prefrl.labelling.window.views import VIEWS
from prefrl.store.store import Store

WAYS = [
    ("left", "right", "tie", "skip", "left", "right"),
    ("left", "undo", "right", "tie", "undo", "undo", "skip", "left", "right", "tie", "skip", "left"),
]
"""What the person does; every question is answered in the end."""

NUM_QUESTIONS = 6


KEYS = {"left": "Left", "right": "Right", "tie": "Up", "skip": "Down", "undo": "u"}
"""Of the keyboard, as xdotool names them."""


class FrontEnd(Protocol):
    def do(self, action: str, standing: int) -> None:
        """Answer so, or undo; until so many answers stand."""

    def leave(self) -> None: ...


class Program:
    """The smallest front end: it reads states as JSON, answers in JSON, and never looks at anything else."""

    def __init__(self, run: Run) -> None:
        self.service = LabellingService(run.path, Options("Ada", repeat_share=0.0), np.random.default_rng(0))

    def state(self) -> dict[str, Any]:
        return json.loads(json.dumps(self.service.state.to_json(), allow_nan=False))  # type: ignore[no-any-return]

    def do(self, action: str, standing: int) -> None:
        wait_for(lambda: self.state()["can_undo"] if action == "undo" else self.state()["question"])
        if action == "undo":
            job = self.service.undo()
        else:
            asked, now = self.state()["question"], time.time()
            assert action in [answer["value"] for answer in asked["answers"]]
            job = self.service.answer(asked["id"], json.loads(json.dumps(action)), shown_at=now - 1, answered_at=now)
        wait_for(lambda: self.state()["jobs_done"] >= (job or 0))
        assert self.state()["error"] is None
        assert self.state()["pace"]["answered"] == standing

    def leave(self) -> None:
        self.service.leave()


class Window:
    """The real window, and real keys."""

    def __init__(self, run: Run, display: str) -> None:
        self.driver = Driver(run, display, "--repeat-share", "0")

    def do(self, action: str, standing: int) -> None:
        self.driver.answer(standing, KEYS[action])

    def leave(self) -> None:
        self.driver.leave()
        self.driver.kill()


@pytest.fixture(params=["program", pytest.param("window", marks=pytest.mark.slow)])
def start(request: pytest.FixtureRequest) -> Iterator[Callable[[Run], FrontEnd]]:
    if request.param == "program":
        yield Program
    else:
        with xvfb() as (display, _):
            yield lambda run: Window(run, display)


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_run_is_labelled(start: Callable[[Run], FrontEnd], tmp_path: Path, way: tuple[str, ...]) -> None:
    run = Run(tmp_path / "run")
    made = run.create(NUM_QUESTIONS)
    front_end, expected, back = start(run), [], []
    asked = list(range(1, NUM_QUESTIONS + 1))
    for action in way:
        if action == "undo":
            asked.insert(0, expected.pop()[0])
            back.append(action)
        else:
            expected.append((asked.pop(0), action))
        front_end.do(action, len(expected))
    front_end.leave()
    assert run.answers() == expected
    assert sorted(id for id, _ in expected) == list(range(1, NUM_QUESTIONS + 1))
    with Store(made.store_url) as store:
        stored = store.answers()
        assert store.pending() == []
    assert len(stored) == len(way)  # nothing is ever changed: an undo is an answer too
    assert [said(answer) for answer in stored].count(None) == len(back)
    assert {answer.annotator for answer in stored} == {"Ada"}
    given = [answer for answer in stored if answer.value is not None]
    assert all(answer.shown_at < answer.answered_at for answer in given)


def test_every_kind_has_answers_and_a_view() -> None:
    assert OFFERS.keys() == VIEWS.keys() == KINDS.keys()


def test_no_module_but_those_of_the_window_names_pygame() -> None:
    package = Path(__file__).parents[2] / "prefrl"
    named = {file.relative_to(package) for file in package.rglob("*.py") if "import pygame" in file.read_text()}
    assert named
    assert {file.parts[:2] for file in named} == {("labelling", "window")}
