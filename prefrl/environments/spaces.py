"""From Gymnasium's spaces to prefrl's: the one place that knows which of them are supported."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces, named
from prefrl.environments.actions import bounds
from prefrl.errors import EnvError

LARGEST_ACTION = 1e12
"""The largest finite bound of an action."""

NARROWEST = 1e-5
"""The least distance of two bounds, as a share of the larger: float32 has about a hundred numbers between them."""


def spaces_of(observation_space: spaces.Space[Any], action_space: spaces.Space[Any], name: str) -> Spaces:
    """What an environment called `name` observes and how it acts.

    Raises:
        EnvError: one of its spaces is not supported.
    """
    _check_observations(observation_space, name)
    _check_actions(action_space, name)
    nothing = named(np.zeros(observation_space.shape or (), observation_space.dtype))
    obs = {key: ArraySpec(array.shape, str(array.dtype)) for key, array in nothing.items()}
    if isinstance(action_space, spaces.Discrete):
        return Spaces(obs, ActionSpec(int(action_space.n), "discrete"))
    return Spaces(obs, ActionSpec(int(np.prod(action_space.shape or ())), "box"))


def _check_observations(space: spaces.Space[Any], name: str) -> None:
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        remedy = "wrap it with gymnasium.wrappers.FlattenObservation, or choose another"
        raise EnvError(f"{name} observes {space}; prefrl learns from vectors (a Box with one axis): {remedy}")
    if space.shape == (0,):
        raise EnvError(f"{name} observes nothing ({space}); choose another environment")


def _check_actions(space: spaces.Space[Any], name: str) -> None:
    if not isinstance(space, spaces.Box | spaces.Discrete) or space.shape == (0,):
        raise EnvError(f"{name} acts by {space}; prefrl acts by Box or Discrete: wrap it, or choose another")
    if isinstance(space, spaces.Discrete) and space.start != 0:
        raise EnvError(f"{name} acts by {space}; SB3 counts actions from 0: wrap it by TransformAction")
    if isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.floating):
        raise EnvError(f"{name} acts by {space}; prefrl's continuous actions are floats: wrap it by TransformAction")
    fault = _fault_of_bounds(space) if isinstance(space, spaces.Box) else None
    if fault:
        raise EnvError(f"{name} acts by {space}, {fault}: mend its action_space, or wrap it by RescaleAction")


def _fault_of_bounds(space: spaces.Box) -> str | None:
    """Why nothing can be chosen between the bounds of `space`, or the choice is not kept in float32."""
    low, high = bounds(space)
    if np.isnan(space.low).any() or np.isnan(space.high).any():
        return "with bounds that are no numbers"
    if (low > high).any():
        return "with a lower bound above the upper one"
    if (low == high).all():  # one component may be fixed, a locked joint for example
        return "where there is nothing to choose"
    both = np.isfinite(low) & np.isfinite(high)
    largest = np.where(both, np.maximum(np.abs(low), np.abs(high)), 0.0)
    if largest.max() > LARGEST_ACTION:
        return f"with finite bounds beyond {LARGEST_ACTION:g}, where float32 is coarse; infinite ones are fine"
    with np.errstate(invalid="ignore"):  # of what is not finite
        narrow = both & (low < high) & (high - low < np.maximum(largest * NARROWEST, 1e-30))
    return "with bounds so near each other that float32 hardly tells them apart" if narrow.any() else None


def action_array(space: spaces.Space[Any], actions: NDArray[Any]) -> NDArray[np.float32]:
    """Executed actions as rewards see them, (N, width): one-hot if discrete, else flat and clipped to their bounds."""
    if isinstance(space, spaces.Discrete):
        index = np.asarray(actions, dtype=np.int64)
        one_hot: NDArray[np.float32] = np.eye(int(space.n), dtype=np.float32)[index]
        return one_hot
    assert isinstance(space, spaces.Box)
    clipped = np.clip(actions, space.low, space.high).astype(np.float32)
    flat: NDArray[np.float32] = clipped.reshape(len(clipped), -1)
    return flat
