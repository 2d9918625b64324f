"""Actions in units of the agent's own, so that it learns alike whatever those of its environment are.

Axes: N environments.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

FARTHEST = 1e30
"""A bound beyond it is none: some environments write the largest float32 in place of infinity."""

ENDLESS = float(np.finfo(np.float32).max)
"""What Stable-Baselines3, which wants bounds, is told where there is none."""

Floats = NDArray[np.float64]


def bounds(space: spaces.Box) -> tuple[Floats, Floats]:
    """The least and the largest action (*shape); infinite where there is no bound."""
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    return np.where(low > -FARTHEST, low, -np.inf), np.where(high < FARTHEST, high, np.inf)


def origins(low: Floats, high: Floats) -> Floats:
    """The middle between two bounds; the bound where there is one, and 0 where there is none."""
    both = np.isfinite(low) & np.isfinite(high)
    one = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
    return np.where(both, np.where(both, low, 0.0) / 2 + np.where(both, high, 0.0) / 2, one)


@dataclass(frozen=True)
class ActionUnits:
    """What the actions of an agent are in its environment: `origin + unit * action`, cut at the bounds."""

    space: spaces.Space[Any]
    """What the environment takes."""

    agent_space: spaces.Space[Any]
    """What the agent acts in; the same object where both have the same units."""

    origin: Floats
    """(*shape) what the agent's 0 is."""

    unit: Floats
    """(*shape) what the agent's 1 is, beyond `origin`."""

    def executed(self, actions: NDArray[Any]) -> NDArray[Any]:
        """The agent's `actions` (N, *shape) as the environment takes them."""
        if self.agent_space is self.space:
            return actions
        assert isinstance(self.space, spaces.Box)
        executed: NDArray[Any] = np.clip(self.origin + self.unit * actions, *bounds(self.space))
        return executed.astype(self.space.dtype)


def action_units(space: spaces.Space[Any], *, scaled: bool) -> ActionUnits:
    """An agent's units in an environment that acts by `space`.

    Where a dimension has two bounds, they are -1 and 1 to the agent. With one, it counts from there, and with none from
    0, in the environment's units. Unless `scaled`, all dimensions have the environment's.
    """
    if not isinstance(space, spaces.Box):
        return ActionUnits(space, space, np.zeros(()), np.ones(()))
    low, high = bounds(space)
    origin, unit = np.zeros(space.shape), np.ones(space.shape)
    if scaled:
        both = np.isfinite(low) & np.isfinite(high)
        origin, unit = origins(low, high), np.where(both, (high - low) / 2, 1.0)
        low, high = np.where(both, -1.0, low - origin), np.where(both, 1.0, high - origin)
    if np.array_equal(low, space.low) and np.array_equal(high, space.high) and np.isfinite([low, high]).all():
        return ActionUnits(space, space, origin, unit)
    least, most = (np.clip(bound, -ENDLESS, ENDLESS).astype(np.float32) for bound in (low, high))
    return ActionUnits(space, spaces.Box(least, most), origin, unit)


class UnitsVecEnv(VecEnvWrapper):
    """Takes actions in an agent's units, and passes them on in those of the environments."""

    def __init__(self, venv: VecEnv, units: ActionUnits) -> None:
        super().__init__(venv, action_space=units.agent_space)
        self.units = units

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        self.venv.step_async(self.units.executed(actions))

    def step_wait(self) -> VecEnvStepReturn:
        return self.venv.step_wait()


def in_units(venv: VecEnv, units: ActionUnits) -> VecEnv:
    """`venv`, which takes actions in `units`; itself where these are its own."""
    return venv if units.agent_space is units.space else UnitsVecEnv(venv, units)
