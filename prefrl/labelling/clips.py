"""Clips drawn ahead of the person, in a process of its own, so that neither the front end nor the training waits."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from prefrl.labelling.frames import Clips, Key, Message, Shown
from prefrl.labelling.painter import Source, Wanted, draw_forever
from prefrl.store.shown import ShownName

__all__ = ["ClipCache", "Clips", "Source"]

MAX_BYTES = 200_000_000
"""Most memory for the frames of questions; the first one wanted is drawn whatever it takes."""

RESTART_DELAY = 0.5
"""Seconds before a drawing process that died is replaced, so that one that always dies takes little."""

PATIENCE = 60.0
"""Seconds without a picture after which a process that should draw is given up: an environment may hang."""


class ClipCache:
    """Frames of the questions wanted next, and of the segments shown beside them.

    No method but `close` blocks; clips that cannot be drawn have an `error`.
    """

    def __init__(self, source: Source, *, size: int = 320, on_change: Callable[[], None] = lambda: None) -> None:
        """`source` is used in the process that draws, which starts now, and not before something is wanted from it.

        `size`: side of a frame in pixels, where the environment draws at any size. `on_change` is called from another
        thread whenever something was drawn or failed.
        """
        self._args, self._on_change = (source, size), on_change
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._shows: dict[ShownName, Shown] = {}  # what `show` was asked for last
        self._clips: dict[Key, Clips] = {}
        self._errors: dict[Key, str] = {}
        self._drawing: Key | None = None
        self._is_warm = False
        self._closed = self._retrying = self._hung = False
        self._alive_at = time.monotonic()
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")  # a fork would share the window's connection to the display
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=draw_forever, args=(theirs, *self._args), daemon=True)
        self._process.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(self._pipe,), daemon=True).start()

    def warm_up(self) -> None:
        """Get ready to draw: there is a store now that knows its environment."""
        with self._lock:
            self._is_warm = True
            self._tell(None)

    def want(self, question_ids: Sequence[int], keep: int | None = None) -> None:
        """These are needed, in this order. All others are dropped, except `keep`, which stays if it is there."""
        with self._lock:
            affordable = self._affordable(list(dict.fromkeys(question_ids)))
            kept = {*affordable, keep}
            self._clips = {key: clips for key, clips in self._clips.items() if key in kept or isinstance(key, Shown)}
            self._errors = {key: error for key, error in self._errors.items() if key in kept or isinstance(key, Shown)}
            if affordable != self._wanted:
                self._wanted = affordable
                self._send()

    def show(self, name: ShownName, version: int) -> Clips | None:
        """The clip of the segment shown under `name`: the last version that is drawn to its end, or this one so far.

        From now on this `version` is wanted, after all questions. None if there is nothing of it yet.
        """
        with self._lock:
            shown = Shown(name, version)
            if self._shows.get(name) != shown:
                self._errors.pop(self._shows.get(name, shown), None)
                self._shows[name] = shown
                self._send()
            whole = [key for key in self._clips if isinstance(key, Shown) and key.name == name and self._is_drawn(key)]
            return self._clips.get(whole[-1] if whole else shown)

    def _affordable(self, question_ids: list[int]) -> list[int]:
        sizes = [clips.nbytes for key, clips in self._clips.items() if not isinstance(key, Shown)]
        return question_ids[: max(1, MAX_BYTES // max(1, *sizes, 1) - 1)]  # room for the one that is kept

    def _send(self) -> None:
        self._alive_at = time.monotonic()
        self._tell(self._waiting())

    def _tell(self, wanted: Wanted) -> None:
        with suppress(OSError):  # if it died, the listener starts another, and sends again
            self._pipe.send(wanted)

    def _waiting(self) -> list[Key]:
        keys: list[Key] = [*self._wanted, *self._shows.values()]
        return [key for key in keys if key not in self._errors and not self._is_drawn(key)]

    def _is_drawn(self, key: Key) -> bool:
        return key in self._clips and self._clips[key].drawn >= 1.0

    def get(self, question_id: int) -> Clips | None:
        """The clips of the question, perhaps not all of their frames yet; None if drawing has not begun."""
        return self._clips.get(question_id)

    def error(self, question_id: int) -> str | None:
        """Why the question cannot be drawn; None if it can, or was not tried yet."""
        return self._errors.get(question_id)

    def retry(self) -> None:
        """Try again what failed, in a new process: its display or libraries may have been mended by now."""
        with self._lock:
            self._errors.clear()
            self._retrying = True
        self._process.kill()  # the listener starts another

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                while not pipe.poll(1.0):
                    self._give_up_if_hung()
                message: Message = pipe.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                self._alive_at = time.monotonic()
                self._take(message)
            self._on_change()
        self._restart()

    def _give_up_if_hung(self) -> None:
        with self._lock:
            if self._waiting() and time.monotonic() - self._alive_at > PATIENCE:
                self._hung = True
                self._process.kill()  # which ends the pipe

    def _take(self, message: Message) -> None:
        key = message[1]
        if message[0] == "clips":
            self._drawing = key
            self._clips.pop(key, None)  # what was begun, and left for something that was worth more
            self._clips[key] = Clips(*message[2:])
        elif message[0] == "error":
            self._drawing = None
            self._clips.pop(key, None)
            self._errors[key] = message[2]
        elif key in self._clips:
            self._clips[key].frames[message[2]].add(message[3])
            if self._is_drawn(key):
                self._drawing = None
                self._drop_what_is_past(key)

    def _drop_what_is_past(self, drawn: Key) -> None:
        if isinstance(drawn, Shown):
            past = [key for key in self._clips if isinstance(key, Shown) and key.name == drawn.name and key != drawn]
            for key in past:
                del self._clips[key]
        elif drawn not in self._wanted:  # it came too late
            del self._clips[drawn]

    def _restart(self) -> None:
        if self._closed:
            return
        self._process.join()
        if not self._retrying:
            time.sleep(RESTART_DELAY)
        with self._lock:
            if self._closed:
                return
            code = f"the process that draws clips ended with code {self._process.exitcode}"
            reason = f"nothing was drawn for {PATIENCE:g} s" if self._hung else code
            blamed = self._waiting()[:1] if self._drawing is None else [self._drawing]
            for key in blamed if not self._retrying else ():
                self._errors[key] = reason
            self._retrying = self._hung = False
            self._clips = {key: clips for key, clips in self._clips.items() if self._is_drawn(key)}
            self._drawing = None
            self._start()
            if self._is_warm:
                self._tell(None)
            self._send()
        self._on_change()
