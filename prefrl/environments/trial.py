"""Play a few episodes before a run starts: whether they can be recorded, and are long enough to ask about."""

from typing import Any

import gymnasium as gym
import numpy as np

from prefrl.config.run import TrainConfig
from prefrl.data.spaces import is_finite, named
from prefrl.environments.guarded import Guarded
from prefrl.errors import EnvError, UsageError

EPISODES = 5
"""Most episodes to play; one is enough if it lasts as long as a clip."""


def check_episodes(env: Guarded, config: TrainConfig) -> None:
    """Act at random until an episode has lasted as long as a clip. One that terminates earlier is fine, too.

    Raises:
        EnvError: `env` cannot be reset or stepped, or starts with numbers that cannot be recorded.
        UsageError: it truncates all its episodes before a clip would be full.
    """
    env.action_space.seed(config.seed)
    wanted = config.segment_length if config.reward == "learned" and config.labels else 1
    truncated_after: list[int] = []
    for seed in (config.seed, *[None] * (EPISODES - 1)):
        _check(env.reset(seed=seed)[0], 0.0, config.env_id, "reset")
        steps, truncated = _play(env, wanted, config.env_id)
        if steps == wanted:
            return
        truncated_after += [steps] * truncated
    if len(truncated_after) == EPISODES:
        shortest = min(truncated_after)
        raise UsageError(
            f"{config.env_id} truncates its episodes after {shortest} steps, before a clip of --segment-length "
            f"{wanted} is full; give --segment-length {shortest} or less"
        )


def _play(env: gym.Env[Any, Any], longest: int, name: str) -> tuple[int, bool]:
    """Steps of an episode, cut after `longest`, and whether the environment truncated it."""
    for step in range(1, longest + 1):
        obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        if step == 1:
            _check(obs, float(reward), name, "step")
        if terminated or truncated:
            return step, bool(truncated and not terminated)
    return longest, False


def _check(obs: Any, reward: float, name: str, method: str) -> None:
    """Refuse what begins with numbers that cannot be recorded; some later ones only cost their segments."""
    at_fault = None if is_finite(named(obs)) else "observation"
    if not abs(reward) <= float(np.finfo(np.float32).max):
        at_fault = "reward"
    if at_fault:
        words = "NaN, infinite, or beyond what float32 holds (3.4e38)"
        raise EnvError(f"{name}: the {at_fault} of {method}() is {words}; mend it there")
