"""Wrappers that would make an environment another one each time it is used."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from prefrl.errors import EnvError

_NAMES = {"obs_rms", "ret_rms", "return_rms", "reward_rms", "running_mean", "running_mean_std", "running_stats"}
"""What wrappers of many packages call the mean and spread of what they have seen so far."""

_SPREADS = ("var", "std", "m2")
_COUNTS = {"count", "counts", "n_samples", "num_samples", "n_seen"}


def check_wrappers(env: gym.Env[Any, Any], name: str) -> None:
    """Look through what `env` is wrapped in.

    Raises:
        EnvError: something in it keeps running statistics: training, evaluation and clips would each see others.
    """
    for layer in _layers(env):
        kept = next((key for key, value in _attributes(layer).items() if _is_running(layer, key, value)), None)
        if kept is not None and getattr(layer, "update_running_mean", True):
            raise EnvError(
                f"{name} is wrapped in {type(layer).__name__}, whose running statistics ({kept}) would differ between "
                "training, evaluation and clips; leave it out, since prefrl normalises itself"
            )


def _layers(env: Any) -> Iterator[Any]:
    """`env`, what it wraps, what that wraps, and so on: `env` is Gymnasium's name for it, `venv` SB3's."""
    seen: list[Any] = []
    while env is not None and not any(env is one for one in seen):
        seen.append(env)
        yield env
        inside = _attributes(env)
        env = next((inside[key] for key in ("env", "venv", "_env") if key in inside), None)


def _attributes(layer: Any) -> dict[str, Any]:
    return getattr(layer, "__dict__", {})


def _is_running(layer: Any, key: str, value: Any) -> bool:
    wraps = isinstance(layer, gym.Wrapper) or not isinstance(layer, gym.Env)
    return _is_estimate(value) or (wraps and (key.lstrip("_") in _NAMES or _is_part(layer, key)))


def _is_estimate(value: Any) -> bool:
    """Whether it looks like a RunningMeanStd: it is updated, and holds a mean and a spread."""
    held = _holds_numbers(value, "mean") and any(_holds_numbers(value, spread) for spread in _SPREADS)
    return held and callable(getattr(value, "update", None)) and not isinstance(value, type)


def _holds_numbers(value: Any, name: str) -> bool:
    """Whether it has numbers or an array of that name; a table of data has methods of such names."""
    try:
        held = getattr(value, name, None)
    except Exception:  # a property of somebody else's
        return False
    return isinstance(held, int | float | np.generic) or (hasattr(held, "dtype") and not callable(held))


def _is_part(layer: Any, key: str) -> bool:
    """Whether `layer` itself counts what it has seen, beside a mean and a spread, of which `key` is the mean."""
    others = [other.lower() for other in _attributes(layer)]
    spread = any(word in other for other in others for word in _SPREADS)
    return "mean" in key.lower() and spread and any(other.strip("_") in _COUNTS for other in others)
