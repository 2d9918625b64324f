"""What is to be seen where nothing is asked: the agent as it is now, or before and after, and words."""

import math

import pygame

from prefrl.labelling.reel import Reel
from prefrl.labelling.waiting import MARKS, Words
from prefrl.labelling.window.layout import Layout
from prefrl.labelling.window.paint import (
    ACCENT,
    DIM,
    EDGE,
    INK,
    LEVELS,
    PANEL,
    Pixels,
    draw_clip,
    fitted,
    text,
    wrapped,
)
from prefrl.labelling.window.scene import Scene


def draw_words(screen: pygame.Surface, scene: Scene, place: Layout) -> None:
    """All that is said in the middle, and a caption over each picture."""
    assert scene.words is not None
    px = Pixels(place.scale)
    for rect, caption in zip(place.pictures, scene.captions, strict=False):
        row = fitted(caption, px(15), rect.width, DIM, bold=True)
        screen.blit(row, row.get_rect(midbottom=(rect.centerx, rect.top - px(5))))
    if scene.verdict is not None:
        _end(screen, scene, place, px)
    else:
        _waiting(screen, scene.words, place, px)


def _waiting(screen: pygame.Surface, words: Words, place: Layout, px: Pixels) -> None:
    """Under the picture, or in the middle of a panel."""
    rect = place.words
    if not place.pictures:
        pygame.draw.rect(screen, PANEL, rect, border_radius=px(12))
    lines, y = _lines(words, place, px), _top(words, place, px)
    title = fitted(words.heading, px(24), rect.width - px(80), INK, bold=True)
    screen.blit(title, title.get_rect(midtop=(rect.centerx, y)))
    for index, line in enumerate(lines):
        row = text(line, px(16), DIM)
        screen.blit(row, row.get_rect(midtop=(rect.centerx, y + px(38) + index * px(25))))


def _lines(words: Words, place: Layout, px: Pixels) -> list[str]:
    return [row for line in words.lines for row in wrapped(line, px(16), place.words.width - px(80))]


def _top(words: Words, place: Layout, px: Pixels) -> int:
    """Where the words begin, in the middle of their place."""
    return place.words.centery - (px(34) + len(_lines(words, place, px)) * px(25)) // 2


def _end(screen: pygame.Surface, scene: Scene, place: Layout, px: Pixels) -> None:
    """The verdict, with its sign and its word, then what the session came to."""
    assert scene.verdict is not None
    assert scene.words is not None
    level, sentence = scene.verdict
    sign, word = MARKS[level]
    rect = place.words if place.pictures else place.words.inflate(0, -px(120))
    mark = text(f"{sign}  {word}", px(19), LEVELS[level], bold=True)
    rows = wrapped(sentence, px(18), rect.width - mark.get_width() - px(60))[:2]
    left = rect.centerx - (mark.get_width() + px(20) + max(text(row, px(18)).get_width() for row in rows)) // 2
    y = rect.top + px(14)
    screen.blit(mark, mark.get_rect(midleft=(left, y)))
    for index, row in enumerate(rows):
        line = text(row, px(18), INK)
        screen.blit(line, line.get_rect(midleft=(left + mark.get_width() + px(20), y + index * px(25))))
    y += len(rows) * px(25) + px(8)
    for index, said in enumerate(scene.words.lines):
        line = fitted(said, px(15), rect.width, DIM if index < len(scene.words.lines) - 1 else INK)
        screen.blit(line, line.get_rect(center=(rect.centerx, y + index * px(24))))


def draw_moving(screen: pygame.Surface, scene: Scene, place: Layout, reel: Reel, seconds: float) -> list[pygame.Rect]:
    """What moves: the pictures, and a bar that shows that work goes on. Where it was drawn.

    `seconds`: any clock.
    """
    for (frame, ended), rect in zip(reel.frames(), place.pictures, strict=False):
        draw_clip(screen, frame, rect, place.scale, ended)
    changed = list(place.pictures)
    if scene.moves:
        changed.append(_track(screen, scene, place, seconds))
    return changed


def _track(screen: pygame.Surface, scene: Scene, place: Layout, seconds: float) -> pygame.Rect:
    """A bar: how much is drawn, or something that goes to and fro where nobody knows."""
    assert scene.words is not None
    px = Pixels(place.scale)
    track = pygame.Rect(0, 0, px(260), px(6))
    under = px(56) + len(_lines(scene.words, place, px)) * px(25)
    track.midtop = place.words.centerx, _top(scene.words, place, px) + under
    pygame.draw.rect(screen, EDGE, track, border_radius=px(3))
    done = track.copy()
    if scene.drawn is not None:
        done.width = max(px(6), round(track.width * scene.drawn))
    else:
        done.width = track.width // 4
        done.left += round((track.width - done.width) * (1 - math.cos(2 * seconds)) / 2)
    pygame.draw.rect(screen, ACCENT, done, border_radius=px(3))
    return track
