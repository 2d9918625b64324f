"""What a person can do, the same in every front end: the buttons, their keys, and what the help says."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Button:
    """A button, and the key that does the same."""

    action: str
    key: str
    label: str

    width: float = 1.0
    """How wide it is beside the others in its row."""


@dataclass(frozen=True)
class AnswerButton(Button):
    """A button that answers the question."""

    value: Any = None
    """The answer, as a JSON value of the question's kind, in terms of the screen."""

    said: str = ""
    """The answer in a sentence."""

    needs_clips: bool = True
    """Whether the clips must have been seen; else it may be given although they cannot be drawn."""


@dataclass(frozen=True)
class Offer:
    """How a kind of feedback is asked for and answered."""

    question: str
    """What is asked; the run's goal stands beside it."""

    answers: tuple[AnswerButton, ...]
    help: tuple[tuple[str, str], ...]
    """Keys, and what they mean."""

    sides: tuple[Any, ...] = ()
    """Answers that prefer the clip at the first place of the screen, at the second, ...; none where none can."""


OFFERS = {
    "comparison": Offer(
        "Which is better?",
        (
            AnswerButton("left", "←", "Left is better", 1.25, "left", "left"),
            AnswerButton("tie", "↑", "Equally good", 1.0, "tie", "tie"),
            AnswerButton("skip", "↓", "Can't tell", 1.0, "skip", "can't tell", needs_clips=False),
            AnswerButton("right", "→", "Right is better", 1.25, "right", "right"),
        ),
        (
            ("←  →", "the left, or the right clip is better; or click it"),
            ("↑", "equally good"),
            ("↓", "can't tell; the pair teaches nothing"),
        ),
        sides=("left", "right"),
    )
}
"""By kind of feedback. A new kind is a line here, and one in `window.views`."""

SPEEDS = (
    Button("speed 0.25", "1", "¼x", 0.75),
    Button("speed 0.5", "2", "½x", 0.75),
    Button("speed 1", "3", "1x", 0.75),
    Button("speed 2", "4", "2x", 0.75),
)
CONTROLS = (
    Button("undo", "U", "Undo"),
    Button("pause", "Space", "Pause", 1.3),
    Button("back", ",", "- Frame", 0.95),
    Button("forward", ".", "+ Frame", 0.95),
    Button("restart", "R", "Restart", 1.1),
    *SPEEDS,
    Button("full screen", "F", "Full screen", 1.3),
    Button("help", "?", "Help", 0.95),
    Button("leave", "Esc", "Leave", 1.1),
)

UNDO_KEY = "Ctrl-Z"
"""Takes back too, as in other programs."""

_HELP = (
    ("U  Ctrl-Z", "take back the last answer, also after a restart"),
    ("Space", "pause"),
    (",  .", "one frame back, or on"),
    ("R", "from the start; draw again what could not be drawn"),
    ("1  2  3  4", "speed ¼, ½, 1, 2; drag the bar to go anywhere"),
    ("F", "full screen"),
    ("Esc", "leave; every answer is stored already"),
)


def buttons(kind: str | None) -> tuple[Button, ...]:
    """All that there are while a question of that kind is asked; without a kind, those that answer none."""
    return (*_answers(kind), *CONTROLS)


def _answers(kind: str | None) -> tuple[AnswerButton, ...]:
    return OFFERS[kind].answers if kind is not None else ()


def action(key: str, kind: str | None) -> str | None:
    """What `key` does while a question of that kind is asked; None if it does nothing."""
    keys = {button.key: button.action for button in buttons(kind)} | {UNDO_KEY: "undo"}
    return keys.get(key)


def answer_button(action: str, kind: str | None) -> AnswerButton | None:
    """The answer to a question of that kind that `action` stands for; None if it is something else."""
    return next((button for button in _answers(kind) if button.action == action), None)


def help_lines(kind: str | None) -> tuple[tuple[str, str], ...]:
    """Keys and what they mean, while a question of that kind is asked."""
    return (*(OFFERS[kind].help if kind is not None else ()), *_HELP)


def label(button: Button, *, paused: bool) -> str:
    """What the button says."""
    return "Play" if button.action == "pause" and paused else button.label


def key_of(action: str) -> str:
    """The key of one of the `CONTROLS`."""
    return next(button.key for button in CONTROLS if button.action == action)
