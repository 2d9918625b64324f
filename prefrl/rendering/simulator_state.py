"""Snapshot and restore simulators, so that clips can be rendered later, elsewhere, and only when somebody will look."""

import ctypes
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import prefrl_envs  # noqa: F401  # registers prefrl's own environments
from numpy.typing import NDArray

from prefrl import watchdog
from prefrl.data.info_keys import MODEL_CHANGE, RESET_SEED, SIM_STATE
from prefrl.data.model_change import ModelChange
from prefrl.errors import EnvError
from prefrl.rendering.atari import is_ale, restore_ale, snapshot_ale
from prefrl.rendering.known import is_known
from prefrl.rendering.mujoco_model import ModelWatch

State = NDArray[np.float64]
Env = gym.Env[Any, Any]


def set_up_mujoco() -> None:
    """Prepare MuJoCo for rendering without a display and for quiet loading. Call before `gymnasium.make`; cheap.

    MuJoCo's C code prints warnings on stderr and appends them to MUJOCO_LOG.TXT in the working folder. They go to the
    logger "mujoco" instead; deprecations in model files, which no user of the model can mend, at level DEBUG.
    """
    choose_gl()
    try:
        import mujoco
    except Exception:  # not only ImportError: PyOpenGL raises AttributeError where MUJOCO_GL=egl and libEGL is missing
        return  # matters only to environments that need MuJoCo, and those say so themselves
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_log_warning)


def choose_gl() -> None:
    """Set MUJOCO_GL to egl where it is unset, Linux has no display and libEGL is there.

    Without libEGL the variable stays unset: `import mujoco` itself fails if it asks for what is missing, and training
    needs no pictures.
    """
    if "MUJOCO_GL" not in os.environ and not has_display():
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            return
        os.environ["MUJOCO_GL"] = "egl"


def has_display() -> bool:
    """Whether windows can be opened: always outside Linux, on Linux if X11 or Wayland is announced."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _log_warning(message: str) -> None:
    level = logging.DEBUG if "deprecated" in message else logging.WARNING
    logging.getLogger("mujoco").log(level, message.strip())


def snapshotter(env: Env) -> Callable[[], State] | None:
    """A function that takes snapshots of `env`; None if `env` has to be replayed instead.

    Environments that keep MuJoCo's `model` and `data`, Gymnasium's classic control, and environments with a method
    `get_sim_state()`, giving a new float64 array (state_dim,), and its inverse `set_sim_state(state)`, can be snapshot
    at a few microseconds and some hundred bytes each; Atari games at 0.2 ms and 14 KB. Those that draw more than their
    state holds, such as a goal that `render` adds, are replayed, and so are those with wrappers that may.
    """
    return None if _is_drawn_over(env) else _taker(env.unwrapped)


def _taker(simulator: Any) -> Callable[[], State] | None:
    if _has_own_state(simulator):
        return _own_taker(simulator)
    if is_mujoco(simulator):
        import mujoco

        spec, take = _mujoco_spec(), mujoco.mj_getState
        size = mujoco.mj_stateSize(simulator.model, spec)

        def snapshot_mujoco() -> State:
            state = np.empty(size)
            take(simulator.model, simulator.data, state, spec)
            return state

        return snapshot_mujoco
    if is_ale(simulator):
        return lambda: snapshot_ale(simulator.ale)
    if _is_classic_control(simulator):
        return lambda: _classic_state(simulator)
    return None


def _own_taker(simulator: Any) -> Callable[[], State]:
    name = simulator.spec.id if simulator.spec else type(simulator).__name__
    calling = watchdog.calling("get_sim_state", name)

    def snapshot_own() -> State:
        with calling:
            state = np.array(simulator.get_sim_state(), np.float64)
        if state.ndim != 1:
            raise EnvError(f"{name}: get_sim_state() gives an array {state.shape}, want (state_dim,); mend it there")
        return state

    return snapshot_own


def snapshot(env: Env) -> State | None:
    """The state (state_dim,) of the simulator in `env`, reset before; None if `env` has to be replayed instead."""
    take = snapshotter(env)
    return None if take is None else take()


def restore(env: Env, state: State) -> None:
    """Put `env`, reset before, into a state from `snapshot` of an equal environment, ready to render.

    After `step`, MuJoCo's body positions lag one integrator step behind its state; here they are brought up to date.

    Raises:
        EnvError: `env` cannot be restored, or `state` is none of its states.
    """
    take = _taker(env.unwrapped)
    current = None if take is None else take()
    name = env.spec.id if env.spec else type(env.unwrapped).__name__
    if current is None:
        raise EnvError(f"{name} has no simulator state to restore; replay it from its reset seed and actions")
    if state.shape != current.shape:
        raise EnvError(
            f"a state of {name} has shape {state.shape}, want {current.shape}; use the kwargs and versions it was "
            "recorded with"
        )
    simulator: Any = env.unwrapped
    if _has_own_state(simulator):
        with watchdog.calling("set_sim_state", name):
            simulator.set_sim_state(state)
    elif is_mujoco(simulator):
        import mujoco

        mujoco.mj_setState(simulator.model, simulator.data, state, _mujoco_spec())
        mujoco.mj_forward(simulator.model, simulator.data)
    elif is_ale(simulator):
        try:
            restore_ale(simulator, state)
        except ValueError as error:
            raise EnvError(f"{name} cannot be restored: {error}; use the kwargs it was recorded with") from error
    elif hasattr(simulator, "last_u"):
        simulator.state, simulator.last_u = state[:-1].copy(), None if np.isnan(state[-1]) else state[-1]
    else:
        simulator.state = state.copy()


def bring_up_to_date(env: Env) -> None:
    """Have the positions of bodies follow the state of `env`: MuJoCo's lag one integrator step behind after `step`."""
    simulator: Any = env.unwrapped
    if is_mujoco(simulator):
        import mujoco

        mujoco.mj_forward(simulator.model, simulator.data)


