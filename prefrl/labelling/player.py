"""The pair of clips on the screen: what is shown, how far it is drawn, where it plays, since when it is seen."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from prefrl.labelling.clips import ClipCache, Pair
from prefrl.labelling.playback import Playback
from prefrl.labelling.session import Showing


class Stage:
    """Follows a queue of queries, and plays the clips of the first."""

    def __init__(self, cache: ClipCache) -> None:
        self.cache = cache
        self.showing: Showing | None = None
        self.playback: Playback | None = None
        """None until the clips are drawn to their end."""

        self.shown_at: float | None = None
        """Unix time in seconds at which the clips were first seen; None before."""

        self.speed = 1.0
        self.aspect = 1.0
        """Width of a clip over its height; of the last one, until there is a new one."""

        self._queue: tuple[Showing, ...] = ()
        self._last: int | None = None

    def follow(self, queue: Sequence[Showing]) -> bool:
        """Show the first of `queue`, and have the others drawn; whether the first is another than before."""
        turned = False
        if tuple(queue) != self._queue:
            self._queue = tuple(queue)
            first = queue[0] if queue else None
            turned = first != self.showing
            if turned:
                self._last = self.showing.query_id if self.showing else self._last  # undo may want it back
                self.showing, self.playback, self.shown_at = first, None, None
            self.cache.want([showing.query_id for showing in queue], keep=self._last)
        if self.playback is None and self.pair is not None:
            self._begin(self.pair)
        return turned

    def _begin(self, pair: Pair) -> None:
        seen = self.showing is not None and self.showing.seen
        self.playback = Playback(pair.length, pair.fps, speed=self.speed, watched=math.inf if seen else 0.0)
        height, width = pair.frames[0][0].shape[:2]
        self.aspect = width / height

    @property
    def pair(self) -> Pair | None:
        """The clips of the query; None until they are drawn to their end."""
        pair = self._pair_so_far
        return pair if pair is not None and pair.drawn >= 1.0 else None

    @property
    def _pair_so_far(self) -> Pair | None:
        return self.cache.get(self.showing.query_id) if self.showing is not None else None

    @property
    def drawn(self) -> float | None:
        """Share of the clips that is drawn; None if none are being drawn."""
        if self.showing is None or self.playback is not None or self.error is not None:
            return None
        return self._pair_so_far.drawn if self._pair_so_far is not None else 0.0

    @property
    def error(self) -> str | None:
        """Why the clips cannot be drawn."""
        return self.cache.error(self.showing.query_id) if self.showing is not None else None

    @property
    def sides(self) -> tuple[int, int]:
        """Which clip of the query is on the left, and which on the right."""
        return (1, 0) if self.showing is not None and self.showing.swapped else (0, 1)

    @property
    def is_paused(self) -> bool:
        return self.playback is not None and self.playback.paused

    def mark_shown(self) -> None:
        """The clips are on the screen now."""
        self.shown_at = self.shown_at or time.time()

    def advance(self, seconds: float) -> None:
        """Play on."""
        if self.playback is not None:
            self.playback = self.playback.advance(seconds)

    def scrub(self, share: float) -> None:
        """Go to that share of the clips."""
        if self.playback is not None:
            self.playback = self.playback.at(share)

    def act(self, action: str) -> None:
        """Do what a key or a button of the player stands for."""
        if action == "restart" and self.error is not None:
            self.cache.retry()
        if action.startswith("speed "):
            self.speed = float(action.removeprefix("speed "))
        if self.playback is None:
            return
        if action == "pause":
            self.playback = replace(self.playback, paused=not self.playback.paused)
        elif action in ("back", "forward"):
            self.playback = self.playback.step(1 if action == "forward" else -1)
        elif action == "restart":
            self.playback = self.playback.restart()
        self.playback = replace(self.playback, speed=self.speed)
