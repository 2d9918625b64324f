"""Colours, letters, keys and frames of clips: what the parts of the window are drawn from."""

import importlib.util
from functools import lru_cache
from pathlib import Path

import pygame

from prefrl.data.text import plain
from prefrl.data.verdict import Level
from prefrl.labelling.messages import ENDED
from prefrl.rendering.camera import Frame

Colour = tuple[int, int, int]
INK, DIM, FAINT = (233, 236, 242), (156, 163, 178), (88, 95, 110)
GROUND, PANEL, EDGE, LIT = (17, 19, 24), (30, 33, 41), (52, 57, 69), (44, 49, 61)
ACCENT, NOTICE = (118, 173, 255), (250, 200, 92)

SMALLEST = 9
"""Pixels of the smallest letters; none become smaller than two thirds of what they should be either."""

LONGEST = 2000
"""Letters of a text of others that are looked at; no window shows more."""

SMOOTH = 1000
"""Side in pixels of the largest picture that is scaled smoothly."""

LEVELS: dict[Level, Colour] = {
    "good": (126, 217, 140),
    "doubtful": NOTICE,
    "bad": (255, 138, 128),
    "unknown": DIM,
}


class Pixels:
    """Lengths of the `BASE` window in pixels of this one."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, length: float) -> int:
        return max(1, round(length * self.scale))


@lru_cache(maxsize=64)
def font(pixels: int, bold: bool = False) -> pygame.font.Font:
    """DejaVu Sans as matplotlib brings it along, since pygame's own font is bold and lacks arrows."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, "mpl-data", "fonts", "ttf", f"DejaVuSans{'-Bold' if bold else ''}.ttf")
        if file.is_file():
            return pygame.font.Font(str(file), pixels)
    return pygame.font.Font(None, pixels)


@lru_cache(maxsize=512)
def text(words: str, pixels: int, colour: Colour = INK, bold: bool = False) -> pygame.Surface:
    """`words` in one line; what is no letter, and pygame would stumble over, is written out."""
    return font(pixels, bold).render(plain(words), True, colour)


def wide(words: str, pixels: int, bold: bool = False) -> int:
    """Width of `words` in one line."""
    return font(pixels, bold).size(plain(words))[0]


def fitted(words: str, pixels: int, width: int, colour: Colour = INK, bold: bool = False) -> pygame.Surface:
    """`words` in one line of at most `width`: smaller if need be, and cut if they would be too small."""
    words, smallest = plain(words[:LONGEST]), max(SMALLEST, pixels * 2 // 3)
    while wide(words, pixels, bold) > width and pixels > smallest:
        pixels -= 1
    while wide(words, pixels, bold) > width and len(words) > 2:
        keep = min(len(words) - 2, max(1, len(words) * width // max(1, wide(words, pixels, bold))))
        words = words[:keep].rstrip() + "…"
    return text(words, pixels, colour, bold)


def wrapped(words: str, pixels: int, width: int, bold: bool = False) -> list[str]:
    """`words` in lines of at most `width`; a word that is longer than a line is broken."""
    lines = [""]
    for word in words[:LONGEST].split():
        longer = f"{lines[-1]} {word}".strip()
        if wide(longer, pixels, bold) <= width:
            lines[-1] = longer
            continue
        lines.append(word)
        while wide(lines[-1], pixels, bold) > width and len(lines[-1]) > 1:
            fits = max(1, len(lines[-1]) * width // wide(lines[-1], pixels, bold) - 1)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return [line for line in lines if line] or [""]


def draw_cap(key: str, pixels: int, px: Pixels, colour: Colour = INK) -> pygame.Surface:
    """A picture of a key."""
    letter = text(key, pixels, colour)
    box = pygame.Rect(0, 0, max(letter.get_width() + px(12), round(pixels * 1.7)), round(pixels * 1.6))
    cap = pygame.Surface(box.size, pygame.SRCALPHA)
    pygame.draw.rect(cap, FAINT, box, border_radius=px(5))
    top = pygame.Rect(box.left, box.top, box.width, box.height - px(2))
    pygame.draw.rect(cap, (64, 70, 85), top, border_radius=px(5))
    cap.blit(letter, letter.get_rect(center=top.center))
    return cap


def draw_clip(screen: pygame.Surface, frame: Frame, rect: pygame.Rect, scale: float, ended: bool) -> None:
    """One frame (H, W, 3) in `rect`, greyed if the episode is over by then."""
    height, width = frame.shape[:2]
    picture = pygame.image.frombuffer(frame.data, (width, height), "RGB")
    picture = enlarged(picture, rect.size)
    if ended:
        picture.fill((120, 120, 120), special_flags=pygame.BLEND_RGB_MULT)
        picture.fill((30, 30, 30), special_flags=pygame.BLEND_RGB_ADD)
        px = Pixels(scale)
        words = text(ENDED, px(26), INK, bold=True)
        box = words.get_rect(midtop=(rect.width // 2, px(24))).inflate(px(36), px(18))
        pygame.draw.rect(picture, GROUND, box, border_radius=px(10))
        picture.blit(words, words.get_rect(center=box.center))
    screen.blit(picture, rect)


def enlarged(picture: pygame.Surface, size: tuple[int, int]) -> pygame.Surface:
    """`picture` at another size, smoothly. Beyond `SMOOTH` that takes too long: a smaller one is doubled."""
    if max(size) <= SMOOTH:
        return pygame.transform.smoothscale(picture, size)
    half = pygame.transform.smoothscale(picture, (max(1, size[0] // 2), max(1, size[1] // 2)))
    return pygame.transform.scale(half, size)
