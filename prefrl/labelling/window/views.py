"""How a kind of feedback looks in the window, and how the mouse answers it there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pygame

from prefrl.labelling.player import Player
from prefrl.labelling.window.paint import draw_clip


class View(Protocol):
    """All that the window needs to know of a kind of feedback. Its buttons and keys are in `actions.OFFERS`."""

    def places(self, area: pygame.Rect, gap: int, aspect: float) -> tuple[pygame.Rect, ...]:
        """Where the clips are in `area`, in the order of the screen; `aspect` is their width over their height."""

    def clicked(self, place: int) -> str | None:
        """The action of a click on the clip at that place; None if it does nothing."""

    def draw(self, screen: pygame.Surface, player: Player, places: Sequence[pygame.Rect], scale: float) -> None:
        """Draw the clips as they are now, if they are there."""


@dataclass(frozen=True)
class SideBySide:
    """Clips in one row, as large as fit."""

    clicks: tuple[str | None, ...]
    """For each clip, the action of a click on it."""

    def places(self, area: pygame.Rect, gap: int, aspect: float) -> tuple[pygame.Rect, ...]:
        """Where the clips are."""
        return side_by_side(len(self.clicks), area, gap, aspect)

    def clicked(self, place: int) -> str | None:
        """The action of a click."""
        return self.clicks[place]

    def draw(self, screen: pygame.Surface, player: Player, places: Sequence[pygame.Rect], scale: float) -> None:
        """One frame of each."""
        clips, playback = player.clips, player.playback
        if clips is None or playback is None:
            return
        for index, rect in zip(player.order, places, strict=True):
            ended, frames = clips.ended[index], clips.frames[index]
            now = min(playback.frame, len(frames) - 1)
            draw_clip(screen, frames[now], rect, scale, ended is not None and now >= ended)


def side_by_side(count: int, area: pygame.Rect, gap: int, aspect: float) -> tuple[pygame.Rect, ...]:
    """So many rectangles in one row, as large as fit in `area`; `aspect` is their width over their height."""
    width = max(1, min((area.width - (count - 1) * gap) // count, round(area.height * aspect)))
    height = max(1, round(width / aspect))
    top = area.top + (area.height - height) // 2
    left = area.centerx - (count * width + (count - 1) * gap) // 2
    return tuple(pygame.Rect(left + k * (width + gap), top, width, height) for k in range(count))


VIEWS: dict[str, View] = {"comparison": SideBySide(("left", "right"))}
"""By kind of feedback. A new kind is a line here, and one in `actions.OFFERS`."""
