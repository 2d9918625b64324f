"""Make the environment that an id names: Gymnasium's ids, and `module:name` of a class or function that makes one."""

import difflib
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym

from prefrl import watchdog
from prefrl.config.env_ids import found
from prefrl.config.trust import require_trust
from prefrl.errors import EnvError
from prefrl.rendering.simulator_state import set_up_mujoco

Env = gym.Env[Any, Any]


def from_id(env_id: str, env_kwargs: Mapping[str, Any], render_mode: str | None = None, *, checked: bool = True) -> Env:
    """Make an environment, whether prefrl can use it or not.

    Args:
        env_id: a Gymnasium id, with its module before a colon or without; or `module:name` of what makes it.
        env_kwargs: its options.
        render_mode: None where nothing is drawn: some environments have no such parameter.
        checked: whether Gymnasium warns of what is odd about its first steps.

    Raises:
        EnvError: there is no such environment, it cannot be made, or it is in a module that the user has not named.
    """
    set_up_mujoco()
    kwargs = {**env_kwargs, **({} if render_mode is None else {"render_mode": render_mode})}
    with watchdog.calling("make", env_id):
        maker = _maker(env_id)
        if maker is not None:
            return _whole(_an_env(maker(**kwargs), env_id))
        try:
            env = _whole(gym.make(env_id, disable_env_checker=None if checked else True, **kwargs))
        except gym.error.UnregisteredEnv as error:
            raise EnvError(f"there is no environment {env_id}; {_near(env_id)}") from error
    if env.spec is not None and env.spec.id != env_id.rpartition(":")[2]:
        raise EnvError(f"{env_id} names no version, so that a run could not be repeated; name it: {env.spec.id}")
    return env


def names_maker(env_id: str) -> bool:
    """Whether it names a class or function, and nothing that Gymnasium knows once the module is imported."""
    return ":" in env_id and env_id.rpartition(":")[2] not in gym.registry


def _maker(env_id: str) -> Callable[..., Any] | None:
    """The class or function that `env_id` names; None if Gymnasium knows better. Its module is imported."""
    module, _, name = env_id.rpartition(":")
    if not module:
        return None
    if module not in sys.modules:
        require_trust(env_id)
        _import(module)
    maker: Callable[..., Any] | None = None if name in gym.registry else found(module, name)
    if maker is None and module == "__main__":
        raise EnvError(
            f"{env_id} is in the script that started the run; go on from that script, or move it to a module and start "
            "a run with that"
        )
    if not callable(maker):
        return None
    if not (isinstance(maker, type) and issubclass(maker, gym.Env)):
        require_trust(env_id)  # any function of any module could be named
    return maker


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, but needs another
        raise EnvError(
            f"there is no module {module} in this folder nor among the installed packages; change to its folder, or "
            "install the package that has it"
        ) from error


def _an_env(made: Any, env_id: str) -> Env:
    if not isinstance(made, gym.Env):
        raise EnvError(f"{env_id} makes {type(made).__name__}, want a gymnasium.Env; mend it there")
    return made


def _whole(env: Env) -> Env:
    """`env`, of which all has been read that prefrl asks it for: some lack it, or it is a property that raises."""
    for name in ("spec", "metadata", "observation_space", "action_space"):
        getattr(env, name)
    return env


def _near(env_id: str) -> str:
    module, _, _ = env_id.rpartition(":")
    classes = [name for name, value in vars(sys.modules.get(module, object)).items() if _is_own(value, module)]
    near = difflib.get_close_matches(env_id, [*gym.registry, *(f"{module}:{n}" for n in classes)], n=3, cutoff=0.5)
    if near:
        return f"near it are {', '.join(near)}"
    return "install the package that has it, and name its module too: module:Environment-v0"


def _is_own(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, gym.Env) and value.__module__ == module
