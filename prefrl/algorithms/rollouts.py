"""How agents act when nothing is learned from it. Axes: N environments."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from prefrl.data.episode import Episode
from prefrl.environments.actions import bounds, origins
from prefrl.environments.recorder import RecordingVecEnv


def first_episodes(
    act: Callable[[NDArray[Any]], NDArray[Any]],
    recorder: RecordingVecEnv,
    *,
    seed: int,
    longest: int,
    random_shares: Sequence[float] | NDArray[np.float64] = (),
) -> list[Episode]:
    """The first episode of each environment, (N,).

    Args:
        act: what the agent does for raw observations (N, *shape), as `Algorithm.act`.
        recorder: the environments. What is recorded there so far is dropped.
        seed: of the first environment; the next ones follow.
        longest: steps after which episodes are cut.
        random_shares: (N,) of the steps in which the agent acts at random instead; never if empty.
    """
    shares, rng = np.asarray(random_shares), np.random.default_rng(seed)
    recorder.seed(seed)
    obs, running = np.asarray(recorder.reset()), np.ones(recorder.num_envs, dtype=bool)
    for _ in range(longest):
        actions = act(obs)
        if shares.any():
            at_random = rng.random(recorder.num_envs) < shares
            actions[at_random] = random_actions(recorder.action_space, recorder.num_envs, rng)[at_random]
        after, _, dones, _ = recorder.step(actions)
        obs, running = np.asarray(after), running & ~dones
        if not running.any():
            break
    first: dict[int, Episode] = {}
    for episode in recorder.drain():
        first.setdefault(episode.env_index, episode)
    return [first[i] for i in range(recorder.num_envs)]


def random_actions(space: spaces.Space[Any], count: int, rng: np.random.Generator) -> NDArray[Any]:
    """`count` actions drawn uniformly; from a standard normal around 0, or around the bound, where one is missing."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(int(space.n), size=count)
    assert isinstance(space, spaces.Box)
    least, most = bounds(space)
    bounded = np.isfinite(least) & np.isfinite(most)
    low, high = np.where(bounded, space.low, 0.0), np.where(bounded, space.high, 0.0)
    uniform = rng.uniform(low, high, size=(count, *space.shape))
    normal = np.clip(origins(least, most) + rng.standard_normal((count, *space.shape)), least, most)
    return np.where(bounded, uniform, normal).astype(space.dtype)
