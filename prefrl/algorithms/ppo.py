"""Values after the reward has changed: what PPO expects must be of the reward that it is paid now.

Axes: K episodes of T steps.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.data.episode import Episode
from prefrl.environments.recorder import LearnedRewardVecEnv


def move_values(agent: PPO, normaliser: VecNormalize, paid: LearnedRewardVecEnv, episodes: Sequence[Episode]) -> None:
    """Add to all values of `agent` the constant that fits best to what its latest `episodes` would be paid now.

    A new reward has another mean. A mean that moves by d moves every value by d / (1 - gamma), and so the advantage of
    a step that ends an episode, and of no other: until the value net had followed, which takes it many updates, dying
    would look better or worse than it is. Episodes with a value that is not finite are left out.
    """
    episodes = [e for e in episodes if np.isfinite(e.obs).all()]
    if episodes:
        rewards = [normaliser.normalize_reward(paid.pay(*e.transitions)) for e in episodes]
        values = [_values(agent, normaliser, e) for e in episodes]
        terminated = np.array([e.terminated for e in episodes])
        with torch.no_grad():
            agent.policy.value_net.bias.add_(offset(rewards, values, terminated, agent.gamma))


@torch.no_grad()
def _values(agent: PPO, normaliser: VecNormalize, episode: Episode) -> NDArray[np.float64]:
    obs = torch.as_tensor(normaliser.normalize_obs(episode.obs), dtype=torch.float32)
    values: NDArray[np.float64] = agent.policy.predict_values(obs)[:, 0].double().numpy()
    values[-1] *= not episode.terminated
    return values


def offset(
    rewards: Sequence[NDArray[np.floating]],
    values: Sequence[NDArray[np.floating]],
    terminated: NDArray[np.bool_],
    gamma: float,
) -> float:
    """The constant to add to the values of all states that leaves no temporal difference on average.

        c = sum_t delta_t / sum_t (1 - gamma [s_{t+1} is not terminal])

    LSTD with a constant as its only feature (Bradtke & Barto 1996).

    Args:
        rewards: of each episode (T,).
        values: of each episode's states (T + 1,), 0 for a terminal one.
        terminated: (K,) whether the last state is terminal.
        gamma: discount factor, below 1.
    """
    deltas = sum(float((r + gamma * v[1:] - v[:-1]).sum()) for r, v in zip(rewards, values, strict=True))
    weight = sum(len(r) * (1 - gamma) + gamma * bool(ends) for r, ends in zip(rewards, terminated, strict=True))
    return deltas / weight
