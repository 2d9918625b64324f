"""What the window shows, as a value: drawn again only where it differs from what is on the screen."""

from dataclasses import dataclass
from typing import Literal

from prefrl.labelling import actions
from prefrl.labelling.player import Player
from prefrl.labelling.session import Showing
from prefrl.labelling.state import State

NoteKind = Literal["news", "warning"]


@dataclass(frozen=True)
class Page:
    """A page over everything: lines, or keys and their meanings."""

    heading: str
    lines: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scene:
    """What is to be seen, except the pictures of the clips."""

    size: tuple[int, int]
    aspect: float = 1.0

    showing: Showing | None = None
    """The question whose clips are there."""

    goal: str = ""
    training: tuple[str, ...] = ()
    pace: str = ""

    progress: float = 0.0
    """Share of the answers asked for that is given."""

    lit: frozenset[str] = frozenset()
    """Actions whose buttons are shown as switched on, or as pointed at."""

    dim: frozenset[str] = frozenset()
    """Actions that can do nothing just now."""

    no_clips: tuple[str, ...] = ()
    """A heading and lines where the clips would be; none if the clips are there."""

    drawn: float | None = None
    """Share of the clips that is drawn, while they are being drawn."""

    note: str | None = None
    """A line across the clips, for the moment."""

    note_kind: NoteKind = "news"
    page: Page | None = None
    paused: bool = False


def lit(player: Player | None, *others: str | None) -> frozenset[str]:
    """Actions that are switched on, and `others` that are to be lit."""
    speed = f"speed {player.speed if player is not None else 1:g}"
    paused = "pause" if player is not None and player.is_paused else None
    return frozenset(action for action in (speed, paused, *others) if action)


def dim(state: State, player: Player | None, kind: str) -> frozenset[str]:
    """Actions that can do nothing just now, with a question of that `kind` on the screen."""
    is_broken = player is not None and player.error is not None
    answers = () if player is not None and player.playback is not None else actions.OFFERS[kind].answers
    dead = {button.action for button in answers if button.needs_clips or not is_broken}
    return frozenset(dead if state.can_undo else dead | {"undo"})
