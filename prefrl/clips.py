"""Segment -> frames -> H.264 clip."""

import importlib
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

from prefrl.errors import EnvError, StorageError
from prefrl.simstate import has_display, restore, set_up_mujoco
from prefrl.types import Segment

Frame = NDArray[np.uint8]

WARM_UP = 10
"""Frames drawn and dropped before a replayed segment: LunarLander's sparks, for one, fade only as they are drawn."""


class Renderer:
    """Draws the segments of one environment, in the thread that made it. A context manager.

    MuJoCo is drawn at `size` x `size` pixels without shadows, reflections and multisampling, which is about ten times
    as fast in software, by the camera that follows the agent. Other environments draw at a size of their own.

    Raises:
        EnvError: the environment cannot be made, or cannot draw here.
    """

    fps: float
    """Frames per second at which the environment runs in real time; 30 if it does not say."""

    def __init__(self, env_id: str, env_kwargs: Mapping[str, Any] | None = None, *, size: int = 256) -> None:
        set_up_mujoco()
        kwargs = {**(env_kwargs or {}), "render_mode": "rgb_array"}
        try:
            self._env: gym.Env[Any, Any] = gym.make(env_id, disable_env_checker=True, **kwargs)
        except (gym.error.Error, ImportError, TypeError) as error:
            raise EnvError(f"cannot make {env_id} to draw clips: {error}") from error
        self._id = env_id
        self._viewer: Any = None
        self.fps = float(self._env.metadata.get("render_fps") or 30)
        try:
            self._env.reset(seed=0)  # some cameras stay where the first state drawn puts them: always the same
            if hasattr(self._env.unwrapped, "mujoco_renderer"):
                self._viewer = _open_viewer(self._env, size, follow=not any("camera" in name for name in kwargs))
            self._draw()  # an environment that cannot be drawn says so now, not in the middle of a run
        except BaseException:
            self.close()
            raise

    def frames(self, segment: Segment) -> Frame:
        """The states of `segment` as pixels (T + 1, H, W, 3).

        Raises:
            EnvError: the segment holds nothing to draw it from, or its replay differs from what was recorded.
        """
        return np.stack(list(self.iter_frames(segment)))

    def iter_frames(self, segment: Segment) -> Iterator[Frame]:
        """As `frames`, one (H, W, 3) at a time; a state that equals the one before is not drawn again."""
        if segment.sim_states is not None:
            return self._restored(segment.sim_states)
        if segment.reset_seed is not None and (segment.replay_actions is not None or segment.start == 0):
            return self._replayed(segment)
        raise EnvError(
            f"a segment of {self._id} has neither simulator states nor reset seed and actions to draw it from; "
            "record it with RecordSimState"
        )

    def _restored(self, states: NDArray[np.float64]) -> Iterator[Frame]:
        for step, state in enumerate(states):
            if step == 0 or state.tobytes() != states[step - 1].tobytes():  # ALE's are bytes: some are NaNs as numbers
                restore(self._env, state)
                frame = self._draw()
            yield frame

    def _replayed(self, segment: Segment) -> Iterator[Frame]:
        skipped = segment.replay_actions if segment.replay_actions is not None else segment.actions[:0]
        actions, first = np.concatenate([skipped, segment.actions]), len(skipped)
        obs, _ = self._env.reset(seed=segment.reset_seed)
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

    def _step(self, action: NDArray[np.float32]) -> tuple[Any, bool]:
        obs, _, terminated, _, _ = self._env.step(gym.spaces.unflatten(self._env.action_space, action))
        return obs, terminated

    def _compare(self, segment: Segment, step: int, obs: Any, terminated: bool) -> None:
        """The tolerance lets another machine's rounding pass; another episode is far outside it."""
        same = terminated == segment.absorbing[step]
        if same and not terminated:
            flat = gym.spaces.flatten(self._env.observation_space, obs)
            same = np.allclose(np.asarray(flat, dtype=np.float32), segment.obs[step], rtol=1e-3, atol=1e-4)
        if not same:
            raise EnvError(
                f"the replay of {self._id} from seed {segment.reset_seed} differs from the recording at step "
                f"{segment.start + step}; use the kwargs and versions it was recorded with"
            )

    def _draw(self) -> Frame:
        if self._viewer is not None:
            self._viewer.make_context_current()  # another renderer in this process may have been at work
        return _as_rgb(self._env.render(), self._id)

    def close(self) -> None:
        """Release the environment and its drawing context.

        Gymnasium leaves MuJoCo's part of it to the garbage collector, which deletes the OpenGL objects of the same
        numbers in whatever context is current by then: the next renderer's, whose pictures go black.
        """
        if self._viewer is not None:
            self._viewer.make_context_current()
            self._viewer.con.free()
            self._viewer = None
        self._env.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_viewer(env: gym.Env[Any, Any], size: int, *, follow: bool) -> Any:
    """The viewer of Gymnasium's MuJoCo environment `env`, made by its first frame, and set to draw fast.

    Gymnasium 1.4 no longer uses the model's "track" camera by default, and runners leave the picture; `follow` does.
    """
    import mujoco

    simulator: Any = env.unwrapped
    model, renderer = simulator.model, simulator.mujoco_renderer
    renderer.width = renderer.height = size
    model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
    model.vis.global_.offheight = max(model.vis.global_.offheight, size)
    model.vis.quality.offsamples = 0
    camera = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if follow and camera >= 0:
        renderer.camera_id = camera
    _draw_first(env)
    for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
        renderer.viewer.scn.flags[flag] = 0
    return renderer.viewer


def _draw_first(env: gym.Env[Any, Any]) -> None:
    """Have the viewer made, or raise `EnvError`; OpenGL is tried first, as a half-made viewer prints tracebacks."""
    backend = os.environ.get("MUJOCO_GL")
    try:
        if backend is not None:
            importlib.import_module(f"mujoco.{backend}").GLContext(16, 16).free()
        elif not has_display():
            raise ImportError("libEGL.so.1 is missing")
        env.render()
    except Exception as error:  # each OpenGL library fails in a way of its own
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        raise EnvError(
            f"cannot draw {name} with MUJOCO_GL {backend or 'unset'}: {str(error).partition(chr(10))[0]}; "
            "set MUJOCO_GL=egl, and on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
        ) from error


def _as_rgb(picture: Any, env_id: str) -> Frame:
    """A copy of `picture` as (H, W, 3): grey is repeated, alpha dropped, fractions from 0 to 1 scaled to 0 to 255."""
    array = np.array(picture) if picture is not None else np.empty(0)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or array.dtype.kind not in "uif":
        got = "nothing" if picture is None else f"{array.dtype}{array.shape}"
        raise EnvError(f"{env_id} draws {got}, want pixels (height, width, 3); it needs a render mode rgb_array")
    if array.dtype.kind == "f":
        array = np.rint(array * 255.0 if array.max() <= 1 else array)
    array = np.clip(array, 0, 255).astype(np.uint8)
    return np.repeat(array, 3, axis=-1) if array.shape[-1] == 1 else np.ascontiguousarray(array[..., :3])


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
