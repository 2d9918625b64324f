"""How to label, and all that a front end shows: frozen values, which a page can be sent as JSON."""

import getpass
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prefrl.data.verdict import Verdict
from prefrl.errors import UsageError
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.session import Pace, Showing
from prefrl.labelling.trainer_status import Training
from prefrl.store.shown import ShownName


@dataclass(frozen=True)
class Options:
    """How to label."""

    annotator: str
    """Who answers, as the store names them."""

    goal: str | None = None
    """What the agent should do; stored with the run. None keeps the stored one."""

    repeat_share: float = 0.05
    """Share of the questions shown that are hidden repeats."""

    clip_size: int | None = None
    """Side of the clips in pixels, where the environment draws at any size. None draws no clips."""

    def __post_init__(self) -> None:
        if not 0 <= self.repeat_share < 1:
            raise UsageError(f"--repeat-share is {self.repeat_share}; give a number from 0 to below 1")
        if self.clip_size is not None and not 16 <= self.clip_size <= 2048:
            raise UsageError(f"--clip-size is {self.clip_size}; give a number of pixels from 16 to 2048")


@dataclass(frozen=True)
class State:
    """All that a front end shows, as it was a moment ago."""

    env_id: str | None = None
    """None while there is no store to label yet."""

    goal: str | None = None

    showings: tuple[Showing, ...] = ()
    """The question on the screen, and those that come next."""

    pace: Pace | None = None
    training: Training | None = None

    others: int = 0
    """How many other people label the run now."""

    shown: Mapping[ShownName, int] = field(default_factory=dict)
    """What of the agent can be shown beside the questions -> its version; see `LabellingService.shown`."""

    verdict: Verdict | None = None
    """What is said of the learned reward, once the training is over."""

    can_undo: bool = False

    error: str | None = None
    """Why the last piece of work failed; it is being tried again."""

    note: str | None = None
    """A sentence about the last answer or undo, where there is something to say."""

    jobs_done: int = 0
    """How many answers and undos are done with."""

    @property
    def showing(self) -> Showing | None:
        """The question on the screen; None if none is waiting."""
        return self.showings[0] if self.showings else None

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values. Hidden repeats look like any other question."""
        return {
            "env_id": self.env_id,
            "goal": self.goal,
            "question": None if self.showing is None else _question(self.showing),
            "next_questions": [showing.question_id for showing in self.showings[1:]],
            "pace": None if self.pace is None else {**asdict(self.pace), "seconds_left": self.pace.seconds_left},
            "training": None if self.training is None else {**asdict(self.training), "is_over": self.training.is_over},
            "others": self.others,
            "shown": dict(self.shown),
            "verdict": None if self.verdict is None else asdict(self.verdict),
            "can_undo": self.can_undo,
            "error": self.error,
            "note": self.note,
            "jobs_done": self.jobs_done,
        }


def _question(showing: Showing) -> dict[str, Any]:
    return {
        "id": showing.question_id,
        "kind": showing.kind,
        "shown_order": list(showing.shown_order),
        "seen": showing.seen,
        "answers": [asdict(button) for button in OFFERS[showing.kind].answers],
    }


def user_name() -> str:
    """Whose login it is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return "person"
