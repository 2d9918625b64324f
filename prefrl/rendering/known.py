"""Which environments are drawn by what their simulator's state holds, as prefrl's tests show."""

from typing import Any

import gymnasium as gym

KNOWN = ("gymnasium.envs.", "gymnasium.wrappers.common", "prefrl_envs.", "prefrl.", "ale_py.")
"""Modules whose environments and wrappers are drawn truly: prefrl's tests compare the pictures of their families.

The one exception is harmless: BipedalWalker's scanning ray turns with each picture, whenever that is drawn."""


def is_known(env: gym.Env[Any, Any]) -> bool:
    """Whether `env` is of a family that need not be tried: its class and all its wrappers are."""
    layer: Any = env
    while isinstance(layer, gym.Wrapper):
        if not type(layer).__module__.startswith(KNOWN):
            return False
        layer = layer.env
    return type(layer).__module__.startswith(KNOWN) and "render" not in vars(layer)
