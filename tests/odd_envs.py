"""Environments that misbehave, each in the way that `kind` names, from step `at` on. Importing this registers them."""

import os
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces


class Odd(gym.Env):
    """Observes noise and is paid its action; truncated after 20 steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def __init__(self, kind: str = "", at: int = 1, render_mode: str | None = None) -> None:
        self.kind, self.at, self.n, self.render_mode = kind, at, 0, render_mode
        self.action_space = spaces.Box(1, 1, (1,)) if kind == "lowhigh" else spaces.Box(-1, 1, (1,))

    def observe(self) -> np.ndarray:
        return self.np_random.normal(size=2) * (1e30 if self.kind == "huge" and self.n >= self.at else 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def step(self, action: np.ndarray):
        self.n, self.t = self.n + 1, self.t + 1
        if self.n >= self.at:
            self.misbehave()
        reward = float(action[0])
        rewards = {
            "array": np.array([reward]),
            "no axis": np.array(reward),
            "tensor": torch.tensor([reward], requires_grad=True),
            "true": True,
            "scalar": np.float16(reward),
            "vector": np.array([reward, 1.0]),
            "word": "1.5",
            "nothing": None,
            "complex": 1 + 2j,
            "beyond": 1e300,
        }
        ends = {"flag word": "no", "flag array": np.array([False]), "flag arrays": np.array([False, True])}
        return self.observe(), rewards.get(self.kind, reward), ends.get(self.kind, False), self.t == 20, self.info()

    def info(self) -> Any:
        theirs = {
            "sim_state": {"x": 1.0}, "jpeg_frame": b"abc", "reset_seed": "seven", "raw_terminal_observation": 3,
            "terminal_observation": "x", "TimeLimit.truncated": "maybe", "episode": 5, "is_success": "no",
        }  # fmt: skip
        return {"infos": theirs, "no info": None}.get(self.kind, {})

    def misbehave(self) -> None:
        errors = {
            "KeyboardInterrupt": KeyboardInterrupt,
            "GeneratorExit": GeneratorExit,
            "BaseException": BaseException,
        }
        if self.kind in errors:
            raise errors[self.kind]("so it goes")
        if self.kind == "chdir":
            os.chdir("/")
        if self.kind == "print":
            print("hello from the environment")
        if self.kind == "settings":
            np.seterr(all="raise")
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)

    def render(self) -> np.ndarray:
        return np.zeros((16, 16, 3), np.uint8)


class Stuck(Odd):
    """Cannot be closed."""

    def close(self) -> None:
        raise OSError("the window is gone\nthe rest")


class Blank(gym.Env):
    """Says nothing of what it observes."""

    action_space = spaces.Box(-1, 1, (1,))


class Secret(Odd):
    """Its spec is a property that raises."""

    @property
    def spec(self):
        raise KeyError("spec")

    @spec.setter
    def spec(self, value):
        pass


class Plain(Odd):
    """Has no metadata."""

    metadata = None


def make_odd(kind: str = "", render_mode: str | None = None) -> gym.Env:
    return gym.wrappers.TimeLimit(Odd(kind, render_mode=render_mode), 15)


def make_nothing() -> str:
    return "no environment"


class OwnNorm(gym.ObservationWrapper):
    """Normalises by a mean and spread that it keeps itself."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.obs_mean, self.obs_var, self.count = np.zeros(2), np.ones(2), 0

    def observation(self, obs: np.ndarray) -> np.ndarray:
        return (obs - self.obs_mean) / self.obs_var


def make_own_norm() -> gym.Env:
    return OwnNorm(Odd())


def make_normalised(frozen: bool = False, reward: bool = False) -> gym.Env:
    wrapper = gym.wrappers.NormalizeReward if reward else gym.wrappers.NormalizeObservation
    env = gym.wrappers.TimeLimit(wrapper(Odd()), 20)
    env.env.update_running_mean = not frozen
    return env


gym.register("Odd-v0", Odd, disable_env_checker=True)
