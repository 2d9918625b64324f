"""The kinds of feedback there are. Adding one is a file beside this one and a line here."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from prefrl.feedback.choice import Choice
from prefrl.feedback.comparison import Comparison, ComparisonKind
from prefrl.feedback.noise import Noise, ReturnStats
from prefrl.feedback.question import Question

Feedback = Comparison
"""What an answer says: a frozen value of one of the kinds."""

F = TypeVar("F")


class Kind(Protocol[F]):
    """All that store, front ends, imports, synthetic teachers and fits need to know of a kind of feedback."""

    @property
    def name(self) -> str:
        """As questions and the command line name it."""

    def check(self, question: Question) -> None:
        """Raise ValueError unless `question` can be answered by this kind of feedback."""

    def from_json(self, value: Any, question: Question) -> F:
        """The feedback that `to_json` wrote; raises ValueError if `value` is none, or none on this `question`."""

    def to_json(self, feedback: F) -> Any:
        """The feedback as a JSON value."""

    def choices(self, feedback: F, question: Question) -> Sequence[Choice] | None:
        """The choices among options that the feedback comes down to; None if it says nothing."""

    def reorder(self, feedback: F, order: Sequence[int]) -> F:
        """The same feedback if the question's segments lay in this `order`, a permutation of their places.

        `order[k]` is the place of the segment that is then the k-th. It undoes itself with the inverse order.
        """

    def simulate(self, question: Question, context: ReturnStats, noise: Noise, rng: np.random.Generator) -> F:
        """What a synthetic teacher with these faults says, who sees the true rewards.

        A pure function of its arguments, which draws equally many numbers whatever the faults are. `context`: which
        returns are usual at the moment.
        """


KINDS: dict[str, Kind[Any]] = {kind.name: kind for kind in (ComparisonKind(),)}


class UnknownKindError(ValueError):
    """This version of prefrl has no such kind of feedback."""


def kind_of(question: Question) -> Kind[Any]:
    """The kind of `question`.

    Raises:
        UnknownKindError: this version of prefrl has no such kind.
    """
    if question.kind not in KINDS:
        raise UnknownKindError(f"there is no kind of feedback {question.kind!r}; there are {', '.join(KINDS)}")
    return KINDS[question.kind]
