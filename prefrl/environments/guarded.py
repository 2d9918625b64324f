"""A guard around an environment: what it does wrong becomes an error of one line that names it."""

import numbers
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from prefrl import watchdog
from prefrl.data.spaces import PLAIN
from prefrl.environments.spaces import spaces_of
from prefrl.errors import EnvError
from prefrl.rendering.close import close_env


class Guarded(gym.Wrapper[Any, Any, Any, Any]):
    """Turns what an environment does wrong into an `EnvError` that names it, and copies its observations.

    SB3 resets an environment before anybody looks at its last observation, which is lost if it has but one buffer.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        # At hand: each wrapper would be asked at each step.
        self._named = isinstance(env.observation_space, spaces.Dict)
        self._name = env.spec.id if env.spec else type(env.unwrapped).__name__
        specs = spaces_of(env.observation_space, env.action_space, self._name).obs
        self._shapes = {name: spec.shape for name, spec in specs.items()}
        self._resetting = watchdog.calling("reset", self._name)
        self._stepping = watchdog.calling("step", self._name)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        with self._resetting:
            obs, info = self.env.reset(seed=seed, options=options)
            return self._checked(obs), self._told(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        with self._stepping:
            obs, reward, terminated, truncated, info = self.env.step(action)
            return (
                self._checked(obs),
                reward if type(reward) is float else self._number(reward, "reward"),
                terminated if type(terminated) is bool else self._flag(terminated, "terminated"),
                truncated if type(truncated) is bool else self._flag(truncated, "truncated"),
                self._told(info),
            )

    def close(self) -> None:
        close_env(self.env, self._name)

    def _number(self, value: Any, what: str) -> float:
        """`value` as a float: whatever Python counts as a number, and an array or tensor of one element."""
        number = only(value)
        if not isinstance(number, numbers.Real):
            raise EnvError(f"{self._name}: the {what} of step() is {_short(value)}, want one number; mend it there")
        return float(number)

    def _flag(self, value: Any, what: str) -> bool:
        flag = only(value)
        if not is_flag(flag):
            raise EnvError(f"{self._name}: {what} of step() is {_short(value)}, want a bool; mend it there")
        return bool(flag)

    def _told(self, info: Any) -> dict[str, Any]:
        """A copy of `info` without what SB3 would take for a summary of an episode, and stumble over."""
        if not isinstance(info, Mapping):
            raise EnvError(f"{self._name}: info is {_short(info)}, want a dict; mend it there")
        told = dict(info)
        if "episode" in told and not _is_summary(told["episode"]):
            del told["episode"]
        return told

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
        return EnvError(f"{self._name} observed {seen.dtype}{seen.shape}, but its observation_space is {space}")


def only(value: Any) -> Any:
    """The element of an array or tensor that holds only one; anything else as it is."""
    try:
        return value.item() if hasattr(value, "item") else value
    except (ValueError, RuntimeError, TypeError):  # numpy's, torch's and others' for more than one
        return value


def is_flag(value: Any) -> bool:
    """Whether it is a bool, or a number that stands for one."""
    return isinstance(value, numbers.Real | np.bool_) and value in (0, 1)


def _short(value: Any) -> str:
    """What `value` is, in a few words."""
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}{tuple(shape)}" if shape else f"{' '.join(repr(value).split()):.60}"


def _is_summary(value: Any) -> bool:
    """Whether it is what Gymnasium's RecordEpisodeStatistics and SB3's Monitor tell at the end of an episode."""
    return isinstance(value, Mapping) and all(isinstance(only(value.get(key)), numbers.Real) for key in "rl")


@contextmanager
def settings_kept() -> Iterator[None]:
    """Within, environments are made and run: what they set in numpy or torch for the whole process is undone then."""
    dtype, learns, threads = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    try:
        with np.errstate():
            yield
    finally:
        if torch.get_default_dtype() is not dtype:
            torch.set_default_dtype(dtype)
        if torch.is_grad_enabled() is not learns:
            torch.set_grad_enabled(learns)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
