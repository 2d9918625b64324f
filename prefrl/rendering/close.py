"""Close an environment, whatever it does then."""

import logging
from typing import Any

import gymnasium as gym

from prefrl import watchdog
from prefrl.errors import EnvError


def close_env(env: gym.Env[Any, Any], name: str) -> None:
    """Close `env`, called `name`. What it raises is logged: what was done with it is done."""
    try:
        with watchdog.calling("close", name):
            env.close()
    except EnvError as error:
        logging.getLogger("prefrl").warning("%s", error)
