"""Draw the window: still things when they change, clips at every frame."""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pygame

from prefrl.labelling.session import Showing
from prefrl.labelling.window.layout import HELP, Layout
from prefrl.rendering.camera import Frame

Colour = tuple[int, int, int]
INK, DIM, FAINT = (233, 236, 242), (156, 163, 178), (88, 95, 110)
GROUND, PANEL, EDGE, LIT = (17, 19, 24), (30, 33, 41), (52, 57, 69), (44, 49, 61)
ACCENT, NOTICE = (118, 173, 255), (250, 200, 92)


@dataclass(frozen=True)
class Scene:
    """What is to be seen, but for the pictures of the clips."""

    size: tuple[int, int]
    aspect: float = 1.0

    showing: Showing | None = None
    """The query whose clips are there."""

    goal: str = ""
    training: tuple[str, ...] = ()
    pace: str = ""

    progress: float = 0.0
    """Share of the answers asked for that is given."""

    lit: frozenset[str] = frozenset()
    """Actions whose buttons are shown as switched on, or as pointed at."""

    dim: frozenset[str] = frozenset()
    """Actions that can do nothing just now."""

    stage: tuple[str, ...] = ()
    """Lines to show where the clips would be; none if the clips are there."""

    waiting: float | None = None
    """Share of the clips that is drawn, while they are being drawn."""

    note: str | None = None
    """A line across the clips, for the moment."""

    note_kind: Literal["news", "warning"] = "news"
    page: tuple[str, ...] | None = None
    """Lines of a page over everything, its heading first; "help" has a page of its own."""

    paused: bool = False


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


def draw_still(screen: pygame.Surface, scene: Scene, place: Layout) -> None:
    """All but the clips and what lies over them."""
    screen.fill(GROUND)
    px = _Pixels(place.scale)
    _goal(screen, scene.goal, place.goal, px)
    for index, line in enumerate(scene.training):
        surface = fitted(line, px(15), place.training.width, INK if index == 0 else DIM)
        screen.blit(surface, surface.get_rect(topright=(place.training.right, place.training.top + index * px(23))))
    for button, rect in place.buttons:
        label = "Play" if button.action == "pause" and scene.paused else button.label
        colour = FAINT if button.action in scene.dim else INK
        _button(screen, rect, button.key, label, px, colour, lit=button.action in scene.lit)
    _pace(screen, scene, place, px)
    if scene.stage:
        _stage(screen, scene, place, px)
    else:
        for clip in place.clips:
            pygame.draw.rect(screen, PANEL, clip.inflate(px(8), px(8)), border_radius=px(8))


