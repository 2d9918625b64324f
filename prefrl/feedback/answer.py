"""An answer to a question, and which answers count."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query


@dataclass(frozen=True, eq=False)
class Preference:
    """An answer to a query. Never changed: a later preference may supersede it."""

    seq: int
    """Position in the store's append-only order, from 1."""

    query: Query

    choice: Choice | None
    """The answer; None retracts the preference named by `supersedes`."""

    annotator: str = "oracle"

    supersedes: int | None = None
    """`seq` of the preference that this one takes the place of."""

    shown_at: float | None = None
    """Unix time in seconds at which the clips were first seen."""

    answered_at: float | None = None
    """Unix time in seconds at which the answer was given."""


def effective(preferences: Sequence[Preference]) -> list[Preference]:
    """Those of `preferences` that count: neither superseded by a later one nor retractions."""
    superseded = {preference.supersedes for preference in preferences}
    return [preference for preference in preferences if preference.choice and preference.seq not in superseded]


def fingerprint(preferences: Sequence[Preference]) -> str:
    """SHA-256 of what `preferences` say, in their order: tells whether two lists of them are the same."""
    said = [(p.seq, p.query.id, p.choice, p.annotator, p.supersedes) for p in preferences]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
