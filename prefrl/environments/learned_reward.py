"""A wrapper around any Stable-Baselines3 `VecEnv` that pays a learned reward. Axes: N environments."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.data.info_keys import LAST_OBS
from prefrl.data.spaces import Obs, Spaces, named
from prefrl.environments.recorder import terminations
from prefrl.environments.spaces import action_array, spaces_of


class RewardFunction(Protocol):
    """What `LearnedRewardVecEnv` pays: a reward model, or whatever else knows a reward of its own."""

    def reward(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Rewards (N,) of N transitions, as `data.batch.Transitions` describes them."""

    def absorbing_reward(self) -> float:
        """Reward of one more step after an episode has terminated."""


class RewardModel(RewardFunction, Protocol):
    """A reward function that was made for certain observations and actions."""

    @property
    def spaces(self) -> Spaces:
        """What it takes."""


class LearnedRewardVecEnv(VecEnvWrapper):
    """Pays the reward that `ensemble` has learned in place of the environment's, which goes to `info["true_reward"]`.

    A termination is paid r(s, a, s') + gamma / (1 - gamma) * r_absorbing, the discounted worth of staying dead for
    ever: nobody gains or loses by dying but what the answers say. With `neutral_endings` r_absorbing is 0 instead,
    the mean of the steps before the last fit that end nothing. A time limit is paid nothing extra; SB3 adds
    gamma * V(terminal observation) to it afterwards, on top of this reward.
    """

    def __init__(self, venv: VecEnv, ensemble: RewardModel, gamma: float, *, neutral_endings: bool = False) -> None:
        """`gamma`: the discount factor of the algorithm that will learn, in [0, 1)."""
        super().__init__(venv)
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma is {gamma}, want 0 <= gamma < 1: staying dead for ever must have a finite worth")
        ours = spaces_of(venv.observation_space, venv.action_space, "the environment")
        if _sizes(ours) != _sizes(ensemble.spaces):
            raise ValueError(f"the environments have {ours}, but the ensemble takes {ensemble.spaces}")
        self.reward_function: RewardFunction = ensemble
        self.gamma, self.neutral_endings = gamma, neutral_endings

    def reset(self) -> VecEnvObs:
        obs = self.venv.reset()
        self._last_obs = named(obs)  # type: ignore[arg-type]  # no supported space gives a tuple
        return obs

    def step_async(self, actions: NDArray[Any]) -> None:
        self._last_actions = action_array(self.action_space, actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        obs, true_rewards, dones, infos = self.venv.step_wait()
        last_obs, self._last_obs = self._last_obs, named(obs)  # type: ignore[arg-type]
        next_obs = _with_ends(self._last_obs, dones, infos) if dones.any() else self._last_obs
        rewards = self.pay(last_obs, self._last_actions, next_obs, terminations(dones, infos))
        for info, true_reward in zip(infos, true_rewards, strict=True):
            info["true_reward"] = float(true_reward)
        return obs, rewards, dones, infos

    def pay(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """What N transitions are paid, (N,); arguments as in `RewardFunction.reward`."""
        rewards = self.reward_function.reward(obs, actions, next_obs, terminated)
        if terminated.any() and not self.neutral_endings:
            rewards = rewards + terminated * self.gamma / (1 - self.gamma) * self.reward_function.absorbing_reward()
        return rewards.astype(np.float32)


def _sizes(spaces: Spaces) -> tuple[dict[str, tuple[int, ...]], int]:
    """Without types of numbers: a reward model converts them, and those of old runs do not know them."""
    return {name: spec.shape for name, spec in spaces.obs.items()}, spaces.action.width


def _with_ends(obs: Obs, dones: NDArray[np.bool_], infos: list[dict[str, Any]]) -> Obs:
    """What followed each action: the last observation of an episode that ended, not the first of the next one."""
    followed = {name: array.copy() for name, array in obs.items()}
    for i in np.flatnonzero(dones):
        for name, array in named(infos[i][LAST_OBS]).items():
            followed[name][i] = array
    return followed