def draw_clip(screen: pygame.Surface, frame: Frame, rect: pygame.Rect, scale: float, ended: bool) -> None:
    """One frame (H, W, 3) in `rect`, greyed if the episode is over by then."""
    height, width = frame.shape[:2]
    picture = pygame.image.frombuffer(frame.data, (width, height), "RGB")
    large = rect.width > 2.5 * width  # there a smooth picture takes too long, and large pixels are no worse
    picture = (pygame.transform.scale if large else pygame.transform.smoothscale)(picture, rect.size)
    if ended:
        picture.fill((120, 120, 120), special_flags=pygame.BLEND_RGB_MULT)
        picture.fill((30, 30, 30), special_flags=pygame.BLEND_RGB_ADD)
        px = _Pixels(scale)
        words = text("ended", px(26), INK, bold=True)
        box = words.get_rect(midtop=(rect.width // 2, px(24))).inflate(px(36), px(18))
        pygame.draw.rect(picture, GROUND, box, border_radius=px(10))
        picture.blit(words, words.get_rect(center=box.center))
    screen.blit(picture, rect)


def draw_bar(screen: pygame.Surface, place: Layout, share: float) -> None:
    """The bar of time at `share`."""
    px = _Pixels(place.scale)
    screen.fill(GROUND, place.bar.inflate(px(16), 0))
    line = pygame.Rect(place.bar.left, 0, place.bar.width, px(4))
    line.centery = place.bar.centery
    pygame.draw.rect(screen, EDGE, line, border_radius=px(2))
    done = line.copy()
    done.width = max(line.height, round(line.width * share))
    pygame.draw.rect(screen, ACCENT, done, border_radius=px(2))
    pygame.draw.circle(screen, INK, (done.right, line.centery), px(6))


def draw_over(screen: pygame.Surface, scene: Scene, place: Layout) -> None:
    """What lies over the clips: the note and the page."""
    px = _Pixels(place.scale)
    if scene.note and scene.page is None:
        colour = NOTICE if scene.note_kind == "warning" else ACCENT
        words = fitted(scene.note, px(18), place.stage.width - px(48), colour, bold=True)
        box = words.get_rect(midbottom=(place.stage.centerx, place.stage.bottom - px(26))).inflate(px(40), px(24))
        pygame.draw.rect(screen, GROUND, box, border_radius=px(12))
        pygame.draw.rect(screen, colour, box, width=px(2), border_radius=px(12))
        screen.blit(words, words.get_rect(center=box.center))
    if scene.page is not None:
        _page(screen, scene.page, px)


class _Pixels:
    """Lengths of the `BASE` window in pixels of this one."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, length: float) -> int:
        return max(1, round(length * self.scale))


def _goal(screen: pygame.Surface, goal: str, rect: pygame.Rect, px: _Pixels) -> None:
    """In one large line, or else in two smaller ones."""
    lines = (
        [goal] if font(px(25), True).size(goal)[0] <= rect.width else wrapped(goal, px(18), round(rect.width * 0.88))
    )
    size = px(25 if len(lines) == 1 else 18)
    lines = [*lines[:1], " ".join(lines[1:])] if len(lines) > 1 else lines
    for index, line in enumerate(lines):
        words = fitted(line, size, rect.width, INK, bold=True)
        y = rect.centery + round((index - (len(lines) - 1) / 2) * size * 1.4)
        screen.blit(words, words.get_rect(midleft=(rect.left, y)))


def _button(
    screen: pygame.Surface, rect: pygame.Rect, key: str, label: str, px: _Pixels, colour: Colour, *, lit: bool
) -> None:
    large = rect.height > px(40)
    pygame.draw.rect(screen, LIT if lit else PANEL, rect, border_radius=px(8))
    pygame.draw.rect(screen, ACCENT if lit else EDGE, rect, width=px(1.5), border_radius=px(8))
    size = px(17 if large else 13)
    name = text(label, size, colour, bold=large)
    cap = _cap(key, px(17 if large else 12), px, colour)
    space = px(12 if large else 7)
    width = cap.get_width() + space + name.get_width()
    if width > rect.width - px(8):
        name = fitted(label, size, rect.width - px(8) - cap.get_width() - space, colour, bold=large)
        width = cap.get_width() + space + name.get_width()
    left = rect.centerx - width // 2
    screen.blit(cap, cap.get_rect(midleft=(left, rect.centery)))
    screen.blit(name, name.get_rect(midleft=(left + cap.get_width() + space, rect.centery)))


def _cap(key: str, pixels: int, px: _Pixels, colour: Colour = INK) -> pygame.Surface:
    """A picture of a key."""
    letter = text(key, pixels, colour)
    box = pygame.Rect(0, 0, max(letter.get_width() + px(12), round(pixels * 1.7)), round(pixels * 1.6))
    cap = pygame.Surface(box.size, pygame.SRCALPHA)
    pygame.draw.rect(cap, FAINT, box, border_radius=px(5))
    top = pygame.Rect(box.left, box.top, box.width, box.height - px(2))
    pygame.draw.rect(cap, (64, 70, 85), top, border_radius=px(5))
    cap.blit(letter, letter.get_rect(center=top.center))
    return cap


def _pace(screen: pygame.Surface, scene: Scene, place: Layout, px: _Pixels) -> None:
    words = text(scene.pace, px(15), DIM)
    screen.blit(words, words.get_rect(midleft=place.pace.midleft))
    line = pygame.Rect(0, 0, max(px(60), place.pace.width - words.get_width() - px(24)), px(6))
    line.midright = place.pace.midright
    pygame.draw.rect(screen, EDGE, line, border_radius=px(3))
    if scene.progress > 0:
        done = line.copy()
        done.width = max(px(6), round(line.width * min(1.0, scene.progress)))
        pygame.draw.rect(screen, ACCENT, done, border_radius=px(3))


def _stage(screen: pygame.Surface, scene: Scene, place: Layout, px: _Pixels) -> None:
    pygame.draw.rect(screen, PANEL, place.stage, border_radius=px(12))
    heading, *rest = scene.stage
    width = place.stage.width - px(120)
    lines = [line for paragraph in rest for line in wrapped(paragraph, px(17), width)]
    y = place.stage.centery - (px(44) + len(lines) * px(28)) // 2
    title = fitted(heading, px(26), width, INK, bold=True)
    screen.blit(title, title.get_rect(midtop=(place.stage.centerx, y)))
    for index, line in enumerate(lines):
        words = text(line, px(17), DIM)
        screen.blit(words, words.get_rect(midtop=(place.stage.centerx, y + px(48) + index * px(28))))
    if scene.waiting is not None:
        track = pygame.Rect(0, 0, px(240), px(6))
        track.center = place.stage.centerx, y + px(64) + len(lines) * px(28)
        pygame.draw.rect(screen, EDGE, track, border_radius=px(3))
        done = pygame.Rect(track.topleft, (round(track.width * scene.waiting), track.height))
        pygame.draw.rect(screen, ACCENT, done, border_radius=px(3))


def _page(screen: pygame.Surface, page: tuple[str, ...], px: _Pixels) -> None:
    veil = pygame.Surface(screen.get_size(), pygame.SRCALPHA)
    veil.fill((*GROUND, 205))
    screen.blit(veil, (0, 0))
    heading, *lines = page
    is_help = heading == "help"
    rows = len(HELP) if is_help else len(lines)
    box = pygame.Rect(0, 0, min(px(820), screen.get_width() - px(40)), px(130) + rows * px(36))
    box.center = screen.get_rect().center
    pygame.draw.rect(screen, PANEL, box, border_radius=px(14))
    pygame.draw.rect(screen, EDGE, box, width=px(1.5), border_radius=px(14))
    title = text("Keys" if is_help else heading, px(25), INK, bold=True)
    screen.blit(title, (box.left + px(40), box.top + px(28)))
    for index in range(rows):
        y = box.top + px(96) + index * px(36)
        if is_help:
            keys, meaning = HELP[index]
            x = box.left + px(40)
            for key in keys.split():
                cap = _cap(key, px(15), px)
                screen.blit(cap, cap.get_rect(midleft=(x, y)))
                x += cap.get_width() + px(6)
            words = fitted(meaning, px(17), box.right - box.left - px(250), DIM)
            screen.blit(words, words.get_rect(midleft=(box.left + px(210), y)))
        else:
            words = fitted(lines[index], px(18), box.width - px(80), INK if index < rows - 1 else DIM)
            screen.blit(words, words.get_rect(midleft=(box.left + px(40), y)))
