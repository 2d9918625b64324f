"""Clips that play inside the page, each with the trace of its reward."""

import base64
import gc
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefrl.data.segment import Segment
from prefrl.errors import EnvError, PrefrlError
from prefrl.labelling.playback import CLIP_SECONDS
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.rendering.recording import show
from prefrl.report.gather import Floats, Judged, Run, standardise
from prefrl.report.people import Hard, hardest
from prefrl.store.run_store import open_store

SIZE = 192  # pixels a side, where the environment draws at any size
SMOOTH = 30.0  # pictures a second that are enough
TRACE = (100.0, 30.0)  # width and height of a reward trace, in units of its own


@dataclass(frozen=True)
class Trace:
    """The reward of each step of a clip, standardised over all clips, as SVG paths in a box of `TRACE`."""

    learned: str
    true: str

    zero: float
    """Height of the mean reward."""


@dataclass(frozen=True)
class Clip:
    """A segment as the page shows it."""

    title: str
    told: list[str]
    trace: Trace

    video: str | None
    """The clip as a data URL; None where it cannot be drawn."""


@dataclass(frozen=True)
class Shown:
    """A hard question as the page shows it."""

    title: str
    clips: list[Clip]


@dataclass(frozen=True)
class Reels:
    """All clips of a run."""

    best: list[Clip]
    worst: list[Clip]
    hard: list[Shown]

    missing: str | None
    """Why some or all of them cannot be drawn; None if all are."""


def reels(run: Run, each: int, pairs: int) -> Reels:
    """The `each` best and worst segments by learned reward, and the clips of the `pairs` hardest questions."""
    if run.judged is None:
        return Reels([], [], [], None)
    with ExitStack() as stack:
        studio = stack.enter_context(Studio(run, run.judged))
        order = np.argsort(-run.judged.returns, kind="stable")
        best = [studio.clip(int(i), f"#{rank}") for rank, i in enumerate(order[:each], 1)]
        worst = [studio.clip(int(i), f"#{rank}") for rank, i in enumerate(order[::-1][:each], 1)]
        hard = [studio.question(h) for h in hardest(run, pairs)]
        return Reels(best, worst, hard, studio.missing)


class Studio:
    """Draws clips of one run, and goes on without pictures where there is nothing to draw them with."""

    def __init__(self, run: Run, judged: Judged) -> None:
        self._run, self.judged, self._stack = run, judged, ExitStack()
        self.missing: str | None = None
        self._number = {_key(segment): index for index, segment in enumerate(judged.segments)}
        self._store = self._stack.enter_context(open_store(run.run_dir, reads_only=True))
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._renderer: Renderer | None = None
        self._tried = False
        self._learned, self._true = (
            standardise(rewards, rewards[judged.living]) for rewards in (judged.rewards, judged.true_rewards)
        )
        self._range = _range(np.stack([self._learned[judged.living], self._true[judged.living]]))
        gc.freeze()  # imageio collects garbage after each clip: a third of a second where torch is loaded
        self._stack.callback(gc.unfreeze)

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def clip(self, index: int, title: str) -> Clip:
        """The segment of that number."""
        judged, segment = self.judged, self.judged.segments[index]
        question_id, place = judged.shown_in[index]
        told = [
            f"learned return {judged.returns[index]:+.1f}",
            f"true return {segment.true_return:.1f}, rank {_place(judged.true_returns, index)}",
            _where(segment, int(judged.num_timesteps[index])),
        ]
        return Clip(title, told, self._trace(index), self._video(question_id, place))

    def question(self, hard: Hard) -> Shown:
        """The clips of a question, that which was preferred marked."""
        segments = self._store.question(hard.question_id).segments
        names = ("left", "right") if len(segments) == 2 else [str(place) for place in range(1, len(segments) + 1)]
        clips = [
            self.clip(self._number[_key(segment)], f"{name}, preferred" if name == hard.answer else name)
            for name, segment in zip(names, segments, strict=True)
        ]
        return Shown(f"question {hard.question_id}: {hard.reason}", clips)

    def _trace(self, index: int) -> Trace:
        segment, (low, high) = self.judged.segments[index], self._range
        steps = int((~segment.absorbing[:-1]).sum())
        learned, true = self._learned[index], self._true[index]
        height = TRACE[1] / (high - low)

        def path(values: Floats) -> str:
            x = (np.arange(steps) + 0.5) / len(segment) * TRACE[0]
            y = (high - np.clip(values[:steps], low, high)) * height
            return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))

        return Trace(path(learned), path(true), high * height)

    def _video(self, question_id: int, place: int) -> str | None:
        try:
            segment = self._store.question(question_id).segments[place]
            path = self._folder / "clip.mp4"
            write_mp4(path, *self._frames(segment))
            return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
        except (Exception, SystemExit) as error:  # an environment's own code, or OpenGL, may raise anything
            said = str(error).strip().partition("\n")[0]
            self.missing = self.missing or (
                said if isinstance(error, PrefrlError) else f"{type(error).__name__}: {said}"
            )
            return None

    def _frames(self, segment: Segment) -> tuple[Iterator[Frame], float]:
        """Pictures and their rate: slowed down to what can be judged, and no more of them than the eye needs."""
        if segment.film is not None:
            frames, fps = show(segment.film), segment.film.fps
        else:
            renderer = self._renderer or self._open()
            frames, fps = renderer.iter_frames(segment), renderer.fps
        return frames, min(fps, max(len(segment) / CLIP_SECONDS, 1.0), SMOOTH)

    def _open(self) -> Renderer:
        if self._tried:
            raise EnvError(self.missing or "the environment cannot be drawn here")
        self._tried = True
        config = self._run.config
        self._renderer = self._stack.enter_context(Renderer(config.env_id, config.env_kwargs, size=SIZE))
        return self._renderer


def _key(segment: Segment) -> tuple[bytes, bytes]:
    return b"".join(array.tobytes() for array in segment.obs.values()), segment.actions.tobytes()


def _range(rewards: Floats) -> tuple[float, float]:
    """Lowest and highest of the `rewards` that traces show, 0 among them, rare extremes left out."""
    low, high = np.quantile(rewards, (0.002, 0.998))
    return 1.1 * min(-1.0, float(low)), 1.1 * max(1.0, float(high))


def _place(values: Floats, index: int) -> str:
    """Where a value stands among all."""
    better = int((values > values[index]).sum())
    return f"{better + 1} of {len(values)}"


def _where(segment: Segment, num_timesteps: int) -> str:
    steps = int((~segment.absorbing[:-1]).sum())
    ends = ", where it ends" if segment.absorbing[-1] else ""
    return (
        f"steps {segment.start} to {segment.start + steps} of its episode{ends}; by step {num_timesteps:,} of training"
    )
