"""Buttons and keys, against the kinds of feedback that there are."""

import pytest
from builders import make_question
from numpy.random import default_rng

from prefrl.feedback.kinds import KINDS
from prefrl.labelling.actions import CONTROLS, OFFERS, action, answer_button, buttons, help_lines, label


def test_every_kind_can_be_answered() -> None:
    assert OFFERS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", OFFERS)
def test_no_two_buttons_have_one_key_or_one_action(kind: str) -> None:
    assert len({button.key for button in buttons(kind)}) == len(buttons(kind))
    assert len({button.action for button in buttons(kind)}) == len(buttons(kind))


@pytest.mark.parametrize("kind", OFFERS)
def test_one_answer_can_be_given_without_clips(kind: str) -> None:
    assert any(not button.needs_clips for button in OFFERS[kind].answers)


def test_the_answers_to_a_comparison_are_comparisons() -> None:
    question = make_question(default_rng(0), 4)
    kind = KINDS["comparison"]
    for button in OFFERS["comparison"].answers:
        assert kind.to_json(kind.from_json(button.value, question)) == button.value


def test_what_keys_do() -> None:
    keys = ("←", "↑", "↓", "→", "U", "Ctrl-Z", "Space", ",", ".", "R", "1", "4", "F", "?", "Esc", "Q", "other")
    assert [action(key, "comparison") for key in keys] == [
        *("left", "tie", "skip", "right", "undo", "undo", "pause", "back", "forward", "restart"),
        *("speed 0.25", "speed 2", "full screen", "help", "leave", None, None),
    ]


def test_only_answers_are_answers() -> None:
    left = answer_button("left", "comparison")
    assert left is not None
    assert (left.value, left.key, left.needs_clips) == ("left", "←", True)
    assert answer_button("undo", "comparison") is None


def test_the_help_names_every_key_but_its_own() -> None:
    named = {key for keys, _ in help_lines("comparison") for key in keys.split()}
    assert named == {button.key for button in buttons("comparison")} - {"?"} | {"Ctrl-Z"}


def test_pause_says_play_while_paused() -> None:
    pause = next(button for button in CONTROLS if button.action == "pause")
    assert [label(pause, paused=paused) for paused in (False, True)] == ["Pause", "Play"]
