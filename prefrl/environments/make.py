"""Make environments, check that prefrl can use them, and guard against what they may do."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from prefrl import watchdog
from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.data.spaces import PLAIN
from prefrl.environments.envpool import PoolVecEnv
from prefrl.environments.in_process import LeanVecEnv
from prefrl.environments.spaces import spaces_of
from prefrl.errors import EnvError
from prefrl.rendering.recording import RecordFrames
from prefrl.rendering.simulator_state import RecordSimState, set_up_mujoco, snapshotter


def make_env(env_id: str, env_kwargs: Mapping[str, Any], render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make one environment and check that prefrl can use it.

    Raises:
        EnvError: unknown id (near matches are named), a space that is not supported, or an environment that raises.
    """
    set_up_mujoco()
    drawn = {} if render_mode is None else {"render_mode": render_mode}  # some environments have no such parameter
    try:
        with watchdog.calling("make"):
            env = gym.make(env_id, **{**env_kwargs, **drawn})
    except gym.error.UnregisteredEnv as error:
        raise EnvError(f"there is no environment {env_id}; {_near(env_id)}") from error
    except (Exception, SystemExit) as error:  # whatever an environment's own code may raise
        raise EnvError(f"environment {env_id} cannot be made: {type(error).__name__}: {first_line(error)}") from error
    if env.spec is not None and env.spec.id != env_id.rpartition(":")[2]:
        raise EnvError(f"{env_id} names no version, so that a run could not be repeated; name it: {env.spec.id}")
    spaces_of(env.observation_space, env.action_space, env_id)
    return env


def try_env(config: TrainConfig) -> int | None:
    """Make the environment and take a step, to learn before a run starts whether it can be used.

    Returns:
        The number of steps after which it truncates its episodes, if it is known.

    Raises:
        EnvError: it cannot be made, reset or stepped, a space is not supported, or a person could not be shown clips.
        UsageError: what steps it is not installed.
    """
    if config.vec == "envpool":
        make_venv(config, 1).close()
    env = Guarded(make_env(config.env_id, config.env_kwargs))
    env.action_space.seed(config.seed)
    try:
        env.reset(seed=config.seed)
        env.step(env.action_space.sample())
        needs_clips = TRAITS[config.teacher].needs_clips and not config.record_frames
        if needs_clips and snapshotter(env) is None and not repeats(config):
            raise EnvError(
                f"{config.env_id} does not repeat itself after reset(seed=...), so that its clips cannot be drawn "
                "later; add --record-frames"
            )
        return env.spec.max_episode_steps if env.spec else None
    finally:
        env.close()


def repeats(config: TrainConfig, steps: int = 20) -> bool:
    """Whether the same seed and actions give the same episode again, over its first `steps`.

    Raises:
        EnvError: the environment cannot be made, reset or stepped.
    """
    env = Guarded(make_env(config.env_id, config.env_kwargs))
    try:
        first, second = (_trace(env, config.seed, steps) for _ in range(2))
        return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)
    finally:
        env.close()


def _trace(env: gym.Env[Any, Any], seed: int, steps: int) -> NDArray[np.float64]:
    env.action_space.seed(seed)
    seen: list[Any] = _arrays(env.reset(seed=seed)[0])
    for _ in range(steps):
        obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        seen += [*_arrays(obs), reward, terminated, truncated]
        if terminated or truncated:
            break
    return np.concatenate([np.ravel(item).astype(np.float64) for item in seen])


def _arrays(obs: Any) -> list[Any]:
    return [obs[name] for name in sorted(obs)] if isinstance(obs, Mapping) else [obs]


def first_line(error: BaseException) -> str:
    """The first line of what `error` says."""
    return str(error).strip().split("\n")[0]


def _near(env_id: str) -> str:
    near = difflib.get_close_matches(env_id, list(gym.registry), n=3, cutoff=0.5)
    if near:
        return f"near it are {', '.join(near)}"
    return "install the package that has it, and name its module too: module:Environment-v0"


class Guarded(gym.Wrapper[Any, Any, Any, Any]):
    """Turns what an environment does wrong into an `EnvError` that names it, and copies its observations.

    SB3 resets an environment before anybody looks at its last observation, which is lost if it has but one buffer.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        # At hand: each wrapper would be asked at each step.
        self._named = isinstance(env.observation_space, spaces.Dict)
        specs = spaces_of(env.observation_space, env.action_space, self._name()).obs
        self._shapes = {name: spec.shape for name, spec in specs.items()}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        try:
            with watchdog.calling("reset"):
                obs, info = self.env.reset(seed=seed, options=options)
        except (Exception, SystemExit) as error:
            raise self._fault("reset", error) from error
        return self._checked(obs), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        try:
            with watchdog.calling("step"):
                obs, reward, terminated, truncated, info = self.env.step(action)
                reward = float(reward)
        except (Exception, SystemExit) as error:
            raise self._fault("step", error) from error
        return self._checked(obs), reward, bool(terminated), bool(truncated), info

    def _fault(self, method: str, error: BaseException) -> EnvError:
        return EnvError(f"{self._name()}: {method}() raised {type(error).__name__}: {first_line(error)}; mend it there")

    def _checked(self, obs: Any) -> Any:
        """A copy of `obs`, which is an array, or arrays by name."""
        if not self._named:
            return self._copied(obs, PLAIN)
        if not isinstance(obs, Mapping) or obs.keys() != self._shapes.keys():
            raise self._odd(np.array(obs))
        return {name: self._copied(array, name) for name, array in obs.items()}

    def _copied(self, array: Any, name: str) -> NDArray[Any]:
        copied = np.array(array)
        if copied.shape != self._shapes[name] or copied.dtype.kind not in "biuf":
            raise self._odd(copied)
        return copied

    def _odd(self, seen: NDArray[Any]) -> EnvError:
        space = self.observation_space
        return EnvError(f"{self._name()} observed {seen.dtype}{seen.shape}, but its observation_space is {space}")

    def _name(self) -> str:
        return self.spec.id if self.spec else type(self.unwrapped).__name__


def make_venv(config: TrainConfig, n_envs: int | None = None, drawable: bool = True) -> VecEnv:
    """`n_envs` environments (as many as the configuration asks if None), stepped in this process.

    Unless `drawable`, nothing is kept that clips could be drawn from, which takes time.

    Raises:
        EnvError: one cannot be made.
        UsageError: what steps them is not installed.
    """
    count = n_envs or config.agent.n_envs
    if config.vec == "envpool":
        return PoolVecEnv(make_env(config.env_id, config.env_kwargs), count, config.env_kwargs)

    def make() -> gym.Env[Any, Any]:
        if config.record_frames:  # then nobody needs states, or seeds to replay from
            env = make_env(config.env_id, config.env_kwargs, render_mode="rgb_array")
            return RecordFrames(Guarded(env), config.env_kwargs)
        env = Guarded(make_env(config.env_id, config.env_kwargs))
        return RecordSimState(env) if drawable else env

    makers: list[Callable[[], gym.Env[Any, Any]]] = [make] * count
    return LeanVecEnv(makers)
