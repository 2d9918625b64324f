"""Clips drawn ahead of the person, in a process of its own, so that neither the front end nor the training waits."""

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
from prefrl.feedback.question import Question
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import show
from prefrl.store.store import Store, StoreInfo

MAX_BYTES = 400_000_000
"""Most memory for frames; the first question wanted is drawn whatever it takes."""

RESTART_DELAY = 0.5
"""Seconds before a drawing process that died is replaced, so that one that always dies takes little."""

PATIENCE = 60.0
"""Seconds without a picture after which a process that should draw is given up: an environment may hang."""


@dataclass
class Clips:
    """The clips of a question, as far as they are drawn, in the question's own order of segments."""

    length: int
    """Frames in each clip."""

    fps: float
    """Frames per second in real time."""

    ended: tuple[int | None, ...]
    """For each clip, index of the first frame after the episode's end; None if it does not end in the clip."""

    frames: tuple[list[Frame], ...] = field(init=False)
    """For each clip, its frames so far, (H, W, 3) each."""

    def __post_init__(self) -> None:
        self.frames = tuple([] for _ in self.ended)

    @property
    def drawn(self) -> float:
        """Share of the frames that is there."""
        return sum(map(len, self.frames)) / (len(self.frames) * self.length)

    @property
    def nbytes(self) -> int:
        """Memory that they take when all is drawn, judged by the frames that are there."""
        sizes = [frames[0].nbytes for frames in self.frames if frames]
        return int(len(self.frames) * self.length * max(sizes, default=0))


class ClipCache:
    """Frames of the questions wanted next. `want` and `get` never block; clips that cannot be drawn have an `error`."""

    def __init__(
        self, open_store: Callable[[], Store], *, size: int = 320, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """`open_store` is called in the process that draws, so it must be picklable.

        `size`: side of a frame in pixels, where the environment draws at any size. `on_change` is called from another
        thread whenever something was drawn or failed.
        """
        self._args, self._on_change = (open_store, size), on_change
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._clips: dict[int, Clips] = {}
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

    def want(self, question_ids: Sequence[int], keep: int | None = None) -> None:
        """These are needed, in this order. All others are dropped, except `keep`, which stays if it is there."""
        with self._lock:
            affordable = self._affordable(list(dict.fromkeys(question_ids)))
            kept = {*affordable, keep}
            self._clips = {id: clips for id, clips in self._clips.items() if id in kept}
            self._errors = {id: error for id, error in self._errors.items() if id in kept}
            if affordable != self._wanted:
                self._wanted = affordable
                self._send()

    def _affordable(self, question_ids: list[int]) -> list[int]:
        sizes = [clips.nbytes for clips in self._clips.values()]
        return question_ids[: max(1, MAX_BYTES // max(1, *sizes, 1) - 1)]  # room for the one that is kept

    def _send(self) -> None:
        self._alive_at = time.monotonic()
        with suppress(OSError):  # if it died, the listener starts another, and sends again
            self._pipe.send(self._waiting())

    def _waiting(self) -> list[int]:
        return [id for id in self._wanted if id not in self._errors and not self._is_drawn(id)]

    def _is_drawn(self, question_id: int) -> bool:
        return question_id in self._clips and self._clips[question_id].drawn >= 1.0

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
                kind, question_id, *rest = pipe.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                self._alive_at = time.monotonic()
                self._take(kind, question_id, rest)
            self._on_change()
        self._restart()

    def _give_up_if_hung(self) -> None:
        with self._lock:
            if self._waiting() and time.monotonic() - self._alive_at > PATIENCE:
                self._hung = True
                self._process.kill()  # which ends the pipe

    def _take(self, kind: str, question_id: int, rest: list[Any]) -> None:
        if kind == "clips":
            self._drawing = question_id
            self._clips[question_id] = Clips(*rest)
        elif kind == "error":
            self._drawing = None
            self._clips.pop(question_id, None)
            self._errors[question_id] = rest[0]
        elif question_id in self._clips:
            place, frame = rest
            clips = self._clips[question_id]
            clips.frames[place].append(frame)
            if clips.drawn >= 1.0:
                self._drawing = None
                if question_id not in self._wanted:  # it came too late
                    del self._clips[question_id]

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
            for question_id in blamed if not self._retrying else ():
                self._errors[question_id] = reason
            self._retrying = self._hung = False
            self._clips = {id: clips for id, clips in self._clips.items() if self._is_drawn(id)}
            self._drawing = None
            self._start()
            self._send()
        self._on_change()


def draw_forever(pipe: Connection, open_store: Callable[[], Store], size: int) -> None:
    """The process: draws what the last message wants, in its order, until the other end of `pipe` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the front end, which then ends this
    os.nice(5)  # the front end and the training come first
    leave_display()
    painter = _Painter(pipe, open_store, size)
    try:
        while True:
            painter.draw_next()
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


class _Painter:
    def __init__(self, pipe: Connection, open_store: Callable[[], Store], size: int) -> None:
        self.pipe, self.open_store, self.size = pipe, open_store, size
        self.wanted: list[int] = []
        self.store: Store | None = None
        self.renderer: Renderer | None = None
        self.broken: str | None = None

    def draw_next(self) -> None:
        while not self.wanted or self.pipe.poll():
            self.wanted = self.pipe.recv()
        question_id = self.wanted.pop(0)
        try:
            self._draw(question_id)
        except PrefrlError as error:
            self.pipe.send(("error", question_id, str(error)))
        except Exception as error:  # an environment may fail in any way
            self.pipe.send(("error", question_id, f"{type(error).__name__}: {error}"))

    def _draw(self, question_id: int) -> None:
        self.store = self.store or self.open_store()
        question = self.store.question(question_id)
        fps, clips = self._clips(question)
        length = len(question.segments[0]) + 1
        self.pipe.send(("clips", question_id, length, fps, tuple(map(_ended, question.segments))))
        for place, clip in enumerate(clips):
            for frame in clip:
                self.pipe.send(("frame", question_id, place, np.ascontiguousarray(frame)))
                if self._is_unwanted(question_id):
                    return

    def _clips(self, question: Question) -> tuple[float, list[Iterator[Frame]]]:
        """Frames per second, and the frames of each clip. No environment is made for films: it may be a robot."""
        films = [segment.film for segment in question.segments if segment.film is not None]
        if len(films) == len(question.segments):
            return films[0].fps, [show(film) for film in films]
        assert self.store is not None
        renderer = self._renderer(self.store.info())
        return renderer.fps, [renderer.iter_frames(segment) for segment in question.segments]

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

    def _is_unwanted(self, question_id: int) -> bool:
        while self.pipe.poll():
            self.wanted = self.pipe.recv()
            if question_id not in self.wanted:
                return True
            self.wanted.remove(question_id)
        return False


def _ended(segment: Segment) -> int | None:
    return int(segment.absorbing.argmax()) if segment.absorbing.any() else None
