"""Draw a Gymnasium environment as it stands."""

import importlib
import math
import numbers
import os
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from prefrl import watchdog
from prefrl.errors import EnvError
from prefrl.rendering.mujoco_model import upload
from prefrl.rendering.simulator_state import has_display

Frame = NDArray[np.uint8]


def rate(metadata: Any) -> float:
    """Steps per second at which an environment with this metadata runs in real time; 30 if it does not say."""
    said = metadata.get("render_fps") if isinstance(metadata, Mapping) else None
    return float(said) if isinstance(said, numbers.Real) and 0 < float(said) < math.inf else 30.0


class Camera:
    """Draws one environment that was made with `render_mode="rgb_array"`, in the thread that made the camera.

    MuJoCo is drawn at `size` x `size` pixels without shadows, reflections and multisampling, which is about ten times
    as fast in software, by the camera that follows the agent. Other environments draw at a size of their own.

    Raises:
        EnvError: the environment cannot draw here.
    """

    def __init__(self, env: gym.Env[Any, Any], env_kwargs: Mapping[str, Any], *, size: int = 256) -> None:
        """`env`: reset before, and made with `env_kwargs`. A MuJoCo camera that these ask for is kept."""
        self._env = env
        self._name = env.spec.id if env.spec else type(env.unwrapped).__name__
        self._shape: tuple[int, ...] | None = None  # of the first picture
        self._viewer: Any = None
        if hasattr(env.unwrapped, "mujoco_renderer"):
            self._viewer = _open_viewer(env, size, follow=not any("camera" in name for name in env_kwargs))

    def draw(self) -> Frame:
        """The environment now, as pixels (H, W, 3).

        Raises:
            EnvError: it draws no picture, or one of another size than before.
        """
        if self._viewer is not None:
            self._viewer.make_context_current()  # another camera in this process may have been at work
        with watchdog.calling("render", self._name):
            picture = self._env.render()
        frame = as_rgb(picture, self._name)
        self._shape = self._shape or frame.shape
        if frame.shape != self._shape:
            raise EnvError(f"{self._name} draws {frame.shape} after {self._shape}; its pictures must be of one size")
        return frame

    def model_changed(self, names: set[str]) -> None:
        """Draw from now on by what the arrays of these `names` hold in MuJoCo's model."""
        if self._viewer is not None:
            self._viewer.make_context_current()
            upload(self._viewer.model, self._viewer.con, names)

    def close(self) -> None:
        """Release the drawing context; call it before the environment is closed.

        Gymnasium leaves that to the garbage collector, which deletes the OpenGL objects of the same numbers in whatever
        context is current by then: the next camera's, whose pictures go black.
        """
        if self._viewer is not None:
            self._viewer.make_context_current()
            self._viewer.con.free()
            self._viewer = None


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
    name = env.spec.id if env.spec else type(env.unwrapped).__name__
    with watchdog.calling("render", name):
        try:
            if backend is not None:
                importlib.import_module(f"mujoco.{backend}").GLContext(16, 16).free()
            elif not has_display():
                raise ImportError("libEGL.so.1 is missing")
            env.render()
        except Exception as error:  # each OpenGL library fails in a way of its own
            raise EnvError(
                f"cannot draw {name} with MUJOCO_GL {backend or 'unset'}: {watchdog.first_line(error)}; "
                "set MUJOCO_GL=egl, and on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
            ) from error


def as_rgb(picture: Any, env_id: str) -> Frame:
    """A copy of `picture` as (H, W, 3): grey is repeated, alpha dropped, fractions from 0 to 1 scaled to 0 to 255."""
    array = np.array(picture) if picture is not None else np.empty(0)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or array.size == 0 or array.dtype.kind not in "uif":
        got = "nothing" if picture is None else f"{array.dtype}{array.shape}"
        raise EnvError(f"{env_id} draws {got}, want pixels (height, width, 3); it needs a render mode rgb_array")
    if array.dtype.kind == "f":
        array = np.nan_to_num(array)
        array = np.rint(array * 255.0 if array.max() <= 1 else array)
    array = np.clip(array, 0, 255).astype(np.uint8)
    return np.repeat(array, 3, axis=-1) if array.shape[-1] == 1 else np.ascontiguousarray(array[..., :3])
