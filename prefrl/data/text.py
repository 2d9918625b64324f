"""Text of others, names, goals, paths, messages, as a terminal may show it."""

import unicodedata

JOINERS = "\u200c\u200d"
"""Invisible, but Persian words and emoji are written with them."""


def plain(text: object) -> str:
    r"""`text` in one line, with what a terminal would obey, and not show, written as Python does: `\x1b`, `\u202e`.

    That is control characters, line ends among them, marks that turn the direction of writing, and halves of pairs.
    """
    return "".join(_escaped(letter) if _is_obeyed(letter) else letter for letter in str(text))


def _is_obeyed(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in JOINERS


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")
