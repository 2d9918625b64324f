"""Text of others, on surfaces that no display shows."""

import numpy as np
import pygame
import pytest

from prefrl.labelling.window.paint import enlarged, fitted, font, text, wide, wrapped

TEXTS = [
    "",
    "\0",
    "a\0b",
    "two\nlines",
    "\x1b[31mred\x07",
    "\ud800 half",
    "Zoë 走れ 🏃",
    "\u202ebackwards",
    "x" * 30_000,
]


@pytest.fixture(autouse=True)
def fonts() -> None:
    pygame.font.init()
    font.cache_clear()  # of a window that was closed before


@pytest.mark.parametrize("words", TEXTS)
def test_any_text_can_be_drawn(words: str) -> None:
    assert fitted(words, 18, 300).get_width() <= 300
    lines = wrapped(words, 18, 300)
    assert all(text(line, 18).get_width() <= 300 for line in lines)
    assert "".join("".join(lines).split()) == "".join(words[:2000].split())


def test_letters_are_made_smaller_before_words_are_cut() -> None:
    words = "hop forward as fast as it can"
    assert fitted(words, 18, wide(words, 15) + 1).get_width() == wide(words, 15)
    assert fitted(words, 36, 100).get_height() == text("x", 24).get_height()  # no smaller than two thirds


@pytest.mark.parametrize("size", [(50, 40), (1500, 1200), (1501, 1201)])
def test_pictures_are_enlarged_to_the_size_wanted(size: tuple[int, int]) -> None:
    picture = pygame.surfarray.make_surface(np.full((20, 16, 3), 90, np.uint8))
    assert enlarged(picture, size).get_size() == size