def _is_drawn_over(env: Env) -> bool:
    """Whether the pictures of `env` may show more than a state of its simulator holds."""
    layer: Any = env
    while isinstance(layer, gym.Wrapper):
        ours = type(layer).__module__.startswith(("gymnasium.wrappers.common", "prefrl."))
        if not ours and type(layer).render is not gym.Wrapper.render:
            return True
        if _is_classic_control(env.unwrapped) and not ours and not type(layer).__module__.startswith("gymnasium."):
            return True  # it may set what is drawn, the length of a pole for example
        layer = layer.env
    return is_mujoco(layer) and not _has_own_state(layer) and not _draws_its_model(layer)


def _draws_its_model(simulator: Any) -> bool:
    """Whether `simulator` is drawn as Gymnasium draws MuJoCo's model and data, and nothing is added."""
    from gymnasium.envs.mujoco.mujoco_env import MujocoEnv
    from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

    return (
        isinstance(simulator, MujocoEnv)
        and type(simulator).render is MujocoEnv.render
        and type(simulator.mujoco_renderer) is MujocoRenderer
        and "render" not in vars(simulator)
    )


def _has_own_state(simulator: Any) -> bool:
    """The names say whose protocol it is: `get_state` alone means something else in many an environment."""
    return callable(getattr(simulator, "get_sim_state", None)) and callable(getattr(simulator, "set_sim_state", None))


def is_mujoco(simulator: Any) -> bool:
    """Whether `simulator` keeps MuJoCo's `model` and `data`, and draws nothing but these."""
    mujoco = sys.modules.get("mujoco")
    if mujoco is None or isinstance(simulator.observation_space, gym.spaces.Dict):
        return False  # the goals of Gymnasium-Robotics are drawn, and no part of MuJoCo's state
    model, data = getattr(simulator, "model", None), getattr(simulator, "data", None)
    return isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData)


def _mujoco_spec() -> int:
    """All that moves and can be seen; mjSTATE_INTEGRATION would add forces and warm starts, five times the size."""
    from mujoco import mjtState

    return int(mjtState.mjSTATE_FULLPHYSICS | mjtState.mjSTATE_MOCAP_POS | mjtState.mjSTATE_MOCAP_QUAT)


def _is_classic_control(simulator: Any) -> bool:
    """The classes themselves only: a subclass may draw more than `state` holds."""
    return type(simulator).__module__.startswith("gymnasium.envs.classic_control.")


def _classic_state(simulator: Any) -> State:
    state = np.array(simulator.state, dtype=np.float64)
    if hasattr(simulator, "last_u"):  # Pendulum draws its last torque, as an arrow; none after a reset
        return np.append(state, np.nan if simulator.last_u is None else simulator.last_u)
    return state


class RecordSimState(gym.Wrapper[Any, Any, Any, Any]):
    """Adds to every `info` what it takes to render the state that comes with it.

    `info[SIM_STATE]` is a new array (state_dim,) where `snapshot` works. Elsewhere `info[RESET_SEED]` is the seed
    of the episode's reset: every reset is then seeded, and the seed with the actions so far replays the episode.
    Where an environment of no known family may do something to its model that cannot be kept, there are both.
    Resets without a seed get one from a generator that `reset(seed=...)` starts anew.
    """

    def __init__(self, env: Env, *, replay: bool = False) -> None:
        """`replay`: keep the seeds of resets even where states could be."""
        super().__init__(env)
        self._snapshot = None if replay else snapshotter(env)
        watched = self._snapshot is not None and is_mujoco(env.unwrapped) and not _has_own_state(env.unwrapped)
        self._watch = ModelWatch(env.unwrapped, is_known(env)) if watched else None
        self._seeds = self._snapshot is None or (watched and not is_known(env))
        self._rng = np.random.default_rng()
        self._reset_seed: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, seeded by `seed` or, where episodes may have to be replayed, by the wrapper's own generator."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        elif self._seeds:
            seed = int(self._rng.integers(2**31))
        self._reset_seed = seed
        obs, info = self.env.reset(seed=seed, options=options)
        self._add_to(info, None if self._watch is None else self._watch.after_reset())
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step; `info` describes the state after the step."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        self._add_to(info, None if self._watch is None else self._watch.after_step(ends=terminated or truncated))
        return obs, reward, terminated, truncated, info

    def _add_to(self, info: dict[str, Any], change: ModelChange | None) -> None:
        if self._seeds:
            info[RESET_SEED] = self._reset_seed
        if self._snapshot is None:
            return
        if self._watch is None:
            info[SIM_STATE] = self._snapshot()
        elif change is not None:  # a state alone would show another model
            info[SIM_STATE], info[MODEL_CHANGE] = self._snapshot(), change
