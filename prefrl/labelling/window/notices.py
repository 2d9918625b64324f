"""A sentence across the clips, for a moment."""

import time
from typing import Literal

NoteKind = Literal["news", "warning"]

NOTE_SECONDS = 3.0


class Notices:
    """The last sentence that was said."""

    def __init__(self) -> None:
        self._last: tuple[str, NoteKind, float] | None = None

    def say(self, note: str, kind: NoteKind = "news") -> None:
        """Show `note` for some seconds."""
        self._last = note, kind, time.monotonic() + NOTE_SECONDS

    def forget(self) -> None:
        """Take it from the screen."""
        self._last = None

    def now(self) -> tuple[str | None, NoteKind]:
        """What is to be read at the moment."""
        if self._last is None or time.monotonic() > self._last[2]:
            return None, "news"
        return self._last[:2]
