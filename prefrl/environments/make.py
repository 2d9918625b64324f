"""Make environments, and check that prefrl can use them."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.environments.envpool import ENVPOOL, PoolVecEnv
from prefrl.environments.guarded import Guarded, settings_kept
from prefrl.environments.in_process import LeanVecEnv
from prefrl.environments.spaces import spaces_of
from prefrl.environments.trial import check_episodes
from prefrl.environments.wrappers import check_wrappers
from prefrl.errors import EnvError
from prefrl.rendering.from_id import from_id, names_maker
from prefrl.rendering.recording import RecordFrames
from prefrl.rendering.simulator_state import RecordSimState, snapshotter


def make_env(env_id: str, env_kwargs: Mapping[str, Any], render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make one environment and check that prefrl can use it; arguments as of `from_id`.

    Raises:
        EnvError: it cannot be made, a space is not supported, or it is in a wrapper that keeps running statistics.
    """
    with settings_kept():
        env = from_id(env_id, env_kwargs, render_mode)
    spaces_of(env.observation_space, env.action_space, env_id)
    check_wrappers(env, env_id)
    return env


def try_env(config: TrainConfig) -> int | None:
    """Make the environment and play, to learn before a run starts whether it can be used.

    Returns:
        The number of steps after which it truncates its episodes, if it is known.

    Raises:
        EnvError: it cannot be made, reset or stepped, a space is not supported, or a person could not be shown clips.
        UsageError: what steps it is not installed, or its episodes are too short to ask about.
    """
    if config.vec == "envpool":
        make_venv(config, 1).close()
    env = Guarded(make_env(config.env_id, config.env_kwargs))
    try:
        with settings_kept():
            check_episodes(env, config)
        needs_clips = TRAITS[config.teacher].needs_clips and not config.record_frames
        if needs_clips and config.env_id.startswith("__main__:"):
            raise EnvError(
                f"{config.env_id} is in the script itself, so that no other process could draw its clips; move it to a "
                "module, or add --record-frames"
            )
        if needs_clips and snapshotter(env) is None and not repeats(config):
            raise EnvError(
                f"{config.env_id} does not repeat itself after reset(seed=...), so that its clips cannot be drawn "
                "later; add --record-frames"
            )
        return env.spec.max_episode_steps if env.spec else None
    finally:
        env.close()


def time_limit(config: TrainConfig) -> int | None:
    """The number of steps after which the environment truncates its episodes, if it is known; nothing is played.

    Raises:
        EnvError: it cannot be made.
    """
    env = make_env(config.env_id, config.env_kwargs)
    env.close()
    return env.spec.max_episode_steps if env.spec else None


def repeats(config: TrainConfig, steps: int = 20) -> bool:
    """Whether the same seed and actions give the same episode again, over its first `steps`.

    Raises:
        EnvError: the environment cannot be made, reset or stepped.
    """
    env = Guarded(make_env(config.env_id, config.env_kwargs))
    try:
        with settings_kept():
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


def make_venv(config: TrainConfig, n_envs: int | None = None, drawable: bool = True) -> VecEnv:
    """`n_envs` environments (as many as the configuration asks if None), stepped in this process.

    Unless `drawable`, nothing is kept that clips could be drawn from, which takes time.

    Raises:
        EnvError: one cannot be made.
        UsageError: what steps them is not installed.
    """
    count = n_envs or config.agent.n_envs
    if config.vec == "envpool":
        if names_maker(config.env_id):
            raise EnvError(f"EnvPool has no copy of {config.env_id}, only of Gymnasium's own; leave {ENVPOOL} out")
        return PoolVecEnv(make_env(config.env_id, config.env_kwargs), count, config.env_kwargs)

    def make() -> gym.Env[Any, Any]:
        if config.record_frames:  # then nobody needs states, or seeds to replay from
            env = make_env(config.env_id, config.env_kwargs, render_mode="rgb_array")
            return RecordFrames(Guarded(env), config.env_kwargs)
        env = Guarded(make_env(config.env_id, config.env_kwargs))
        return RecordSimState(env, replay=config.replay) if drawable else env

    makers: list[Callable[[], gym.Env[Any, Any]]] = [make] * count
    return LeanVecEnv(makers)
