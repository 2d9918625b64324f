"""Small environments whose every number is known. Importing this module registers them."""

import contextlib
import os
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


def unbounded(*shape: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, shape, np.float32)


class MoveRight(gym.Env):
    """A point on a line, paid for its velocity: whoever always moves right at full speed gets 20 in 20 steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space, action_space = unbounded(1), spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, reward_scale: float = 1.0, render_mode: str | None = None) -> None:
        self.reward_scale, self.render_mode = reward_scale, render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-1, 1)
        return np.array([self.x], np.float32), {}

    def step(self, action: np.ndarray):
        self.x += 0.1 * float(action[0])
        return np.array([self.x], np.float32), self.reward_scale * float(action[0]), False, False, {}

    def render(self) -> np.ndarray:
        frame = np.zeros((32, 32, 3), np.uint8)
        frame[:, int(np.clip((self.x + 4) * 4, 0, 31))] = 255
        return frame


class Units(MoveRight):
    """The same, by actions from `low` to `high`: at full speed to the right with `high`."""

    def __init__(self, low: float = -1.0, high: float = 1.0, dtype: str = "float32") -> None:
        super().__init__()
        self.low, self.high = low, high
        self.action_space = spaces.Box(low, high, (1,), np.dtype(dtype).type)

    def step(self, action: np.ndarray):
        assert self.action_space.contains(action)
        return super().step((np.float64(action) - (self.low + self.high) / 2) / ((self.high - self.low) / 2))


class Reports(MoveRight):
    """Calls every other episode a success, by its seed."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        self.lucky = (seed or 0) % 2 == 0
        self.t = 0
        return super().reset(seed=seed)

    def step(self, action: np.ndarray):
        obs, reward, *_ = super().step(action)
        self.t += 1
        return obs, reward, self.t == 15, False, {"is_success": np.bool_(self.lucky)} if self.t == 15 else {}


class Overdone(gym.Env):
    """Too much of a good thing: paid for its action until these sum up to 10, and the opposite from then on.

    Nothing of the sum is observed, and whoever acts at random hardly ever gets so far.
    """

    observation_space, action_space = unbounded(1), spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.done = 0.0
        return np.zeros(1, np.float32), {}

    def step(self, action: np.ndarray):
        self.done += float(action[0])
        reward = float(action[0]) if self.done < 10 else -float(action[0])
        return np.zeros(1, np.float32), reward, False, False, {}


class Counter(gym.Env):
    """Counts. State t of episode e observes [t, e], both from 0; the step from it is paid 100 e + t.

    Episode e lasts `lengths[e]` steps, again from the first when all were used, and terminates, or is truncated where
    the length is negative; with a length of 0 it never ends.
    """

    observation_space, action_space = unbounded(2), spaces.Discrete(3)

    def __init__(self, lengths: tuple[int, ...] = (3,), reuse_buffer: bool = False) -> None:
        self.lengths, self.reuse_buffer, self.episode = lengths, reuse_buffer, -1
        self.buffer = np.zeros(2, np.float32)

    def observe(self) -> np.ndarray:
        if not self.reuse_buffer:
            return np.array([self.t, self.episode], np.float32)
        self.buffer[:] = self.t, self.episode
        return self.buffer

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.t, self.episode = 0, self.episode + 1
        return self.observe(), {}

    def step(self, action: int):
        reward = 100.0 * self.episode + self.t
        self.t += 1
        length = self.lengths[self.episode % len(self.lengths)]
        over = self.t == abs(length)
        return self.observe(), reward, over and length > 0, over and length < 0, {}


class OneStep(gym.Env):
    """Every episode terminates after its first step, which is paid the action."""

    observation_space, action_space = unbounded(1), spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return self.np_random.normal(size=1).astype(np.float32), {}

    def step(self, action: np.ndarray):
        return np.ones(1, np.float32), float(action[0]), True, False, {}


class RandomEnds(gym.Env):
    """Random observations (3,), rewards and lengths from 1 to 9; half of the episodes terminate, half are truncated.

    All of it depends on the seed of the reset and on the actions (2,), which shift the rewards. With `reuse_buffer` the
    observation is one array, changed in place.
    """

    observation_space, action_space = unbounded(3), spaces.Box(-0.5, 2.0, (2,), np.float32)

    def __init__(self, reuse_buffer: bool = False) -> None:
        self.reuse_buffer, self.buffer = reuse_buffer, np.zeros(3, np.float32)

    def observe(self) -> np.ndarray:
        self.buffer[:] = self.np_random.normal(size=3)
        return self.buffer if self.reuse_buffer else self.buffer.copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 10))
        self.terminates = bool(self.np_random.random() < 0.5)
        return self.observe(), {}

    def step(self, action: np.ndarray):
        self.left -= 1
        over, reward = self.left == 0, self.np_random.normal() + float(action.sum())
        return self.observe(), reward, over and self.terminates, over and not self.terminates, {}


class NotFinite(gym.Env):
    """From the second step on, observes `obs` and is paid `reward`; never ends."""

    observation_space, action_space = unbounded(2), spaces.Discrete(2)

    def __init__(self, obs: float | str = 0.0, reward: float | str = 0.0) -> None:
        self.obs, self.reward = float(obs), float(reward)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: int):
        self.t += 1
        late = self.t > 1
        return np.array([1.0, self.obs if late else 1.0], np.float32), self.reward if late else 1.0, False, False, {}


