"""Where things are, in windows of several sizes."""

import pygame
import pytest

from prefrl.labelling.window.layout import layout


@pytest.mark.parametrize("size", [(480, 320), (1280, 720), (3840, 2160)])
def test_every_button_is_in_the_window_and_can_be_hit(size: tuple[int, int]) -> None:
    place = layout(size, 1.5)
    assert all(pygame.Rect((0, 0), size).contains(rect) for _, rect in place.buttons)
    assert [place.button_at(rect.center) for _, rect in place.buttons] == [b.action for b, _ in place.buttons]
    assert [place.clip_at(rect.center) for rect in place.clips] == [0, 1]
    assert (place.button_at((0, 0)), place.clip_at((0, 0))) == (None, None)


def test_nothing_lies_over_anything_else() -> None:
    place = layout((1280, 720), 1.5)
    rects = [place.goal, place.training, place.middle, place.bar, place.pace, *(rect for _, rect in place.buttons)]
    assert not any(a.colliderect(b) for k, a in enumerate(rects) for b in rects[:k])
    assert all(place.middle.contains(clip) for clip in place.clips)
