"""Draw the window: still things when they change, what lies over the clips at every frame."""

import pygame

from prefrl.labelling.actions import label
from prefrl.labelling.waiting import Banner
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
    text,
    wrapped,
)
from prefrl.labelling.window.scene import Page, Scene
from prefrl.labelling.window.stage import draw_words


def draw_still(screen: pygame.Surface, scene: Scene, place: Layout) -> None:
    """Everything except the clips, other pictures, and what lies over them."""
    screen.fill(GROUND)
    px = Pixels(place.scale)
    _header(screen, scene, place, px)
    for button, rect in place.buttons:
        colour = FAINT if button.action in scene.dim else INK
        lit = button.action in scene.lit
        _button(screen, rect, button.key, label(button, paused=scene.paused), px, colour, lit=lit)
    _progress(screen, place.progress, scene.progress)
    if scene.banner is not None:
        _banner(screen, scene.banner, place.banner, px)
    if scene.words is not None:
        draw_words(screen, scene, place)
    for rect in place.pictures if scene.words is not None else place.clips:
        pygame.draw.rect(screen, PANEL, rect)


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
        box = words.get_rect(midbottom=(place.middle.centerx, place.middle.bottom - px(40))).inflate(px(40), px(24))
        pygame.draw.rect(screen, GROUND, box, border_radius=px(12))
        pygame.draw.rect(screen, colour, box, width=px(2), border_radius=px(12))
        screen.blit(words, words.get_rect(center=box.center))
    if scene.page is not None:
        _page(screen, scene.page, px)


def _header(screen: pygame.Surface, scene: Scene, place: Layout, px: Pixels) -> None:
    """What is asked, and what to judge by; how far labelling and training are, on the right."""
    at_top = scene.words is None or scene.verdict is not None  # else it stands in the middle
    lines = [(scene.heading, place.heading, 22, INK, True)] if at_top else []
    if scene.goal:
        lines.append((scene.goal, place.goal, 16, DIM if lines else INK, False))
    for words, rect, size, colour, bold in lines:
        row = fitted(words, px(size), rect.width, colour, bold=bold)
        middle = rect.midleft if len(lines) > 1 else (rect.left, place.status.centery)
        screen.blit(row, row.get_rect(midleft=middle))
    for index, line in enumerate(scene.status):
        row = fitted(line, px(14), place.status.width, INK if index == 0 else DIM)
        y = place.status.top + px(13) + index * px(22)
        screen.blit(row, row.get_rect(midright=(place.status.right, y)))


def _banner(screen: pygame.Surface, banner: Banner, rect: pygame.Rect, px: Pixels) -> None:
    """Dark letters on amber, which nobody overlooks, and a sign, since not everybody sees colours alike."""
    pygame.draw.rect(screen, NOTICE, rect, border_radius=px(8))
    sentence = text(f"▲  {banner.sentence}", px(15), GROUND, bold=True)
    screen.blit(sentence, sentence.get_rect(midleft=(rect.left + px(14), rect.centery)))
    left = rect.left + px(14) + sentence.get_width() + px(12)
    command = fitted(banner.command, px(15), rect.right - px(14) - left, GROUND)
    screen.blit(command, command.get_rect(midleft=(left, rect.centery)))


def _button(
    screen: pygame.Surface, rect: pygame.Rect, key: str, label: str, px: Pixels, colour: Colour, *, lit: bool
) -> None:
    large = rect.height > px(32)
    pygame.draw.rect(screen, LIT if lit else PANEL, rect, border_radius=px(8))
    pygame.draw.rect(screen, ACCENT if lit else EDGE, rect, width=px(1.5), border_radius=px(8))
    cap = draw_cap(key, px(15 if large else 11), px, colour)
    space = px(12 if large else 7)
    name = fitted(label, px(16 if large else 13), rect.width - px(8) - cap.get_width() - space, colour, bold=large)
    left = rect.centerx - (cap.get_width() + space + name.get_width()) // 2
    screen.blit(cap, cap.get_rect(midleft=(left, rect.centery)))
    screen.blit(name, name.get_rect(midleft=(left + cap.get_width() + space, rect.centery)))


def _progress(screen: pygame.Surface, rect: pygame.Rect, share: float) -> None:
    """Along the lower edge."""
    screen.fill(EDGE, rect)
    screen.fill(ACCENT, pygame.Rect(rect.topleft, (round(rect.width * share), rect.height)))


def _page(screen: pygame.Surface, page: Page, px: Pixels) -> None:
    veil = pygame.Surface(screen.get_size(), pygame.SRCALPHA)
    veil.fill((*GROUND, 205))
    screen.blit(veil, (0, 0))
    width = min(px(820), screen.get_width() - px(40))
    lines = [row for line in page.lines for row in wrapped(line, px(18), width - px(80))]
    rows = len(page.keys or lines)
    box = pygame.Rect(0, 0, width, px(118) + rows * px(36))
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
    for index, line in enumerate(lines):
        words = text(line, px(18), INK if index < rows - 1 else DIM)
        screen.blit(words, words.get_rect(midleft=(left, top + index * px(36))))