class Faulty(gym.Env):
    """Well-behaved in its first three steps; then its `step` has the fault named."""

    observation_space, action_space = unbounded(2), spaces.Discrete(2)

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: int):
        self.t += 1
        if self.t <= 3:
            return np.zeros(2, np.float32), 0.0, False, False, {}
        if self.fault == "raises":
            raise ZeroDivisionError("the wheel\nhas come off")
        if self.fault == "exits":
            raise SystemExit(0)
        odd = {"shape": np.zeros(3, np.float32), "words": np.array(["left", "up"]), "none": None}
        return odd.get(self.fault, np.zeros(2)), None if self.fault == "reward" else 0.0, False, False, {}


class Fatal(gym.Env):
    """Well-behaved for `good` steps; the next one hangs ("stays": through any signal), or ends the process."""

    observation_space, action_space = unbounded(1), spaces.Discrete(2)

    def __init__(self, fault: str, good: int = 0) -> None:
        self.fault, self.good = fault, good

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: int):
        self.good -= 1
        if self.good < 0 and self.fault == "hangs":
            time.sleep(10_000)
        while self.good < 0 and self.fault == "stays":
            with contextlib.suppress(BaseException):
                time.sleep(10_000)
        if self.good < 0 and self.fault == "exits":
            os._exit(0)
        return np.full(1, action, np.float32), float(action), False, False, {}


class Spaces(gym.Env):
    """Has an observation or action space that a vector of numbers does not fit into, or raises when it is made."""

    def __init__(self, kind: str) -> None:
        if kind == "raises":
            raise OSError("the simulator's licence has expired\nand here are 40 lines more")
        odd = {
            "dict": spaces.Dict({"position": unbounded(2)}),
            "image": spaces.Box(0, 255, (8, 8, 3), np.uint8),
            "multi_discrete": spaces.MultiDiscrete([2, 3]),
            "multi_binary": spaces.MultiBinary(4),
        }
        self.observation_space = odd[kind] if kind in ("dict", "image") else unbounded(2)
        self.action_space = odd[kind] if kind.startswith("multi") else spaces.Discrete(2)


class Windy(gym.Env):
    """A point that a wind blows about which no seed governs: nobody can replay it. Draws its place, x, as a column."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012
    observation_space, action_space = unbounded(1), spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, steps: int = 0, render_mode: str | None = None) -> None:
        """Episodes terminate after so many `steps`; never if 0."""
        self.steps, self.render_mode, self.wind = steps, render_mode, np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.t, self.x = 0, self.wind.uniform(-1, 1)
        return np.array([self.x], np.float32), {}

    def step(self, action: np.ndarray):
        self.t += 1
        self.x = float(np.clip(self.x + 0.1 * float(action[0]) + self.wind.normal() / 10, -1, 1))
        return np.array([self.x], np.float32), float(action[0]), self.t == self.steps, False, {}

    def render(self) -> np.ndarray:
        frame = np.zeros((300, 600, 3), np.uint8)
        frame[:, (np.arange(600) - self.column(self.x)) ** 2 < 30**2] = 255
        return frame

    @staticmethod
    def column(x: float) -> float:
        return 300 + 250 * x


class Flickers(gym.Env):
    """Draws well so many times, and then has the fault named, or draws what can be converted."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space, action_space = unbounded(1), spaces.Discrete(2)

    def __init__(self, fault: str, good: int = 12, render_mode: str | None = None) -> None:
        self.fault, self.good, self.render_mode = fault, good, render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: int):
        return np.zeros(1, np.float32), 0.0, False, False, {}

    def render(self) -> np.ndarray | None:
        self.good -= 1
        if self.good >= 0:
            return np.full((8, 8, 3), 100, np.uint8)
        if self.fault == "hangs":
            time.sleep(10_000)
        if self.fault == "raises":
            raise ZeroDivisionError("the lens\nhas come off")
        odd = {
            "size": np.zeros((9, 8, 3), np.uint8),
            "empty": np.zeros((0, 8, 3), np.uint8),
            "float": np.full((8, 8, 3), 0.5),
            "nan": np.full((8, 8, 3), np.nan),
            "grey": np.full((8, 8), 7, np.uint8),
            "alpha": np.full((8, 8, 4), 9, np.uint8),
        }
        return odd.get(self.fault)


for env_class in (Windy, Flickers, MoveRight, Counter, OneStep, RandomEnds, NotFinite, Faulty, Fatal, Spaces):
    limit = 20 if env_class is MoveRight else None
    gym.register(f"{env_class.__name__}-v0", env_class, max_episode_steps=limit, disable_env_checker=True)
gym.register("Units-v0", Units, max_episode_steps=20, disable_env_checker=True)
gym.register("Reports-v0", Reports, disable_env_checker=True)
gym.register("Overdone-v0", Overdone, max_episode_steps=50, disable_env_checker=True)
gym.register("Endless-v0", Counter, kwargs={"lengths": (0,)}, disable_env_checker=True)
gym.register("Uneven-v0", Counter, kwargs={"lengths": (1, -1, 30)}, disable_env_checker=True)
