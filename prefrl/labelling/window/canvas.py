"""The surface of the window: what changed is drawn, and nothing else."""

import time

import pygame

from prefrl.labelling.player import Player
from prefrl.labelling.reel import Reel
from prefrl.labelling.window.draw import draw_bar, draw_over, draw_still
from prefrl.labelling.window.layout import Layout, Plan, layout
from prefrl.labelling.window.paint import font
from prefrl.labelling.window.scene import Scene
from prefrl.labelling.window.stage import draw_moving
from prefrl.labelling.window.views import VIEWS

Moment = tuple[object, ...]
"""Changes whenever another picture is due."""


class Canvas:
    """Shows scenes, with the clips of a player or the pictures of a reel in them."""

    def __init__(self, screen: pygame.Surface) -> None:
        self.screen = screen
        font.cache_clear()  # those of a window before ended with it
        self.place: Layout = layout(Plan(screen.get_size()))
        """Where things are on the screen, for the mouse."""

        self._shown: tuple[Scene, Moment] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Of the window now, in pixels."""
        self.screen = pygame.display.get_surface() or self.screen
        return self.screen.get_size()

    @property
    def moves(self) -> bool:
        """Whether a bar moves on the screen."""
        return self._shown is not None and self._shown[0].moves

    def forget(self) -> None:
        """Draw all again: the window was covered, or is of another size."""
        self._shown = None

    def show(self, scene: Scene, player: Player | None, reel: Reel, *, scrubbing: bool = False) -> None:
        """Draw what changed since the last call."""
        clock = time.monotonic()
        moment = _moment(scene, player, reel, clock)
        before, self._shown = self._shown, (scene, moment)
        if before is None or before[0] != scene:
            self.place = layout(scene.plan)
            draw_still(self.screen, scene, self.place)
            self._draw_moving(scene, player, reel, clock)
            draw_over(self.screen, scene, self.place)
            pygame.display.flip()
        elif before[1] != moment or scrubbing:
            changed = self._draw_moving(scene, player, reel, clock)
            draw_over(self.screen, scene, self.place)
            pygame.display.update(changed)

    def _draw_moving(self, scene: Scene, player: Player | None, reel: Reel, clock: float) -> list[pygame.Rect]:
        """Where something was drawn."""
        place = self.place
        if scene.words is not None:
            return draw_moving(self.screen, scene, place, reel, clock)
        if player is None or player.playback is None or player.clips is None or scene.plan.kind is None:
            return []
        VIEWS[scene.plan.kind].draw(self.screen, player, place.clips, place.scale)
        draw_bar(self.screen, place, min(1.0, player.playback.position / player.playback.duration))
        player.mark_shown()
        return [*place.clips, place.bar.inflate(place.bar.height, 0)]


def _moment(scene: Scene, player: Player | None, reel: Reel, clock: float) -> Moment:
    if scene.words is None:
        return (player.playback.frame if player is not None and player.playback is not None else None,)
    frame = reel.playback.frame if reel.playback is not None and scene.page is None else None
    moves = (scene.drawn, int(30 * clock)) if scene.moves and scene.page is None else None
    return tuple(map(id, reel.clips)), frame, moves
