"""What a comparison says: one side is better, a tie, or nothing."""

from typing import Literal, get_args

Choice = Literal["left", "right", "tie", "skip"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

_TARGETS: dict[Choice, float | None] = {"left": 1.0, "right": 0.0, "tie": 0.5, "skip": None}


def target(choice: Choice) -> float | None:
    """The probability that the left segment is better, as `choice` says; None for an answer to leave out.

    This is the one place where a choice becomes a number.

    Raises:
        ValueError: `choice` is not one of `CHOICES`.
    """
    if choice not in _TARGETS:
        raise ValueError(f"unknown choice {choice!r}; valid choices are {', '.join(CHOICES)}")
    return _TARGETS[choice]
