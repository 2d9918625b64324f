"""Clips in memory: each frame is packed without loss, in a tenth of its bytes, and unpacked when it is shown."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, overload

import numpy as np

from prefrl.rendering.camera import Frame
from prefrl.store.shown import ShownName


class Shown(NamedTuple):
    """A segment that is shown beside the questions, at one of its versions."""

    name: ShownName
    version: int


Key = int | Shown
"""What is drawn: a question by its id, or a segment of `store.shown`."""


class Packed(NamedTuple):
    """A frame, packed: rendered pictures have large areas of one colour. Unpacking takes about a millisecond."""

    data: bytes
    shape: tuple[int, ...]


def pack(frame: Frame) -> Packed:
    """`frame` (H, W, 3) with fewer bytes."""
    return Packed(zlib.compress(np.ascontiguousarray(frame).tobytes(), 1), frame.shape)


def unpack(packed: Packed) -> Frame:
    """The frame that was packed."""
    return np.frombuffer(zlib.decompress(packed.data), np.uint8).reshape(packed.shape)


class Frames(Sequence[Frame]):
    """The frames of a clip so far, (H, W, 3) each. The last one that was looked at is kept as it is shown."""

    def __init__(self) -> None:
        self._packed: list[Packed] = []
        self._last: tuple[int, Frame] | None = None

    def add(self, frame: Packed) -> None:
        """One more at the end."""
        self._packed.append(frame)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | Sequence[Frame]:
        if isinstance(index, slice):
            return [unpack(packed) for packed in self._packed[index]]
        place = range(len(self))[index]
        if self._last is None or self._last[0] != place:
            self._last = place, unpack(self._packed[place])
        return self._last[1]

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return sum(len(packed.data) for packed in self._packed)


@dataclass
class Clips:
    """The clips of a question, or one of a segment that is shown, as far as they are drawn, in the question's order."""

    length: int
    """Frames in each clip."""

    fps: float
    """Frames per second in real time."""

    ended: tuple[int | None, ...]
    """For each clip, index of the first frame after the episode's end; None if it does not end in the clip."""

    frames: tuple[Frames, ...] = field(init=False)
    """For each clip, its frames so far."""

    def __post_init__(self) -> None:
        self.frames = tuple(Frames() for _ in self.ended)

    @property
    def drawn(self) -> float:
        """Share of the frames that is there."""
        return sum(map(len, self.frames)) / (len(self.frames) * self.length)

    @property
    def nbytes(self) -> int:
        """Memory that they take when all is drawn, judged by the frames that are there."""
        return int(sum(frames.nbytes for frames in self.frames) / self.drawn) if self.drawn else 0


Message = (
    tuple[Literal["clips"], Key, int, float, tuple[int | None, ...]]
    | tuple[Literal["frame"], Key, int, Packed]
    | tuple[Literal["error"], Key, str]
)
"""From the process that draws: clips begin (length, fps, ended); a frame of the clip at that place; why none come."""
