"""The process that draws clips: questions first, then what is shown beside them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from prefrl.data.segment import Segment
from prefrl.errors import EnvError, PrefrlError, StoreError
from prefrl.labelling.frames import Key, Message, Packed, Shown, pack
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import show
from prefrl.store.shown import ShownName
from prefrl.store.store import Store

Wanted = list[Key] | None
"""What is to be drawn, in this order; None: get ready to draw, as the store is there now."""


@dataclass(frozen=True)
class Source:
    """Where segments come from. It is sent to the process that draws, so it must be picklable."""

    open_store: Callable[[], Store]
    read_shown: Callable[[ShownName], Segment | None] | None = None


def draw_forever(pipe: Connection, source: Source, size: int) -> None:
    """The process: draws what the last message wants, in its order, until the other end of `pipe` is closed.

    It runs at the usual priority: a person waits for what it draws, and training steps back for a person.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the front end, which then ends this
    leave_display()
    painter = _Painter(pipe, source, size)
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
    def __init__(self, pipe: Connection, source: Source, size: int) -> None:
        self.pipe, self.source, self.size = pipe, source, size
        self.wanted: list[Key] = []
        self.to_warm_up = False
        self.store: Store | None = None
        self.renderer: Renderer | None = None
        self.broken: str | None = None

    def draw_next(self) -> None:
        while not self.wanted or self.pipe.poll():
            if self.to_warm_up and not self.pipe.poll():
                self._warm_up()
            self._hear()
        key = self.wanted.pop(0)
        try:
            self._draw(key)
        except PrefrlError as error:
            self._say(("error", key, str(error)))
        except Exception as error:  # an environment may fail in any way
            self._say(("error", key, f"{type(error).__name__}: {error}"))

    def _hear(self) -> None:
        heard: Wanted = self.pipe.recv()
        if heard is None:
            self.to_warm_up = True
        else:
            self.wanted = heard

    def _say(self, message: Message) -> None:
        self.pipe.send(message)

    def _warm_up(self) -> None:
        """Make the environment and its drawing context before there is a question: that may take seconds."""
        self.to_warm_up = False
        try:
            self._renderer()
        except Exception as error:
            self.broken = str(error) or type(error).__name__  # told with the first clip

    def _draw(self, key: Key) -> None:
        segments = self._segments(key)
        fps, clips = self._clips(segments)
        self._say(("clips", key, len(segments[0]) + 1, fps, tuple(map(_ended, segments))))
        for place, clip in enumerate(clips):
            before: tuple[Frame, Packed] | None = None
            for frame in clip:
                packed = before[1] if before is not None and before[0] is frame else pack(frame)
                before = frame, packed
                self._say(("frame", key, place, packed))
                if self._is_unwanted(key):
                    return

    def _segments(self, key: Key) -> Sequence[Segment]:
        if not isinstance(key, Shown):
            self.store = self.store or self.source.open_store()
            return self.store.question(key).segments
        segment = None if self.source.read_shown is None else self.source.read_shown(key.name)
        if segment is None:
            raise StoreError(f"what the agent does {key.name} cannot be read; it is written again while it trains")
        return [segment]

    def _clips(self, segments: Sequence[Segment]) -> tuple[float, list[Iterator[Frame]]]:
        """Frames per second, and the frames of each clip. No environment is made for films: it may be a robot."""
        films = [segment.film for segment in segments if segment.film is not None]
        if len(films) == len(segments):
            return films[0].fps, [show(film) for film in films]
        renderer = self._renderer()
        return renderer.fps, [renderer.iter_frames(segment) for segment in segments]

    def _renderer(self) -> Renderer:
        if self.broken is not None:  # making it again would take as long and fail again
            raise EnvError(self.broken)
        if self.renderer is None:
            self.store = self.store or self.source.open_store()
            info = self.store.info()
            assert info is not None
            try:
                self.renderer = Renderer(info.env_id, info.env_kwargs, size=self.size)
            except Exception as error:
                self.broken = str(error) or type(error).__name__
                raise
        return self.renderer

    def _is_unwanted(self, key: Key) -> bool:
        """Whether to leave it, because nobody wants it any more, or a question that waits is worth more."""
        while self.pipe.poll():
            self._hear()
            if key not in self.wanted or (isinstance(key, Shown) and not isinstance(self.wanted[0], Shown)):
                return True
            self.wanted.remove(key)
        return False


def _ended(segment: Segment) -> int | None:
    return int(segment.absorbing.argmax()) if segment.absorbing.any() else None
