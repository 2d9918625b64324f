"""EnvPool's environments, which C++ steps on several cores, as a Stable-Baselines3 `VecEnv`.

EnvPool's own adapter loses the last observation of an episode and the difference between its end and a time limit. This
one resets what has ended at once, as SB3 expects, so that no action is ignored and no step is a dummy.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from prefrl import watchdog
from prefrl.data.info_keys import LAST_OBS, TRUNCATED
from prefrl.errors import EnvError, UsageError

ENVPOOL = "--vec envpool"


class PoolVecEnv(VecEnv):
    """`num_envs` environments of EnvPool, made anew, with new seeds, by the first reset after each `seed`."""

    def __init__(self, like: gym.Env[Any, Any], num_envs: int, env_kwargs: Mapping[str, Any]) -> None:
        """`like`: the Gymnasium environment that EnvPool has a copy of; its spaces, spec and metadata are taken.

        Raises:
            UsageError: EnvPool is not installed.
            EnvError: it has no such environment, or one with other spaces.
        """
        self.like, self.env_kwargs = like, dict(env_kwargs)
        assert like.spec is not None
        self.env_id, self._seed, self._seeded = like.spec.id, 0, False
        super().__init__(num_envs, like.observation_space, like.action_space)
        self.pool = self._make()
        self._compare()

    def _make(self) -> Any:
        try:
            import envpool
        except ImportError as error:
            raise UsageError(f"{ENVPOOL} needs a package; try: pip install 'prefrl[envpool]'") from error
        limit = self.like.spec.max_episode_steps if self.like.spec else None
        limits = {} if limit is None else {"max_episode_steps": limit}
        with watchdog.calling("make", self.env_id), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it casts bounds of spaces
            try:
                pool = envpool.make(
                    self.env_id,
                    env_type="gymnasium",
                    num_envs=self.num_envs,
                    seed=self._seed,
                    **{**limits, **self.env_kwargs},
                )
            except Exception as error:
                raise EnvError(f"EnvPool cannot make {self.env_id} ({error}); leave {ENVPOOL} out") from error
        self._pool_spaces = pool.observation_space, pool.action_space
        return pool

    def _compare(self) -> None:
        obs, action = self._pool_spaces
        if (obs.shape, action.shape) != (self.observation_space.shape, self.action_space.shape):
            theirs = f"{obs} and {action}"
            raise EnvError(f"EnvPool's {self.env_id} has other spaces than Gymnasium's: {theirs}; leave {ENVPOOL} out")

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Have the next reset make all environments anew: EnvPool takes seeds at no other time."""
        self._seed, self._seeded = 0 if seed is None else seed, True
        return [self._seed + i for i in range(self.num_envs)]

    def reset(self) -> VecEnvObs:
        if self._seeded:
            self.pool, self._seeded = self._make(), False
        with watchdog.calling("reset", self.env_id):
            obs, _ = self.pool.reset()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return np.array(obs)

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions = actions.astype(self._pool_spaces[1].dtype)

    def step_wait(self) -> VecEnvStepReturn:
        with watchdog.calling("step", self.env_id):
            obs, rewards, terminated, truncated, _ = self.pool.step(self._actions)
        obs, dones = np.array(obs), terminated | truncated  # a copy: EnvPool owns the buffer
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = np.flatnonzero(dones)
        for i in ended:
            infos[i] = {
                LAST_OBS: obs[i].copy(),
                TRUNCATED: bool(truncated[i] and not terminated[i]),
            }
        if len(ended):
            with watchdog.calling("reset", self.env_id):
                first, told = self.pool.reset(ended.astype(np.int32))
            obs[told["env_id"]] = first
        return obs, np.array(rewards, np.float32), dones, infos

    def close(self) -> None:
        self.like.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        return [getattr(self.like, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise NotImplementedError("EnvPool's environments have no attributes to set")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("EnvPool's environments have no methods to call")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        return [False for _ in self._get_indices(indices)]
