"""Plays clips that nobody is asked about: what the agent does now, or before and after the training."""

from collections.abc import Mapping

from prefrl.labelling.frames import Clips
from prefrl.labelling.playback import Playback
from prefrl.rendering.camera import Frame
from prefrl.store.shown import ShownName


class Reel:
    """One clip, or some in step, over and over. A clip that is shorter than another waits at its last frame."""

    def __init__(self) -> None:
        self.clips: tuple[Clips, ...] = ()
        """What plays, in the order of the screen, perhaps not drawn to the end yet."""

        self.playback: Playback | None = None
        """None while there is nothing to play."""

        self.names: tuple[ShownName, ...] = ()
        """What each of them is called."""

        self._next: dict[ShownName, Clips] = {}

    def follow(self, clips: Mapping[ShownName, Clips | None]) -> None:
        """Play those that are there. Newer ones of the same names begin when the loop on the screen is over."""
        self._next = {name: clip for name, clip in clips.items() if clip is not None and all(clip.frames)}
        if tuple(self._next) != self.names:
            self._begin()

    def _begin(self) -> None:
        self.names, self.clips = tuple(self._next), tuple(self._next.values())
        length = max(map(_length, self.clips), default=0)
        self.playback = Playback(length, self.clips[0].fps) if length else None

    def advance(self, seconds: float) -> None:
        """Play on for that much real time, but not beyond what is drawn."""
        if self.playback is None:
            return
        after = self.playback.advance(seconds)
        if after.position < self.playback.position and self._is_old:
            self._begin()
        elif all(clip.drawn >= 1 or after.frame < len(clip.frames[0]) for clip in self.clips):
            self.playback = after

    @property
    def _is_old(self) -> bool:
        return any(new is not old for new, old in zip(self._next.values(), self.clips, strict=True))

    def frames(self) -> tuple[tuple[Frame, bool], ...]:
        """The frame of each clip now, (H, W, 3), and whether its episode is over by then."""
        if self.playback is None:
            return ()
        found = []
        for clip in self.clips:
            now, ended = min(self.playback.frame, len(clip.frames[0]) - 1), clip.ended[0]
            found.append((clip.frames[0][now], ended is not None and now >= ended))
        return tuple(found)

    @property
    def aspect(self) -> float:
        """Width of a clip over its height."""
        if not self.clips:
            return 1.0
        height, width = self.clips[0].frames[0][0].shape[:2]
        return float(width / height)


def _length(clip: Clips) -> int:
    """Frames until nothing moves any more."""
    ended = clip.ended[0]
    return clip.length if ended is None else min(clip.length, ended + 1)
