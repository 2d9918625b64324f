"""Where things are, in windows of several sizes."""

import pygame
import pytest

from prefrl.labelling.window.layout import Plan, clip_size, layout


@pytest.mark.parametrize("size", [(480, 320), (1280, 720), (3840, 2160)])
def test_every_button_is_in_the_window_and_can_be_hit(size: tuple[int, int]) -> None:
    place = layout(Plan(size, "comparison", 1.5))
    assert all(pygame.Rect((0, 0), size).contains(rect) for _, rect in place.buttons)
    assert [place.button_at(rect.center) for _, rect in place.buttons] == [b.action for b, _ in place.buttons]
    assert [place.clip_at(rect.center) for rect in place.clips] == [0, 1]
    assert (place.button_at((0, 0)), place.clip_at((0, 0))) == (None, None)


PLANS = {
    "a question": {"kind": "comparison"},
    "a wide question": {"kind": "comparison", "aspect": 3.0},
    "a question, and nobody trains": {"kind": "comparison", "banner": True},
    "the agent": {"kind": "comparison", "pictures": 1},
    "before the first question": {},
    "the end": {"pictures": 2, "is_end": True, "lines": 4},
    "the end without pictures": {"is_end": True, "lines": 4},
}


@pytest.mark.parametrize("size", [(480, 320), (1280, 720), (700, 1400), (3840, 2160)])
@pytest.mark.parametrize("name", PLANS)
def test_nothing_lies_over_anything_else(name: str, size: tuple[int, int]) -> None:
    plan = Plan(size, **PLANS[name])
    place = layout(plan)
    middle = [*place.pictures, place.words] if plan.pictures else [*place.clips, place.bar]
    rects = [place.heading, place.goal, place.status, place.progress, *middle, *(rect for _, rect in place.buttons)]
    rects += [place.banner] if plan.banner else []
    assert not any(a.colliderect(b) for k, a in enumerate(rects) for b in rects[:k])
    assert all(pygame.Rect((0, 0), size).contains(rect) for rect in rects if rect.size != (0, 0))
    assert all(place.middle.contains(rect) for rect in middle if rect.size != (0, 0))


@pytest.mark.parametrize("size", [(1280, 720), (3840, 2160)])
def test_square_clips_fill_two_thirds_of_the_window(size: tuple[int, int]) -> None:
    clips = layout(Plan(size, "comparison")).clips
    assert sum(clip.width * clip.height for clip in clips) > 0.65 * size[0] * size[1]


def test_clips_are_drawn_as_large_as_they_are_shown_within_bounds() -> None:
    assert [clip_size(size) for size in ((480, 320), (800, 600), (1280, 720), (3840, 2160))] == [256, 384, 512, 512]


def test_before_the_first_question_and_at_the_end_no_button_answers_one() -> None:
    first, last = layout(Plan((1280, 720))), layout(Plan((1280, 720), is_end=True))
    assert {button.action for button, _ in first.buttons}.isdisjoint({"left", "tie", "skip", "right"})
    assert [button.action for button, _ in last.buttons] == ["full screen", "help", "leave"]
