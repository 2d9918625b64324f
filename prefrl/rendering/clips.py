"""Segment -> frames -> H.264 clip."""

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from prefrl import watchdog
from prefrl.data.segment import Segment
from prefrl.data.spaces import Obs, named, rows
from prefrl.errors import EnvError, StorageError
from prefrl.rendering.camera import Camera, Frame, rate
from prefrl.rendering.close import close_env
from prefrl.rendering.from_id import from_id
from prefrl.rendering.known import is_known
from prefrl.rendering.mujoco_model import ModelSetter
from prefrl.rendering.recording import show
from prefrl.rendering.simulator_state import is_mujoco, restore
from prefrl.rendering.truth import SHARE, look_alike, witness

FRESH: Mapping[str, NDArray[Any]] = {}
"""Nothing of a simulator's model is other than in a freshly made one."""

WARM_UP = 10
"""Frames drawn and dropped before a replayed segment: LunarLander's sparks, for one, fade only as they are drawn."""


class Renderer:
    """Draws the segments of one environment, in the thread that made it. A context manager.

    See `Camera` for how it draws, and what `size` means. Frames that were recorded are shown as they are.

    Raises:
        EnvError: the environment cannot be made, or cannot draw here.
    """

    fps: float
    """Frames per second at which the environment runs in real time; 30 if it does not say."""

    def __init__(self, env_id: str, env_kwargs: Mapping[str, Any] | None = None, *, size: int = 256) -> None:
        self._id, self._kwargs, self._size = env_id, env_kwargs or {}, size
        self._env = from_id(env_id, self._kwargs, "rgb_array", checked=False)
        self.is_known = is_known(self._env)
        """Whether the environment is of a family whose clips are known to show what happened."""

        self._lies: dict[bool, EnvError | None] = {}  # whether it replays -> why that does not show what happened
        self._camera: Camera | None = None
        self._shown: Mapping[str, NDArray[Any]] | None = None  # what the model was changed to
        self.fps = rate(self._env.metadata)
        self._model = ModelSetter(self._env.unwrapped) if is_mujoco(self._env.unwrapped) else None  # before a reset
        try:
            self._reset(0)  # some cameras stay where the first state drawn puts them: always the same
            self._camera = Camera(self._env, self._kwargs, size=size)
            self._camera.draw()  # an environment that cannot be drawn says so now, not in the middle of a run
        except BaseException:
            self.close()
            raise

    def frames(self, segment: Segment) -> Frame:
        """The states of `segment` as pixels (T + 1, H, W, 3).

        Raises:
            EnvError: the segment holds nothing to draw it from, or its replay differs from what was recorded.
        """
        return np.stack(list(self.iter_frames(segment)))

    def tells_truth(self, *, replay: bool) -> bool:
        """Whether segments drawn here look as the environment does while they happen, in a short trial.

        Another environment is made for it. `replay`: segments of seeds and actions, even where there are states.
        """
        if replay not in self._lies:
            self._lies[replay] = None  # the trial draws here too
            self._lies[replay] = self._try(replay)
        return self._lies[replay] is None

    def _try(self, replay: bool) -> EnvError | None:
        env = from_id(self._id, self._kwargs, "rgb_array", checked=False)
        try:
            share = SHARE if is_mujoco(env) else 0.0
            seen = list(witness(env, self._kwargs, size=self._size, replay=replay))
            for segment, frames in reversed(seen):  # not in the order in which it happened
                if not all(look_alike(*pair, share) for pair in zip(self.iter_frames(segment), frames, strict=False)):
                    return EnvError(
                        f"clips of {self._id} that are drawn later do not look as it did when it happened: it draws "
                        "more than its state, or the seed of its reset, tells; add --record-frames"
                    )
        except EnvError as error:
            return error
        finally:
            close_env(env, self._id)
        return None

    def require_truth(self, *, replay: bool) -> None:
        """Raise the `EnvError` that says why clips do not show what happens, if they do not (see `tells_truth`)."""
        if not self.is_known and not self.tells_truth(replay=replay):
            error = self._lies[replay]
            assert error is not None
            raise error

    def iter_frames(self, segment: Segment) -> Iterator[Frame]:
        """As `frames`, one (H, W, 3) at a time; a state that equals the one before is not drawn again."""
        if segment.film is not None:
            return show(segment.film)
        self.require_truth(replay=segment.sim_states is None)
        if segment.sim_states is not None:
            return self._restored(segment.sim_states, segment.model or FRESH)
        if segment.reset_seed is not None and (segment.replay_actions is not None or segment.start == 0):
            return self._replayed(segment)
        raise EnvError(
            f"a segment of {self._id} has neither simulator states nor reset seed and actions to draw it from, and no "
            "recorded frames; record it with RecordSimState, or RecordFrames where states do not tell all: "
            "--record-frames"
        )

    def _restored(self, states: NDArray[np.float64], model: Mapping[str, NDArray[Any]]) -> Iterator[Frame]:
        for step, state in enumerate(states):
            changed = self._set_model(model, step)
            # ALE's states are bytes: some are NaNs as numbers.
            if step == 0 or changed or state.tobytes() != states[step - 1].tobytes():
                restore(self._env, state)
                frame = self._draw()
            yield frame

    def _set_model(self, rows: Mapping[str, NDArray[Any]], step: int) -> bool:
        """Make the model that of state `step`, fresh but for `rows`; whether that changed anything."""
        if self._shown is rows and all(len(array) == 1 for array in rows.values()):
            return False
        self._shown = rows
        if self._model is None:
            if rows:
                raise EnvError(
                    f"a clip of {self._id} has a model, and {self._id} has none; use the kwargs it was made by"
                )
            return False
        names = self._model.set(rows, step)
        if self._camera is not None:
            self._camera.model_changed(names)
        return bool(names)

    def _replayed(self, segment: Segment) -> Iterator[Frame]:
        skipped = segment.replay_actions if segment.replay_actions is not None else segment.actions[:0]
        actions, first = np.concatenate([skipped, segment.actions]), len(skipped)
        self._set_model(FRESH, 0)
        self._shown = None  # the reset may change it
        obs = self._reset(segment.reset_seed)
        terminated, frame = False, None
        for step in range(len(actions) + 1):
            moves = not terminated
            if step > 0 and moves:
                obs, terminated = self._step(actions[step - 1])
            if step >= first:
                self._compare(segment, step - first, obs, terminated)
            if step >= first - WARM_UP and (moves or frame is None):
                frame = self._draw()
            if step >= first and frame is not None:
                yield frame

    def _reset(self, seed: int | None) -> Any:
        with watchdog.calling("reset", self._id):
            return self._env.reset(seed=seed)[0]

    def _step(self, action: NDArray[np.float32]) -> tuple[Any, bool]:
        with watchdog.calling("step", self._id):
            obs, _, terminated, _, _ = self._env.step(gym.spaces.unflatten(self._env.action_space, action))
        return obs, terminated

    def _compare(self, segment: Segment, step: int, obs: Any, terminated: bool) -> None:
        """Raise EnvError unless the replay is where the recording was."""
        same = terminated == segment.absorbing[step]
        if same and not terminated:
            same = _alike(named(obs), rows(segment.obs, step))
        if not same:
            raise EnvError(
                f"the replay of {self._id} from seed {segment.reset_seed} differs from the recording at step "
                f"{segment.start + step}; use the kwargs and versions it was recorded with, or record frames: "
                "--record-frames"
            )

    def _draw(self) -> Frame:
        assert self._camera is not None
        return self._camera.draw()

    def close(self) -> None:
        """Release the environment and its drawing context."""
        if self._camera is not None:
            self._camera.close()
        close_env(self._env, self._id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _alike(seen: Obs, recorded: Obs) -> bool:
    """Whether the same was observed, to within another machine's rounding; another episode is far outside it."""
    if {name: array.shape for name, array in seen.items()} != {name: array.shape for name, array in recorded.items()}:
        return False
    return all(np.allclose(seen[name], array, rtol=1e-3, atol=1e-4) for name, array in recorded.items())


def write_mp4(path: Path, frames: Iterable[Frame], fps: float) -> None:
    """Write `frames` (H, W, 3) as an H.264 clip that every browser plays, whole or not at all.

    Frames are taken one by one, so they may be a generator. Odd sizes are padded by a repeated row or column.

    Raises:
        StorageError: the file cannot be written.
        ValueError: there are no frames.
    """
    unfinished = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.mp4")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _encode(unfinished, frames, fps)
        os.replace(unfinished, path)
    except OSError as error:
        raise StorageError(
            f"cannot write the clip {path}: {error.strerror or error}; make room or choose another place"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _encode(path: Path, frames: Iterable[Frame], fps: float) -> None:
    with iio.imopen(path, "w", plugin="pyav") as clip:
        count = 0
        for count, frame in enumerate(frames, start=1):
            if count == 1:
                clip.init_video_stream("libx264", fps=fps, pixel_format="yuv420p")
            height, width = frame.shape[:2]
            clip.write_frame(np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
    if count == 0:
        raise ValueError("a clip needs at least one frame")
