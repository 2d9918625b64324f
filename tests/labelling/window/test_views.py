"""How kinds look in the window, drawn on surfaces that no display shows."""

from itertools import pairwise

import numpy as np
import pygame
import pytest

from prefrl.labelling.actions import OFFERS
from prefrl.labelling.frames import Clips, pack
from prefrl.labelling.playback import Playback
from prefrl.labelling.player import Player
from prefrl.labelling.session import Showing
from prefrl.labelling.window.views import VIEWS, SideBySide

AREA = pygame.Rect(20, 100, 1000, 400)


def clips(ended: tuple[int | None, ...] = (None, None)) -> Clips:
    """Two frames of each clip; those of the k-th are of the grey 60 k + 60, the second a little lighter."""
    drawn = Clips(2, 30.0, ended)
    for place, frames in enumerate(drawn.frames):
        for step in range(2):
            frames.add(pack(np.full((10, 10, 3), 60 * place + 60 + 10 * step, np.uint8)))
    return drawn


class Still(Player):
    """A player at the end of clips that are there already."""

    def __init__(self, drawn: Clips, order: tuple[int, ...]) -> None:
        self.drawn_clips, self.showing = drawn, Showing(1, shown_order=order)
        self.playback = Playback(drawn.length, drawn.fps).at(1.0)

    @property
    def clips(self) -> Clips:
        return self.drawn_clips


def greys(player: Player) -> list[int]:
    screen, view = pygame.Surface((1040, 600)), VIEWS["comparison"]
    places = view.places(AREA, 20, 1.0)
    view.draw(screen, player, places, 1.0)
    return [screen.get_at((place.centerx, place.bottom - 5)).r for place in places]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.5, 3.0])
def test_clips_fit_side_by_side(count: int, aspect: float) -> None:
    places = SideBySide((None,) * count).places(AREA, 20, aspect)
    assert len(places) == count
    assert all(AREA.contains(place) for place in places)
    assert [b.left - a.right for a, b in pairwise(places)] == [20] * (count - 1)
    assert {place.size for place in places} == {places[0].size}
    assert abs(places[0].width / places[0].height - aspect) < 0.05 * aspect
    assert abs(places[0].left + places[-1].right - 2 * AREA.centerx) <= 1


def test_clips_are_drawn_in_the_order_of_the_screen() -> None:
    assert greys(Still(clips(), (0, 1))) == [70, 130]
    assert greys(Still(clips(), (1, 0))) == [130, 70]


def test_a_clip_whose_episode_ended_is_greyed() -> None:
    pygame.font.init()
    left, right = greys(Still(clips((None, 1)), (0, 1)))
    assert left == 70
    assert right == pytest.approx(130 * 120 / 255 + 30, abs=2)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_click_on_a_clip_gives_an_answer_that_the_kind_has(kind: str) -> None:
    places = VIEWS[kind].places(AREA, 20, 1.0)
    clicked = {VIEWS[kind].clicked(place) for place in range(len(places))} - {None}
    assert clicked <= {button.action for button in OFFERS[kind].answers}
