"""Keys as pygame reports them, on keyboards of several languages."""

import pygame
import pytest
from pygame.event import Event

from prefrl.labelling.actions import action
from prefrl.labelling.window.keys import OTHER, pressed


@pytest.mark.parametrize(
    ("key", "unicode", "mod", "meant"),
    [
        (pygame.K_LEFT, "", 0, "left"),
        (pygame.K_DOWN, "", 0, "skip"),
        (pygame.K_z, "\x1a", pygame.KMOD_LCTRL, "undo"),
        (pygame.K_z, "z", 0, None),
        (pygame.K_COMMA, ",", 0, "back"),
        (pygame.K_SLASH, "?", pygame.KMOD_LSHIFT, "help"),
        (223, "?", pygame.KMOD_LSHIFT, "help"),  # beside the digits of a German keyboard
        (pygame.K_3, "3", 0, "speed 1"),
        (pygame.K_AMPERSAND, "1", pygame.KMOD_LSHIFT, "speed 0.25"),  # on a French one, digits need shift
        (pygame.K_KP4, "4", 0, "speed 2"),
        (pygame.K_q, "q", 0, None),
    ],
)
def test_keys(key: int, unicode: str, mod: int, meant: str | None) -> None:
    name = pressed(Event(pygame.KEYDOWN, key=key, unicode=unicode, mod=mod))
    assert name is not None
    assert action(name, "comparison") == meant


@pytest.mark.parametrize("key", [pygame.K_LSHIFT, pygame.K_RCTRL, pygame.K_MODE, pygame.K_CAPSLOCK])
def test_keys_that_are_held_to_type_others_are_none(key: int) -> None:
    assert pressed(Event(pygame.KEYDOWN, key=key, unicode="", mod=0)) is None


def test_shoulder_buttons_prefer_and_other_things_are_no_keys() -> None:
    names = [pressed(Event(pygame.JOYBUTTONDOWN, button=button)) for button in (4, 5, 0)]
    assert names == ["←", "→", OTHER]
    assert [action(name, "comparison") for name in names] == ["left", "right", None]
    assert pressed(Event(pygame.MOUSEMOTION, pos=(1, 1))) is None
