"""Value nets after the reward has changed: what PPO expects must be of the reward that it is paid now.

Axes: T steps of an episode, L steps of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from prefrl.segments import Episode
from prefrl.vec_env import LearnedRewardVecEnv

ROUNDS, PASSES = 3, 2  # targets computed anew, and passes over all steps towards them
BATCH, RATE, LONGEST_GRADIENT = 512, 1e-3, 0.5


def refit_values(
    agent: PPO,
    normaliser: VecNormalize,
    paid: LearnedRewardVecEnv,
    episodes: Sequence[Episode],
    generator: torch.Generator,
) -> None:
    """Fit the agent's value net to what its latest `episodes` would be paid now, by lambda-returns.

    A new reward has another mean and another scale. A mean that moves by d moves every value by d / (1 - gamma), and so
    the advantage of a step that ends an episode: until the value net had followed, dying looked better or worse than it
    is. So all values are moved by what fits best, in one step, and then each by gradient steps. Policy, its optimiser
    and the normaliser stay as they are. Episodes with a value that is not finite are left out.
    """
    episodes = [e for e in episodes if np.isfinite(e.obs).all()]
    if not episodes:
        return
    obs = [torch.as_tensor(normaliser.normalize_obs(e.obs), dtype=torch.float32) for e in episodes]  # (T + 1, obs_dim)
    steps = _Steps(
        torch.cat([x[:-1] for x in obs]),
        torch.cat([x[-1:] for x in obs]),
        [normaliser.normalize_reward(_pay(paid, e)) for e in episodes],
        np.array([e.terminated for e in episodes]),
    )
    net = torch.nn.Sequential(agent.policy.mlp_extractor.value_net, agent.policy.value_net)
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    with torch.no_grad():
        agent.policy.value_net.bias.add_(offset(steps.rewards, steps.values(net), steps.terminated, agent.gamma))
    for _ in range(ROUNDS):
        pairs = zip(steps.rewards, steps.values(net), strict=True)
        found = np.concatenate([lambda_returns(r, v, agent.gamma, agent.gae_lambda) for r, v in pairs])
        targets = torch.as_tensor(found, dtype=torch.float32)
        for _ in range(PASSES):
            for index in torch.randperm(len(targets), generator=generator).split(BATCH):
                loss = torch.nn.functional.mse_loss(net(steps.inputs[index])[:, 0], targets[index])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), LONGEST_GRADIENT)
                optimizer.step()


def _pay(paid: LearnedRewardVecEnv, episode: Episode) -> NDArray[np.float32]:
    terminated = np.zeros(len(episode.actions), np.bool_)
    terminated[-1] = episode.terminated
    return paid.pay(episode.obs[:-1], episode.actions, episode.obs[1:], terminated)


@dataclass(frozen=True, eq=False)
class _Steps:
    """What the agent saw and would be paid now, L steps of K episodes."""

    inputs: Tensor  # (L, obs_dim) normalised observations before each step
    ends: Tensor  # (K, obs_dim) and after the last one of each episode
    rewards: list[NDArray[np.float32]]  # K of (T,)
    terminated: NDArray[np.bool_]  # (K,)

    @torch.no_grad()
    def values(self, net: torch.nn.Module) -> list[NDArray[np.float64]]:
        """K of (T + 1,), by `net`; 0 for a terminal state."""
        before = net(self.inputs)[:, 0].double().numpy()
        after = net(self.ends)[:, 0].double().numpy() * ~self.terminated
        parts = np.split(before, np.cumsum([len(r) for r in self.rewards])[:-1])
        return [np.append(part, last) for part, last in zip(parts, after, strict=True)]


def offset(
    rewards: Sequence[NDArray[np.floating]],
    values: Sequence[NDArray[np.floating]],
    terminated: NDArray[np.bool_],
    gamma: float,
) -> float:
    """The constant to add to the values of all states that leaves no temporal difference on average.

        c = sum_t delta_t / sum_t (1 - gamma [s_{t+1} is not terminal])

    LSTD with a constant as its only feature (Bradtke & Barto 1996). Arguments of K episodes as in `lambda_returns`.
    """
    deltas = sum(float((r + gamma * v[1:] - v[:-1]).sum()) for r, v in zip(rewards, values, strict=True))
    weight = sum(len(r) * (1 - gamma) + gamma * bool(ends) for r, ends in zip(rewards, terminated, strict=True))
    return deltas / weight


def lambda_returns(
    rewards: NDArray[np.floating], values: NDArray[np.floating], gamma: float, gae_lambda: float
) -> NDArray[np.float64]:
    """TD(lambda) returns (T,) of an episode: V_t + sum_k (gamma lambda)^k delta_{t+k} (Schulman et al. 2016, GAE).

    Args:
        rewards: (T,)
        values: (T + 1,) of the states, the last one included: 0 if it is terminal.
        gamma: discount factor.
        gae_lambda: 0 trusts the values, 1 the rewards.
    """
    assert rewards.ndim == 1 and values.shape == (len(rewards) + 1,)
    deltas = rewards + gamma * values[1:] - values[:-1]
    advantages = lfilter([1.0], [1.0, -gamma * gae_lambda], deltas[::-1])[::-1]
    returns: NDArray[np.float64] = values[:-1] + advantages
    return returns
