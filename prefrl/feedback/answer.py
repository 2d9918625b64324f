"""An answer, one record from the screen to the loss; and which answers count."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from prefrl.feedback.choice import Choice
from prefrl.feedback.kinds import Feedback, kind_of
from prefrl.feedback.question import Question

BREAK = 120.0
"""Seconds; who takes longer over one answer was away."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What somebody said to a question. Never changed: a later answer may replace it, or take it back."""

    question: Question

    value: Feedback | None
    """In terms of the question's own order of segments; None takes back the answer named by `replaces`."""

    annotator: str = "api"
    """Name of who said it; "oracle" is the one that answers by the true reward."""

    submission_id: str = field(default_factory=lambda: uuid4().hex)
    """Makes sending again harmless: one id is one row."""

    shown_at: float | None = None
    """Unix time in seconds at which the clips were first seen."""

    answered_at: float | None = None
    """Unix time in seconds at which the answer was given."""

    replaces: int | None = None
    """`seq` of the answer to the same question that this one takes the place of."""

    is_repeat: bool = False
    """Whether it was asked a second time, to see how consistent the annotator is. Never learned from."""

    shown_order: tuple[int, ...] | None = None
    """Places of the segments in the order in which the screen showed them; None for the question's own."""

    seq: int | None = None
    """Position in the store's append-only order, from 1; None before it is there."""

    def __post_init__(self) -> None:
        if self.value is None and self.replaces is None:
            raise ValueError("Answer.value is None, but Answer.replaces does not say what is taken back")
        for name in ("shown_at", "answered_at"):
            if not math.isfinite(getattr(self, name) or 0.0):
                raise ValueError(f"Answer.{name} is {getattr(self, name)}, want a finite time")
        if self.shown_order is not None and sorted(self.shown_order) != list(range(len(self.question.segments))):
            raise ValueError(f"Answer.shown_order is {self.shown_order}, want a permutation of the segments' places")

    def on_screen(self) -> Feedback | None:
        """What was said in terms of the order that the screen showed."""
        if self.value is None or self.shown_order is None:
            return self.value
        return kind_of(self.question).reorder(self.value, self.shown_order)  # type: ignore[no-any-return]

    @property
    def words(self) -> str:
        """What was said, as people read it; nothing where something is taken back."""
        return "" if self.value is None else str(kind_of(self.question).to_json(self.value))

    def choices(self) -> Sequence[Choice]:
        """The choices that it comes down to; none if it says nothing."""
        return (self.value and kind_of(self.question).choices(self.value, self.question)) or ()

    @property
    def is_decided(self) -> bool:
        """Whether it says something, and leaves nothing open: no skip, and no tie."""
        choices = self.choices()
        return bool(choices) and all(choice.is_decided for choice in choices)

    @property
    def seconds(self) -> float | None:
        """How long the answer took; None where unknown, or so long that the person was away."""
        if self.shown_at is None or self.answered_at is None:
            return None
        seconds = self.answered_at - self.shown_at
        return seconds if 0 < seconds < BREAK else None

    def at(self, seq: int) -> Self:
        """The same answer at its place in the store."""
        return replace(self, seq=seq)


class Given(Protocol):
    """As much of an answer as tells whether it counts."""

    @property
    def seq(self) -> int | None: ...
    @property
    def value(self) -> Any: ...
    @property
    def replaces(self) -> int | None: ...
    @property
    def is_repeat(self) -> bool: ...


G = TypeVar("G", bound=Given)


def standing(answers: Sequence[G], *, repeats: bool = False) -> list[G]:
    """Those of `answers` that count: neither replaced by a later one nor taking one back, and no repeats.

    With `repeats`, the repeats that count in place of the others. This is the one place that decides it; the store's
    `schema.is_standing` says the same in SQL.
    """
    replaced = {answer.replaces for answer in answers if answer.replaces is not None}
    return [a for a in answers if a.value is not None and a.seq not in replaced and a.is_repeat == repeats]


def informative(answers: Sequence[Answer]) -> list[Answer]:
    """Those of `answers` that something can be learned from: they count, and say something."""
    return [answer for answer in standing(answers) if answer.choices()]


def can_fit(answers: Sequence[Answer]) -> bool:
    """Whether there are the two informative answers that a reward needs at least."""
    return len(informative(answers)) > 1


def is_held_out(answers: Sequence[Answer], share: float) -> NDArray[np.bool_]:
    """(A,) whether a fit to `answers` holds each of them out.

    The question decides it: all answers to one question, later corrections too, are on the same side.
    """
    if share == 0 or not answers:
        return np.zeros(len(answers), np.bool_)
    questions = np.array([next(n for n in (a.question.number, a.question.id, a.seq) if n is not None) for a in answers])
    held_out: NDArray[np.bool_] = questions % max(2, round(1 / share)) == 1
    if not held_out.any():
        held_out = questions == questions[0]
    if held_out.all():
        held_out[-1] = False
    return held_out


def fingerprint(answers: Sequence[Answer]) -> str:
    """SHA-256 of what `answers` say, in their order: equal for equal lists."""
    said = [
        (
            a.seq,
            a.question.id,
            None if a.value is None else kind_of(a.question).to_json(a.value),
            a.annotator,
            a.replaces,
        )
        for a in answers
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
