"""Where everything is in the window."""

import math
from dataclasses import dataclass

import pygame

from prefrl.labelling.actions import CONTROLS, OFFERS, Button
from prefrl.labelling.window.paint import Pixels
from prefrl.labelling.window.views import VIEWS, side_by_side

BASE = 1280, 720
"""The window that lengths are stated for; a larger one shows the same, larger."""

SMALLEST = 480, 320
"""A smaller window shows the upper left part of this one."""

DRAWN = 256, 512
"""Sides in pixels between which clips are drawn."""

LAST_CONTROLS = ("full screen", "help", "leave")
"""All that can be done once nothing will be asked any more."""


@dataclass(frozen=True)
class Plan:
    """What there is to find a place for."""

    size: tuple[int, int]
    """Of the window, in pixels."""

    kind: str | None = None
    """Of the question on the screen, or of the last one; None before the first."""

    aspect: float = 1.0
    """Width of a clip or picture over its height."""

    pictures: int = 0
    """How many pictures of the agent are shown where no question is; there may be none."""

    lines: int = 0
    """How many lines are said under them at the end, besides the verdict."""

    banner: bool = False
    is_end: bool = False


@dataclass(frozen=True)
class Layout:
    """Rectangles in pixels."""

    scale: float
    """Pixels for one pixel of a window of the `BASE` size."""

    heading: pygame.Rect
    goal: pygame.Rect
    status: pygame.Rect
    """How far labelling and training are, in two lines."""

    banner: pygame.Rect
    middle: pygame.Rect
    """Where the clips are, or what is said in their place."""

    clips: tuple[pygame.Rect, ...]
    """One for each, in the order of the screen."""

    bar: pygame.Rect
    """The bar of time; easier to hit than it looks."""

    pictures: tuple[pygame.Rect, ...]
    words: pygame.Rect
    """What is said under the pictures, or in their place."""

    buttons: tuple[tuple[Button, pygame.Rect], ...]
    progress: pygame.Rect

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The action of the button at `point`."""
        return next((button.action for button, rect in self.buttons if rect.collidepoint(point)), None)

    def clip_at(self, point: tuple[int, int]) -> int | None:
        """Which clip is at `point`."""
        return next((place for place, rect in enumerate(self.clips) if rect.collidepoint(point)), None)


def layout(plan: Plan) -> Layout:
    """The places in a window: clips take all the height that the lines above and below them leave."""
    width, height = (max(sides) for sides in zip(plan.size, SMALLEST, strict=True))
    px = Pixels(min(width / BASE[0], height / BASE[1]))
    margin = px(20)
    inner = width - 2 * margin
    status = pygame.Rect(margin + inner - inner * 46 // 100, px(10), inner * 46 // 100, px(46))
    left = inner - status.width - px(20)
    controls = pygame.Rect(margin, height - px(38), inner, px(26))
    answers = pygame.Rect(0, controls.top - px(46), min(inner, px(1000)), px(38))
    answers.centerx = width // 2
    banner = pygame.Rect(margin, px(62), inner, px(34))
    top = banner.bottom + px(6) if plan.banner else banner.top
    bottom = controls.top - px(10) if plan.is_end else answers.top - px(4)
    middle = pygame.Rect(margin, top, inner, bottom - top)
    clips = _clips(plan, middle, px)
    pictures, words = _pictures(plan, middle, px)
    return Layout(
        px.scale,
        heading=pygame.Rect(margin, px(8), left, px(28)),
        goal=pygame.Rect(margin, px(36), left, px(22)),
        status=status,
        banner=banner,
        middle=middle,
        clips=clips,
        bar=_bar(clips, middle, px),
        pictures=pictures,
        words=words,
        buttons=_buttons(plan, answers, controls, px),
        progress=pygame.Rect(0, height - px(4), width, px(4)),
    )


def _clips(plan: Plan, middle: pygame.Rect, px: Pixels) -> tuple[pygame.Rect, ...]:
    """As large as the middle lets them, over the bar of time."""
    if plan.kind is None:
        return ()
    area = pygame.Rect(middle.left, middle.top, middle.width, middle.height - px(18))
    return VIEWS[plan.kind].places(area, px(12), plan.aspect)


def _bar(clips: tuple[pygame.Rect, ...], middle: pygame.Rect, px: Pixels) -> pygame.Rect:
    """Right under the clips, as wide as they are together."""
    if not clips:
        return pygame.Rect(middle.bottomleft, (0, 0))
    left = clips[0].left + px(8)
    return pygame.Rect(left, max(clip.bottom for clip in clips) + px(4), clips[-1].right - px(8) - left, px(14))


def _pictures(plan: Plan, middle: pygame.Rect, px: Pixels) -> tuple[tuple[pygame.Rect, ...], pygame.Rect]:
    """Pictures in the upper part, words in the lower one; where there are none, words have all of it."""
    if not plan.pictures:
        return (), middle
    lower, title = (px(66) + plan.lines * px(24), px(26)) if plan.is_end else (px(84), 0)
    words = pygame.Rect(middle.left, middle.bottom - lower, middle.width, lower)
    area = pygame.Rect(middle.left, middle.top + title, middle.width, middle.height - lower - title - px(8))
    return side_by_side(plan.pictures, area, px(16), plan.aspect), words


def _buttons(
    plan: Plan, answers: pygame.Rect, controls: pygame.Rect, px: Pixels
) -> tuple[tuple[Button, pygame.Rect], ...]:
    if plan.is_end:
        row = pygame.Rect(0, controls.top, px(420), controls.height)
        row.centerx = controls.centerx
        return _spread(tuple(button for button in CONTROLS if button.action in LAST_CONTROLS), row, px(8))
    offered = OFFERS[plan.kind].answers if plan.kind is not None else ()
    return _spread(offered, answers, px(12)) + _spread(CONTROLS, controls, px(8))


def _spread(buttons: tuple[Button, ...], row: pygame.Rect, gap: int) -> tuple[tuple[Button, pygame.Rect], ...]:
    """The buttons side by side, as wide as they want to be beside each other."""
    if not buttons:
        return ()
    unit = (row.width - gap * (len(buttons) - 1)) / sum(button.width for button in buttons)
    placed, x = [], float(row.left)
    for button in buttons:
        placed.append((button, pygame.Rect(round(x), row.top, round(button.width * unit), row.height)))
        x += button.width * unit + gap
    return tuple(placed)


def clip_size(window: tuple[int, int]) -> int:
    """Side in pixels at which clips are drawn for a window of that size: as large as they are shown, within bounds.

    Small clips are drawn large enough to be judged; drawing larger ones takes longer than a larger picture is worth.
    """
    shown = layout(Plan(window, next(iter(OFFERS)))).clips
    side = max((clip.height for clip in shown), default=DRAWN[0])
    return min(DRAWN[1], max(DRAWN[0], 16 * math.ceil(side / 16)))
