"""Draw the window: still things when they change, what lies over the clips at every frame."""

import pygame

from prefrl.labelling.actions import label
from prefrl.labelling.window.layout import Layout
from prefrl.labelling.window.paint import (
    ACCENT,
    DIM,
    EDGE,
    FAINT,
    GROUND,
    INK,
    LIT,
    NOTICE,
    PANEL,
    Colour,
    Pixels,
    draw_cap,
    fitted,
    font,
    text,
    wrapped,
)
from prefrl.labelling.window.scene import Page, Scene


def draw_still(screen: pygame.Surface, scene: Scene, place: Layout) -> None:
    """Everything except the clips and what lies over them."""
    screen.fill(GROUND)
    px = Pixels(place.scale)
    _goal(screen, scene.goal, place.goal, px)
    for index, line in enumerate(scene.training):
        surface = fitted(line, px(15), place.training.width, INK if index == 0 else DIM)
        screen.blit(surface, surface.get_rect(topright=(place.training.right, place.training.top + index * px(23))))
    for button, rect in place.buttons:
        colour = FAINT if button.action in scene.dim else INK
        lit = button.action in scene.lit
        _button(screen, rect, button.key, label(button, paused=scene.paused), px, colour, lit=lit)
    _pace(screen, scene, place, px)
    if scene.no_clips:
        _no_clips(screen, scene, place, px)
    else:
        for clip in place.clips:
            pygame.draw.rect(screen, PANEL, clip.inflate(px(8), px(8)), border_radius=px(8))


def draw_bar(screen: pygame.Surface, place: Layout, share: float) -> None:
    """The bar of time at `share`."""
    px = Pixels(place.scale)
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
    px = Pixels(place.scale)
    if scene.note and scene.page is None:
        colour = NOTICE if scene.note_kind == "warning" else ACCENT
        words = fitted(scene.note, px(18), place.middle.width - px(48), colour, bold=True)
        box = words.get_rect(midbottom=(place.middle.centerx, place.middle.bottom - px(26))).inflate(px(40), px(24))
        pygame.draw.rect(screen, GROUND, box, border_radius=px(12))
        pygame.draw.rect(screen, colour, box, width=px(2), border_radius=px(12))
        screen.blit(words, words.get_rect(center=box.center))
    if scene.page is not None:
        _page(screen, scene.page, px)


def _goal(screen: pygame.Surface, goal: str, rect: pygame.Rect, px: Pixels) -> None:
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
    screen: pygame.Surface, rect: pygame.Rect, key: str, label: str, px: Pixels, colour: Colour, *, lit: bool
) -> None:
    large = rect.height > px(40)
    pygame.draw.rect(screen, LIT if lit else PANEL, rect, border_radius=px(8))
    pygame.draw.rect(screen, ACCENT if lit else EDGE, rect, width=px(1.5), border_radius=px(8))
    size = px(17 if large else 13)
    name = text(label, size, colour, bold=large)
    cap = draw_cap(key, px(17 if large else 12), px, colour)
    space = px(12 if large else 7)
    width = cap.get_width() + space + name.get_width()
    if width > rect.width - px(8):
        name = fitted(label, size, rect.width - px(8) - cap.get_width() - space, colour, bold=large)
        width = cap.get_width() + space + name.get_width()
    left = rect.centerx - width // 2
    screen.blit(cap, cap.get_rect(midleft=(left, rect.centery)))
    screen.blit(name, name.get_rect(midleft=(left + cap.get_width() + space, rect.centery)))


def _pace(screen: pygame.Surface, scene: Scene, place: Layout, px: Pixels) -> None:
    words = text(scene.pace, px(15), DIM)
    screen.blit(words, words.get_rect(midleft=place.pace.midleft))
    line = pygame.Rect(0, 0, max(px(60), place.pace.width - words.get_width() - px(24)), px(6))
    line.midright = place.pace.midright
    pygame.draw.rect(screen, EDGE, line, border_radius=px(3))
    if scene.progress > 0:
        done = line.copy()
        done.width = max(px(6), round(line.width * min(1.0, scene.progress)))
        pygame.draw.rect(screen, ACCENT, done, border_radius=px(3))


def _no_clips(screen: pygame.Surface, scene: Scene, place: Layout, px: Pixels) -> None:
    pygame.draw.rect(screen, PANEL, place.middle, border_radius=px(12))
    heading, *rest = scene.no_clips
    width = place.middle.width - px(120)
    lines = [line for paragraph in rest for line in wrapped(paragraph, px(17), width)]
    y = place.middle.centery - (px(44) + len(lines) * px(28)) // 2
    title = fitted(heading, px(26), width, INK, bold=True)
    screen.blit(title, title.get_rect(midtop=(place.middle.centerx, y)))
    for index, line in enumerate(lines):
        words = text(line, px(17), DIM)
        screen.blit(words, words.get_rect(midtop=(place.middle.centerx, y + px(48) + index * px(28))))
    if scene.drawn is not None:
        track = pygame.Rect(0, 0, px(240), px(6))
        track.center = place.middle.centerx, y + px(64) + len(lines) * px(28)
        pygame.draw.rect(screen, EDGE, track, border_radius=px(3))
        done = pygame.Rect(track.topleft, (round(track.width * scene.drawn), track.height))
        pygame.draw.rect(screen, ACCENT, done, border_radius=px(3))


def _page(screen: pygame.Surface, page: Page, px: Pixels) -> None:
    veil = pygame.Surface(screen.get_size(), pygame.SRCALPHA)
    veil.fill((*GROUND, 205))
    screen.blit(veil, (0, 0))
    rows = len(page.keys or page.lines)
    box = pygame.Rect(0, 0, min(px(820), screen.get_width() - px(40)), px(130) + rows * px(36))
    box.center = screen.get_rect().center
    pygame.draw.rect(screen, PANEL, box, border_radius=px(14))
    pygame.draw.rect(screen, EDGE, box, width=px(1.5), border_radius=px(14))
    title = text(page.heading, px(25), INK, bold=True)
    screen.blit(title, (box.left + px(40), box.top + px(28)))
    left, top = box.left + px(40), box.top + px(96)
    for index, (keys, meaning) in enumerate(page.keys):
        y = top + index * px(36)
        x = left
        for key in keys.split():
            cap = draw_cap(key, px(15), px)
            screen.blit(cap, cap.get_rect(midleft=(x, y)))
            x += cap.get_width() + px(6)
        words = fitted(meaning, px(17), box.right - box.left - px(250), DIM)
        screen.blit(words, words.get_rect(midleft=(box.left + px(210), y)))
    for index, line in enumerate(page.lines):
        words = fitted(line, px(18), box.width - px(80), INK if index < rows - 1 else DIM)
        screen.blit(words, words.get_rect(midleft=(left, top + index * px(36))))
