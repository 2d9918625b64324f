"""How agents act when nothing is learned from it. Axes: N environments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.algorithms.saving import Agent
from prefrl.data.episode import Episode
from prefrl.environments.recorder import RecordingVecEnv


def first_episodes(
    agent: Agent,
    venv: VecNormalize,
    recorder: RecordingVecEnv,
    *,
    seed: int,
    longest: int,
    random_shares: Sequence[float] | NDArray[np.float64] = (),
) -> list[Episode]:
    """The first episode of each environment, (N,), the agent acting by its policy's mode.

    Args:
        agent: who acts.
        venv: `recorder` as the agent sees it. Its statistics stay as they are.
        recorder: what is recorded there so far is forgotten.
        seed: of the first environment; the next ones follow.
        longest: steps after which episodes are cut.
        random_shares: (N,) of the steps in which the agent acts at random instead; never if empty.
    """
    shares, rng = np.asarray(random_shares), np.random.default_rng(seed)
    learning, venv.training = venv.training, False
    venv.seed(seed)
    obs, running = np.asarray(venv.reset()), np.ones(venv.num_envs, dtype=bool)
    for _ in range(longest):
        actions, _ = agent.predict(obs, deterministic=True)
        if shares.any():
            at_random = rng.random(venv.num_envs) < shares
            actions[at_random] = random_actions(venv.action_space, venv.num_envs, rng)[at_random]
        after, _, dones, _ = venv.step(actions)
        obs, running = np.asarray(after), running & ~dones
        if not running.any():
            break
    venv.training = learning
    first: dict[int, Episode] = {}
    for episode in recorder.drain():
        first.setdefault(episode.env_index, episode)
    return [first[i] for i in range(venv.num_envs)]


def random_actions(space: spaces.Space[Any], count: int, rng: np.random.Generator) -> NDArray[Any]:
    """`count` actions drawn uniformly; from a standard normal where a bound is missing."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(int(space.n), size=count)
    assert isinstance(space, spaces.Box)
    bounded = np.isfinite(space.low) & np.isfinite(space.high)
    low, high = np.where(bounded, space.low, 0.0), np.where(bounded, space.high, 0.0)
    uniform = rng.uniform(low, high, size=(count, *space.shape))
    normal = np.clip(rng.standard_normal((count, *space.shape)), space.low, space.high)
    return np.where(bounded, uniform, normal).astype(space.dtype)
