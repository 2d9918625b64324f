"""Ids of environments: Gymnasium's, or `module:name` of a class or function that makes one."""

import re
import sys
from collections.abc import Callable
from typing import Any

from prefrl.errors import UsageError


def env_id_of(env: str | Callable[..., Any]) -> str:
    """What a run writes down for `env`: an id as it is, a class or function as `module:QualName`.

    Raises:
        UsageError: another process could not find it by that name.
    """
    if isinstance(env, str):
        return env
    module, name = getattr(env, "__module__", None), getattr(env, "__qualname__", None)
    if not callable(env) or module is None or name is None:
        raise UsageError(
            f"{_short(env)} is no environment that a run can write down; give an id, or a class or function that "
            "makes one"
        )
    if found(module, name) is not env:
        raise UsageError(
            f"{module}:{name} cannot be found by this name, as a lambda or a local class cannot; define it at the top "
            "of a module, or register it with gymnasium.register and give its id"
        )
    return f"{module}:{name}"


def found(module: str, name: str) -> Any:
    """The attribute `name`, which may be dotted, of a module that was imported before; None if there is none."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def folder_name(env_id: str) -> str:
    """`env_id` as a part of a path, and of a command that nobody has to quote."""
    return re.sub(r"[^\w.-]+", "-", env_id)


def _short(value: object) -> str:
    """Without line breaks, and cut where it grows long."""
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else f"{said[:57]}..."
