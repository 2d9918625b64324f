"""Where everything is on the window, and which action each button and key stands for."""

from dataclasses import dataclass

import pygame

BASE = 1280, 720
"""The window that sizes are stated for; a larger one shows the same larger."""


@dataclass(frozen=True)
class Button:
    """A button, with the key that does the same."""

    action: str
    key: str
    label: str


ANSWERS = (
    Button("left", "←", "Left is better"),
    Button("tie", "↑", "Equally good"),
    Button("skip", "↓", "Can't tell"),
    Button("right", "→", "Right is better"),
)
SPEEDS = (
    Button("speed 0.25", "1", "¼x"),
    Button("speed 0.5", "2", "½x"),
    Button("speed 1", "3", "1x"),
    Button("speed 2", "4", "2x"),
)
CONTROLS = (
    Button("undo", "U", "Undo"),
    Button("pause", "Space", "Pause"),
    Button("back", ",", "- Frame"),
    Button("forward", ".", "+ Frame"),
    Button("restart", "R", "Restart"),
    *SPEEDS,
    Button("full screen", "F", "Full screen"),
    Button("help", "?", "Help"),
    Button("leave", "Esc", "Leave"),
)

HELP = (
    ("←  →", "the left, or the right clip is better; or click it"),
    ("↑", "equally good"),
    ("↓", "can't tell; the pair teaches nothing"),
    ("U  Ctrl-Z", "take back the last answer, also after a restart"),
    ("Space", "pause"),
    (",  .", "one frame back, or on"),
    ("R", "from the start; draw again what could not be drawn"),
    ("1  2  3  4", "speed ¼, ½, 1, 2; drag the bar to go anywhere"),
    ("F", "full screen"),
    ("Esc", "leave; every answer is stored already"),
)


@dataclass(frozen=True)
class Layout:
    """Rectangles in pixels."""

    scale: float
    """Pixels for one pixel of a window of the `BASE` size."""

    goal: pygame.Rect
    training: pygame.Rect
    stage: pygame.Rect
    """Where the clips are, or what is said in their place."""

    clips: tuple[pygame.Rect, pygame.Rect]
    bar: pygame.Rect
    """The bar of time; easier to hit than it looks."""

    buttons: tuple[tuple[Button, pygame.Rect], ...]
    pace: pygame.Rect

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The action of the button at `point`."""
        return next((button.action for button, rect in self.buttons if rect.collidepoint(point)), None)


def layout(size: tuple[int, int], aspect: float = 1.0) -> Layout:
    """The layout of a window of `size`, for clips whose width is `aspect` times their height."""
    width, height = size
    scale = min(width / BASE[0], height / BASE[1])

    def px(length: float) -> int:
        return max(1, round(length * scale))

    margin, gap = px(28), px(20)
    inner = width - 2 * margin
    stage = pygame.Rect(margin, px(84), inner, height - px(84) - px(196))
    clip_width = min((inner - gap) // 2, round(stage.height * aspect))
    clip_height = round(clip_width / aspect)
    top = stage.top + (stage.height - clip_height) // 2
    left = pygame.Rect(width // 2 - gap // 2 - clip_width, top, clip_width, clip_height)
    right = left.move(clip_width + gap, 0)
    below = stage.bottom + px(10)
    row = pygame.Rect(0, 0, min(inner, max(right.right - left.left, px(860))), px(50))
    row.midtop = width // 2, below + px(26)
    bar = pygame.Rect(left.left, below, right.right - left.left, px(16))
    small = pygame.Rect(margin, row.bottom + px(14), inner, px(32))
    buttons = _spread(ANSWERS, row, px(12), _ANSWER_SHARES) + _spread(CONTROLS, small, px(8), _CONTROL_SHARES)
    return Layout(
        scale,
        goal=pygame.Rect(margin, px(18), inner - px(330), px(54)),
        training=pygame.Rect(width - margin - px(320), px(18), px(320), px(54)),
        stage=stage,
        clips=(left, right),
        bar=bar,
        buttons=buttons,
        pace=pygame.Rect(margin, small.bottom + px(12), inner, px(26)),
    )


_ANSWER_SHARES = (1.25, 1.0, 1.0, 1.25)
_CONTROL_SHARES = (1.0, 1.3, 0.95, 0.95, 1.1, 0.75, 0.75, 0.75, 0.75, 1.3, 0.95, 1.1)


def _spread(
    buttons: tuple[Button, ...], row: pygame.Rect, gap: int, shares: tuple[float, ...]
) -> tuple[tuple[Button, pygame.Rect], ...]:
    """The buttons side by side, as wide as their `shares` of the row."""
    unit = (row.width - gap * (len(buttons) - 1)) / sum(shares)
    placed, x = [], float(row.left)
    for button, share in zip(buttons, shares, strict=True):
        placed.append((button, pygame.Rect(round(x), row.top, round(share * unit), row.height)))
        x += share * unit + gap
    return tuple(placed)
