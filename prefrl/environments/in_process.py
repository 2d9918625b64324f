"""Gymnasium's environments, stepped one after the other in this process."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.data.info_keys import LAST_OBS, TRUNCATED
from prefrl.environments.guarded import settings_kept


class LeanVecEnv(DummyVecEnv):
    """SB3's `DummyVecEnv` without its deep copy of all infos, which takes as long as a fifth of a step of MuJoCo.

    What an info holds must not change once it is handed out; its dict may.
    """

    def __init__(self, makers: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        with settings_kept():
            super().__init__([*makers])

    def reset(self) -> VecEnvObs:
        with settings_kept():
            return super().reset()

    def step_wait(self) -> VecEnvStepReturn:
        observed, rewards = [], []
        with settings_kept():
            for i, env in enumerate(self.envs):
                obs, reward, terminated, truncated, info = env.step(self.actions[i])
                info = {**info, TRUNCATED: truncated and not terminated}
                if terminated or truncated:
                    info[LAST_OBS] = obs
                    obs, self.reset_infos[i] = env.reset()
                self.buf_dones[i] = terminated or truncated
                self.buf_infos[i] = info
                observed.append(obs)
                rewards.append(reward)
        with np.errstate(over="ignore"):  # to infinity, which a recorder notices
            self.buf_rews[:] = rewards
            for i, obs in enumerate(observed):
                self._save_obs(i, obs)
        return self._obs_from_buf(), np.copy(self.buf_rews), np.copy(self.buf_dones), self.buf_infos.copy()
