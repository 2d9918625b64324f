"""Which key of `actions` was pressed, on a keyboard or a game pad."""

import pygame

from prefrl.labelling.actions import UNDO_KEY

KEYS = {
    pygame.K_LEFT: "←",
    pygame.K_RIGHT: "→",
    pygame.K_UP: "↑",
    pygame.K_DOWN: "↓",
    pygame.K_SPACE: "Space",
    pygame.K_ESCAPE: "Esc",
}
LETTERS = {getattr(pygame, f"K_{letter}"): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}
DIGITS = {getattr(pygame, f"K_{digit}"): digit for digit in "0123456789"}
TYPED = frozenset(",.?0123456789")
"""Known by the character, since where these are on a keyboard, and whether with shift, depends on its language."""

MODIFIERS = frozenset(
    getattr(pygame, f"K_{name}")
    for name in (
        *(side + name for side in "LR" for name in ("SHIFT", "CTRL", "ALT", "META", "SUPER")),
        *("MODE", "CAPSLOCK", "NUMLOCK", "SCROLLOCK"),
    )
)
"""Held or switched to type another key: on their own they are none, or Shift would close what "?" then opens again."""

SHOULDERS = {4: "←", 5: "→"}

OTHER = "other"
"""Any other key; it still closes a page."""


def pressed(event: pygame.event.Event) -> str | None:
    """The key as `actions` names it; None if `event` is something else."""
    if event.type == pygame.JOYBUTTONDOWN:
        return SHOULDERS.get(event.button, OTHER)
    if event.type != pygame.KEYDOWN or event.key in MODIFIERS:
        return None
    if event.key == pygame.K_z and event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
        return UNDO_KEY
    if event.unicode in TYPED:
        return str(event.unicode)
    return {**KEYS, **LETTERS, **DIGITS}.get(event.key, OTHER)
