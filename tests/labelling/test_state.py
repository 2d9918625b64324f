"""What a page is sent."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from prefrl.errors import UsageError
from prefrl.labelling.session import Pace, Showing
from prefrl.labelling.state import Options, State
from prefrl.labelling.trainer_status import Training

STATES = {
    "before the run": State(),
    "nothing to ask": State(env_id="Hopper-v5", goal="hop", pace=Pace(0, 40, None), training=Training(1000)),
    "a question": State(env_id="Hopper-v5", showings=(Showing(7), Showing(8), Showing(9)), pace=Pace(3, None, 360.0)),
    "a hidden repeat": State(env_id="Hopper-v5", showings=(Showing(7, shown_order=(1, 0), is_repeat=True),)),
    "after an undo": State(env_id="Hopper-v5", showings=(Showing(7, seen=True),), note="Took back: tie", jobs_done=2),
    "an error": State(env_id="Hopper-v5", error="the disk is full", others=2, can_undo=True),
    "training is over": State(env_id="Hopper-v5", training=Training(1000, 1024, 0.9, True, 20.0)),
}


@pytest.mark.parametrize("situation", STATES)
def test_every_state_is_json(situation: str) -> None:
    values = STATES[situation].to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values.keys() == State().to_json().keys()


def test_what_a_page_is_told_of_a_question() -> None:
    values = STATES["a question"].to_json()
    assert {name: values["question"][name] for name in ("id", "kind", "shown_order", "seen")} == {
        "id": 7,
        "kind": "comparison",
        "shown_order": [0, 1],
        "seen": False,
    }
    assert [answer["value"] for answer in values["question"]["answers"]] == ["left", "tie", "skip", "right"]
    assert [answer["needs_clips"] for answer in values["question"]["answers"]] == [True, True, False, True]
    assert values["next_questions"] == [8, 9]
    assert values["pace"] == {"answered": 3, "asked_for": None, "per_hour": 360.0, "seconds_left": None}


def test_a_page_is_not_told_what_is_a_repeat() -> None:
    usual = State(env_id="Hopper-v5", showings=(Showing(7, shown_order=(1, 0)),))
    assert STATES["a hidden repeat"].to_json() == usual.to_json()


def test_the_progress_of_training() -> None:
    assert STATES["training is over"].to_json()["training"] == {
        "steps": 1000,
        "num_timesteps": 1024,
        "agreement": 0.9,
        "is_running": True,
        "next_clips": 20.0,
        "held_out": None,
        "is_over": True,
    }


def test_options_are_json_and_make_sense() -> None:
    options = Options("Ada", "hop", 0.1, 480)
    assert Options(**json.loads(json.dumps(asdict(options)))) == options
    for share in (-0.1, 1.0, np.nan):
        with pytest.raises(UsageError, match="--repeat-share"):
            Options("Ada", repeat_share=share)
    for size in (15, 2049):
        with pytest.raises(UsageError, match="--clip-size"):
            Options("Ada", clip_size=size)
