"""Clips drawn ahead of the person, by a process of its own, so that neither the window nor the training waits."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from prefrl.data.segment import Segment
from prefrl.errors import EnvError, PrefrlError
from prefrl.feedback.question import Query
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import show
from prefrl.store.store import Store, StoreInfo

MAX_BYTES = 400_000_000
"""Most memory for frames; the first query wanted is drawn whatever it takes."""

RESTART_DELAY = 0.5
"""Seconds before a drawing process that died is replaced, so that one that always dies takes little."""

PATIENCE = 60.0
"""Seconds without a picture after which a process that should draw is given up: an environment may hang."""


@dataclass
class Pair:
    """The two clips of a query, as far as they are drawn."""

    length: int
    """Frames in each clip."""

    fps: float
    """Frames per second in real time."""

    ended: tuple[int | None, int | None]
    """Index of the first frame after the episode's end, left and right; None if it does not end in the clip."""

    frames: tuple[list[Frame], list[Frame]] = field(default_factory=lambda: ([], []))
    """Left and right, (H, W, 3) each."""

    @property
    def drawn(self) -> float:
        """Share of the frames that is there."""
        return sum(map(len, self.frames)) / (2 * self.length)

    @property
    def nbytes(self) -> int:
        """Memory that the whole pair takes, judged by the frames that are there."""
        sizes = [clip[0].nbytes for clip in self.frames if clip]
        return int(2 * self.length * max(sizes, default=0))


