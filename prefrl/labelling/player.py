"""Plays the clips of the question on the screen: how far they are drawn, where they are, since when they are seen."""

import math
import time
from dataclasses import replace

from prefrl.labelling.clips import ClipCache, Clips
from prefrl.labelling.playback import Playback
from prefrl.labelling.session import Showing


class Player:
    """Plays the clips of one question after the other, as a cache has drawn them."""

    def __init__(self, cache: ClipCache) -> None:
        self.cache = cache
        self.showing: Showing | None = None
        """The question whose clips are played; None while none is asked."""

        self.playback: Playback | None = None
        """None until the clips are drawn to their end."""

        self.shown_at: float | None = None
        """Unix time in seconds at which the clips were first seen; None before."""

        self.speed = 1.0
        self.aspect = 1.0
        """Width of a clip over its height; that of the last question until the clips of the next are there."""

    def follow(self, showing: Showing | None) -> bool:
        """Play the clips of `showing` as soon as they are drawn; whether it is another question than before."""
        is_new = showing != self.showing
        if is_new:
            self.showing, self.playback, self.shown_at = showing, None, None
        if self.playback is None and (clips := self.clips) is not None:
            self._begin(clips)
        return is_new

    def _begin(self, clips: Clips) -> None:
        seen = self.showing is not None and self.showing.seen
        ends = [ended for ended in clips.ended if ended is not None]
        self.playback = Playback(
            clips.length,
            clips.fps,
            speed=self.speed,
            watched=math.inf if seen else 0.0,
            last=max(ends) if len(ends) == len(clips.ended) else None,  # nothing moves after all have ended
        )
        height, width = clips.frames[0][0].shape[:2]
        self.aspect = width / height

    @property
    def clips(self) -> Clips | None:
        """The clips of the question; None until they are drawn to their end."""
        clips = self._clips_so_far
        return clips if clips is not None and clips.drawn >= 1.0 else None

    @property
    def _clips_so_far(self) -> Clips | None:
        return self.cache.get(self.showing.question_id) if self.showing is not None else None

    @property
    def drawn(self) -> float | None:
        """Share of the clips that is drawn; None if none are being drawn."""
        if self.showing is None or self.playback is not None or self.error is not None:
            return None
        return self._clips_so_far.drawn if self._clips_so_far is not None else 0.0

    @property
    def error(self) -> str | None:
        """Why the clips cannot be drawn."""
        return self.cache.error(self.showing.question_id) if self.showing is not None else None

    @property
    def order(self) -> tuple[int, ...]:
        """Which clip of the question comes first on the screen, which next."""
        return self.showing.shown_order if self.showing is not None else ()

    @property
    def is_paused(self) -> bool:
        return self.playback is not None and self.playback.paused

    def mark_shown(self) -> None:
        """The clips are on the screen now."""
        self.shown_at = self.shown_at or time.time()

    def advance(self, seconds: float) -> None:
        """Play on for that much real time."""
        if self.playback is not None:
            self.playback = self.playback.advance(seconds)

    def scrub(self, share: float) -> None:
        """Go to that share of the clips, from 0 to 1."""
        if self.playback is not None:
            self.playback = self.playback.at(share)

    def act(self, action: str) -> None:
        """Do what one of the buttons in `actions.CONTROLS` stands for, if it is about playing."""
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
