"""Text of others, names, goals, paths, messages, as a terminal may show it."""

import shlex
import unicodedata
from contextlib import suppress
from pathlib import Path

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


def from_here(path: Path) -> Path:
    """`path` as somebody in the working folder would write it: without that folder's own path, where it lies within."""
    with suppress(ValueError, FileNotFoundError):
        return path.relative_to(Path.cwd())
    return path


def shell(word: object) -> str:
    """`word` as one word of a shell's command line, to be copied from a terminal."""
    text = str(word)
    if plain(text) == text:
        return shlex.quote(text)
    letters = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(f"\\U{ord(x):08x}" if _is_obeyed(x) else x for x in letters) + "'"  # as bash and zsh read it
