"""Colours, letters, keys and frames of clips: what the parts of the window are drawn from."""

import importlib.util
from functools import lru_cache
from pathlib import Path

import pygame

from prefrl.labelling.messages import ENDED
from prefrl.rendering.camera import Frame

Colour = tuple[int, int, int]
INK, DIM, FAINT = (233, 236, 242), (156, 163, 178), (88, 95, 110)
GROUND, PANEL, EDGE, LIT = (17, 19, 24), (30, 33, 41), (52, 57, 69), (44, 49, 61)
ACCENT, NOTICE = (118, 173, 255), (250, 200, 92)


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
    """`words` in one line."""
    return font(pixels, bold).render(words, True, colour)


def fitted(words: str, pixels: int, width: int, colour: Colour = INK, bold: bool = False) -> pygame.Surface:
    """`words` in one line of at most `width`: smaller if need be, and cut if they would be too small."""
    while text(words, pixels, colour, bold).get_width() > width and pixels > 9:
        pixels -= 1
    while text(words, pixels, colour, bold).get_width() > width and len(words) > 2:
        words = words[:-2].rstrip() + "…"
    return text(words, pixels, colour, bold)


def wrapped(words: str, pixels: int, width: int) -> list[str]:
    """`words` in lines of at most `width`."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font(pixels).size(longer)[0] > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


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
    large = rect.width > 2.5 * width  # there a smooth picture takes too long, and large pixels are no worse
    picture = (pygame.transform.scale if large else pygame.transform.smoothscale)(picture, rect.size)
    if ended:
        picture.fill((120, 120, 120), special_flags=pygame.BLEND_RGB_MULT)
        picture.fill((30, 30, 30), special_flags=pygame.BLEND_RGB_ADD)
        px = Pixels(scale)
        words = text(ENDED, px(26), INK, bold=True)
        box = words.get_rect(midtop=(rect.width // 2, px(24))).inflate(px(36), px(18))
        pygame.draw.rect(picture, GROUND, box, border_radius=px(10))
        picture.blit(words, words.get_rect(center=box.center))
    screen.blit(picture, rect)
