"""Where looping clips are at a moment: pure arithmetic, without a screen or a clock of its own."""

from dataclasses import dataclass, replace

CLIP_SECONDS = 2.0
"""Shortest time that a clip takes at speed 1: 50 steps of a simulated robot last 0.4 s, too short to judge."""

HOLD = 0.4
"""Seconds that the last frame stays before the clip starts again, so that one sees where it starts."""


@dataclass(frozen=True)
class Playback:
    """Clips that play in step."""

    length: int
    """Frames in each clip, >= 1."""

    fps: float
    """Frames per second in real time."""

    position: float = 0.0
    """Seconds since the start of the loop, at speed 1."""

    speed: float = 1.0
    paused: bool = False

    watched: float = 0.0
    """Seconds of the clip, at speed 1, that were shown from its start without a gap."""

    last: int | None = None
    """Index of the frame from which nothing changes any more; None: that is the last one."""

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last, at speed 1."""
        return max(CLIP_SECONDS, (self.length - 1) / self.fps)

    @property
    def frame(self) -> int:
        """Index of the frame to show."""
        share = min(1.0, self.position / self.duration)
        return int(share * (self.length - 1) + 1e-9)

    @property
    def seen(self) -> bool:
        """Whether all that happens in the clips was shown at least once."""
        share = 1.0 if self.last is None else min(1.0, self.last / max(1, self.length - 1))
        return self.watched + 1e-9 >= share * self.duration

    def advance(self, seconds: float) -> "Playback":
        """Later by that much real time."""
        if self.paused:
            return self
        after = self.position + seconds * self.speed
        watched = max(self.watched, after) if self.position <= self.watched else self.watched
        return replace(self, position=after % (self.duration + HOLD), watched=watched)

    def step(self, frames: int) -> "Playback":
        """Paused, that many frames forward, or back."""
        index = min(self.length - 1, max(0, self.frame + frames))
        return replace(self.at(index / max(1, self.length - 1)), paused=True)

    def at(self, share: float) -> "Playback":
        """At `share` of the clip, from 0 to 1. Dragging along the bar is watching too."""
        position = min(1.0, max(0.0, share)) * self.duration
        longest = self.duration * max(0.25, 1 / max(1, self.length - 1))  # a jump to the end is no look at the middle
        near = position <= self.watched + longest + 1e-9
        return replace(self, position=position, watched=max(self.watched, position) if near else self.watched)

    def restart(self) -> "Playback":
        """From the first frame."""
        return replace(self, position=0.0, paused=False)
