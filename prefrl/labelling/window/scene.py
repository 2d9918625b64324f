"""What the window shows, as a value: drawn again only where it differs from what is on the screen."""

from dataclasses import dataclass, field

from prefrl.data.verdict import Level
from prefrl.labelling import actions
from prefrl.labelling.player import Player
from prefrl.labelling.session import Showing
from prefrl.labelling.state import State
from prefrl.labelling.waiting import Banner, Words
from prefrl.labelling.window.layout import Plan
from prefrl.labelling.window.notices import NoteKind


@dataclass(frozen=True)
class Page:
    """A page over everything: lines, or keys and their meanings."""

    heading: str
    lines: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scene:
    """What is to be seen, except the pictures of the clips."""

    plan: Plan
    """What has a place in it."""

    showing: Showing | None = None
    """The question whose clips are there."""

    heading: str = ""
    """What is asked, or what goes on."""

    goal: str = ""

    status: tuple[str, ...] = ()
    """How far labelling and training are."""

    progress: float = 0.0
    """Share of the answers asked for that is given."""

    lit: frozenset[str] = frozenset()
    """Actions whose buttons are shown as switched on, or as pointed at."""

    dim: frozenset[str] = frozenset()
    """Actions that can do nothing just now."""

    words: Words | None = None
    """Said where the clips would be; None if they are there."""

    captions: tuple[str, ...] = ()
    """One over each picture of the agent."""

    verdict: tuple[Level, str] | None = None
    """On what was learned, at the end."""

    drawn: float | None = field(default=None, compare=False)
    """Share of the clips that is drawn, while they are being drawn. It moves, and is no reason to draw all again."""

    banner: Banner | None = None

    note: str | None = None
    """A line across the clips, for the moment."""

    note_kind: NoteKind = "news"
    page: Page | None = None
    paused: bool = False

    @property
    def moves(self) -> bool:
        """Whether a bar moves under the words, to show that work goes on where no picture does."""
        if self.words is None or self.verdict is not None or self.words.is_final:
            return False
        return self.drawn is not None or not self.plan.pictures


def lit(player: Player | None, *others: str | None) -> frozenset[str]:
    """Actions that are switched on, and `others` that are to be lit."""
    speed = f"speed {player.speed if player is not None else 1:g}"
    paused = "pause" if player is not None and player.is_paused else None
    return frozenset(action for action in (speed, paused, *others) if action)


def dim(state: State, player: Player | None, kind: str | None) -> frozenset[str]:
    """Actions that can do nothing just now, with a question of that `kind` on the screen, or none before the first."""
    is_broken = player is not None and player.error is not None
    are_there = player is not None and player.playback is not None
    answers = () if kind is None or are_there else actions.OFFERS[kind].answers
    dead = {button.action for button in answers if button.needs_clips or not is_broken}
    return frozenset(dead if state.can_undo else dead | {"undo"})
