"""Where everything is in the window."""

from dataclasses import dataclass

import pygame

from prefrl.labelling.actions import CONTROLS, OFFERS, Button
from prefrl.labelling.window.views import VIEWS

BASE = 1280, 720
"""The window that lengths are stated for; a larger one shows the same, larger."""


@dataclass(frozen=True)
class Layout:
    """Rectangles in pixels."""

    scale: float
    """Pixels for one pixel of a window of the `BASE` size."""

    goal: pygame.Rect
    training: pygame.Rect
    middle: pygame.Rect
    """Where the clips are, or what is said in their place."""

    clips: tuple[pygame.Rect, ...]
    """One for each, in the order of the screen."""

    bar: pygame.Rect
    """The bar of time; easier to hit than it looks."""

    buttons: tuple[tuple[Button, pygame.Rect], ...]
    pace: pygame.Rect

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The action of the button at `point`."""
        return next((button.action for button, rect in self.buttons if rect.collidepoint(point)), None)

    def clip_at(self, point: tuple[int, int]) -> int | None:
        """Which clip is at `point`."""
        return next((place for place, rect in enumerate(self.clips) if rect.collidepoint(point)), None)


def layout(size: tuple[int, int], aspect: float = 1.0, kind: str = "comparison") -> Layout:
    """The layout of a window of `size` for that kind of question; the clips' width is `aspect` times their height."""
    width, height = size
    scale = min(width / BASE[0], height / BASE[1])

    def px(length: float) -> int:
        return max(1, round(length * scale))

    margin = px(28)
    inner = width - 2 * margin
    middle = pygame.Rect(margin, px(84), inner, height - px(84) - px(196))
    clips = VIEWS[kind].places(middle, px(20), aspect)
    left, right, below = clips[0].left, clips[-1].right, middle.bottom + px(10)
    answers = pygame.Rect(0, 0, min(inner, max(right - left, px(860))), px(50))
    answers.midtop = width // 2, below + px(26)
    controls = pygame.Rect(margin, answers.bottom + px(14), inner, px(32))
    return Layout(
        scale,
        goal=pygame.Rect(margin, px(18), inner - px(330), px(54)),
        training=pygame.Rect(width - margin - px(320), px(18), px(320), px(54)),
        middle=middle,
        clips=clips,
        bar=pygame.Rect(left, below, right - left, px(16)),
        buttons=_spread(OFFERS[kind].answers, answers, px(12)) + _spread(CONTROLS, controls, px(8)),
        pace=pygame.Rect(margin, controls.bottom + px(12), inner, px(26)),
    )


def _spread(buttons: tuple[Button, ...], row: pygame.Rect, gap: int) -> tuple[tuple[Button, pygame.Rect], ...]:
    """The buttons side by side, as wide as they want to be beside each other."""
    unit = (row.width - gap * (len(buttons) - 1)) / sum(button.width for button in buttons)
    placed, x = [], float(row.left)
    for button in buttons:
        placed.append((button, pygame.Rect(round(x), row.top, round(button.width * unit), row.height)))
        x += button.width * unit + gap
    return tuple(placed)