class ClipCache:
    """Frames of the queries wanted next. `want` and `get` never block; a clip that cannot be drawn has an `error`."""

    def __init__(self, store_url: str, *, size: int = 320, on_change: Callable[[], None] = lambda: None) -> None:
        """`size`: side of a frame in pixels, where the environment draws at any size. `on_change` is called from
        another thread whenever something was drawn or failed."""
        self._args, self._on_change = (store_url, size), on_change
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._pairs: dict[int, Pair] = {}
        self._errors: dict[int, str] = {}
        self._drawing: int | None = None
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

    def want(self, query_ids: Sequence[int], keep: int | None = None) -> None:
        """These are needed, in this order; all others are forgotten, but for `keep`, which stays if it is there."""
        with self._lock:
            affordable = self._affordable(list(dict.fromkeys(query_ids)))
            kept = {*affordable, keep}
            self._pairs = {id: pair for id, pair in self._pairs.items() if id in kept}
            self._errors = {id: error for id, error in self._errors.items() if id in kept}
            if affordable != self._wanted:
                self._wanted = affordable
                self._send()

    def _affordable(self, query_ids: list[int]) -> list[int]:
        sizes = [pair.nbytes for pair in self._pairs.values()]
        return query_ids[: max(1, MAX_BYTES // max(1, *sizes, 1) - 1)]  # one is left for the one kept

    def _send(self) -> None:
        self._alive_at = time.monotonic()
        with suppress(OSError):  # if it died, the listener starts another, and sends again
            self._pipe.send(self._waiting())

    def _waiting(self) -> list[int]:
        return [id for id in self._wanted if id not in self._errors and not self._is_drawn(id)]

    def _is_drawn(self, query_id: int) -> bool:
        return query_id in self._pairs and self._pairs[query_id].drawn >= 1.0

    def get(self, query_id: int) -> Pair | None:
        """The clips of the query, perhaps not all of their frames yet; None before the first one."""
        return self._pairs.get(query_id)

    def error(self, query_id: int) -> str | None:
        """Why the query cannot be drawn; None if it can, or was not tried yet."""
        return self._errors.get(query_id)

    def retry(self) -> None:
        """Try again what failed, in a new process: whatever was wrong with its display or libraries may be mended."""
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
                kind, query_id, *rest = pipe.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                self._alive_at = time.monotonic()
                self._take(kind, query_id, rest)
            self._on_change()
        self._restart()

    def _give_up_if_hung(self) -> None:
        with self._lock:
            if self._waiting() and time.monotonic() - self._alive_at > PATIENCE:
                self._hung = True
                self._process.kill()  # which ends the pipe

    def _take(self, kind: str, query_id: int, rest: list[Any]) -> None:
        if kind == "pair":
            self._drawing = query_id
            self._pairs[query_id] = Pair(*rest)
        elif kind == "error":
            self._drawing = None
            self._pairs.pop(query_id, None)
            self._errors[query_id] = rest[0]
        elif query_id in self._pairs:
            side, frame = rest
            pair = self._pairs[query_id]
            pair.frames[side].append(frame)
            if pair.drawn >= 1.0:
                self._drawing = None
                if query_id not in self._wanted:  # it came too late
                    del self._pairs[query_id]

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
            for query_id in blamed if not self._retrying else ():
                self._errors[query_id] = reason
            self._retrying = self._hung = False
            self._pairs = {id: pair for id, pair in self._pairs.items() if self._is_drawn(id)}
            self._drawing = None
            self._start()
            self._send()
        self._on_change()


def draw_forever(pipe: Connection, store_url: str, size: int) -> None:
    """The process: draws what the last message wants, first things first, until the other end of `pipe` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the window, which then ends this
    os.nice(5)  # the window and the training come first
    leave_display()
    artist = _Artist(pipe, store_url, size)
    try:
        while True:
            artist.draw_next()
    except (EOFError, OSError):
        pass


def leave_display() -> None:
    """Draw without the display, where that is possible: if it goes, drawing goes on."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    if sys.platform == "linux" and "MUJOCO_GL" not in os.environ:
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            return
        os.environ["MUJOCO_GL"] = "egl"


class _Artist:
    def __init__(self, pipe: Connection, store_url: str, size: int) -> None:
        self.pipe, self.store_url, self.size = pipe, store_url, size
        self.wanted: list[int] = []
        self.store: Store | None = None
        self.renderer: Renderer | None = None
        self.broken: str | None = None

    def draw_next(self) -> None:
        while not self.wanted or self.pipe.poll():
            self.wanted = self.pipe.recv()
        query_id = self.wanted.pop(0)
        try:
            self._draw(query_id)
        except PrefrlError as error:
            self.pipe.send(("error", query_id, str(error)))
        except Exception as error:  # an environment may fail in any way
            self.pipe.send(("error", query_id, f"{type(error).__name__}: {error}"))

    def _draw(self, query_id: int) -> None:
        self.store = self.store or Store(self.store_url)
        query = self.store.query(query_id)
        fps, clips = self._clips(query)
        lengths = len(query.left) + 1, len(query.right) + 1
        self.pipe.send(("pair", query_id, max(lengths), fps, (_ended(query.left), _ended(query.right))))
        for side, clip in enumerate(clips):
            for frame in clip:
                self.pipe.send(("frame", query_id, side, np.ascontiguousarray(frame)))
                if self._is_unwanted(query_id):
                    return

    def _clips(self, query: Query) -> tuple[float, list[Iterator[Frame]]]:
        """Frames per second, and the frames of both sides. No environment is made for films: it may be a robot."""
        films = query.left.film, query.right.film
        if films[0] is not None and films[1] is not None:
            return films[0].fps, [show(film) for film in films if film is not None]
        assert self.store is not None
        renderer = self._renderer(self.store.info())
        return renderer.fps, [renderer.iter_frames(segment) for segment in (query.left, query.right)]

    def _renderer(self, info: StoreInfo | None) -> Renderer:
        if self.broken is not None:  # making it again would take as long and fail again
            raise EnvError(self.broken)
        if self.renderer is None:
            assert info is not None
            try:
                self.renderer = Renderer(info.env_id, info.env_kwargs, size=self.size)
            except Exception as error:
                self.broken = str(error) or type(error).__name__
                raise
        return self.renderer

    def _is_unwanted(self, query_id: int) -> bool:
        while self.pipe.poll():
            self.wanted = self.pipe.recv()
            if query_id not in self.wanted:
                return True
            self.wanted.remove(query_id)
        return False


def _ended(segment: Segment) -> int | None:
    return int(segment.absorbing.argmax()) if segment.absorbing.any() else None
