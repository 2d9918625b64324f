"""Wrappers around any Stable-Baselines3 `VecEnv`: one records, one pays the learned reward.

Axes: L recorded steps, N environments.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from prefrl.data.episode import Episode
from prefrl.errors import EnvError
from prefrl.rendering.camera import rate
from prefrl.rendering.recording import Reel, Shot
from prefrl.rewards.ensemble import RewardEnsemble


def action_dim(space: spaces.Space[Any]) -> int:
    """Width of `action_array` for one action: the number of actions if discrete, of components if continuous."""
    return int(space.n) if isinstance(space, spaces.Discrete) else int(np.prod(space.shape or ()))


def action_array(space: spaces.Space[Any], actions: NDArray[Any]) -> NDArray[np.float32]:
    """Executed actions as the reward model sees them, (N, action_dim): one-hot if discrete, clipped to their bounds."""
    if isinstance(space, spaces.Discrete):
        index = np.asarray(actions, dtype=np.int64)
        one_hot: NDArray[np.float32] = np.eye(int(space.n), dtype=np.float32)[index]
        return one_hot
    assert isinstance(space, spaces.Box)
    clipped = np.clip(actions, space.low, space.high).astype(np.float32)
    flat: NDArray[np.float32] = clipped.reshape(len(clipped), -1)
    return flat


def terminations(dones: NDArray[np.bool_], infos: list[dict[str, Any]]) -> NDArray[np.bool_]:
    """(N,) which environments ended in a terminal state, and not at a time limit."""
    terminated = dones.copy()
    for i in np.flatnonzero(dones):
        terminated[i] = not infos[i].get("TimeLimit.truncated", False)
    return terminated


class Sight(NamedTuple):
    """What a clip of one state needs: the simulator's state, or a picture, or neither."""

    sim_state: NDArray[np.float64] | None
    shot: Shot | None


class End(NamedTuple):
    """Where an episode stopped, or the recording."""

    step: int
    terminated: bool | None  # None: the episode was still running
    last_obs: NDArray[np.float32]
    last_sight: Sight
    success: bool | None


def reported_success(info: Mapping[str, Any]) -> bool | None:
    """What an environment says of an episode in its last `info`: Gymnasium-Robotics and SB3 name it `is_success`."""
    said = info.get("is_success", info.get("success"))
    return None if said is None or np.size(said) != 1 else bool(said)


class RecordingVecEnv(VecEnvWrapper):
    """Keeps what passes through: raw observations, executed actions, true rewards, simulator states or pictures.

    The recording holds copies, for environments that hand out the same buffer each step. Numbers that are not finite
    are recorded as they are, so that their segments are left out, but passed on as 0, so that they reach no normaliser;
    more than `bad_steps_limit` steps with such numbers since the last `reset` are an error.
    """

    def __init__(self, venv: VecEnv, bad_steps_limit: int = 100) -> None:
        super().__init__(venv)
        self.bad_steps_limit, self.bad_steps = bad_steps_limit, 0
        self._clear()

    def _clear(self) -> None:
        self._obs: list[NDArray[np.float32]] = []  # L + 1 of (N, obs_dim), before each step and after the last
        self._actions: list[NDArray[np.float32]] = []  # L of (N, action_dim)
        self._rewards: list[NDArray[np.float32]] = []  # L of (N,)
        self._reel = Reel()
        self._sights: list[list[Sight]] = []  # L + 1 of N
        self._ends: list[list[End]] = [[] for _ in range(self.num_envs)]
        self._episode_seeds: list[list[int | None]] = [[] for _ in range(self.num_envs)]  # of each episode's reset

    def reset(self) -> VecEnvObs:
        obs = self.venv.reset()
        self.bad_steps = 0  # here, not over the run: one that was resumed must not get further than one that was not
        self._clear()
        self._keep(obs, [self._sight(info) for info in self._reset_infos()])
        for seeds, info in zip(self._episode_seeds, self._reset_infos(), strict=True):
            seeds.append(info.get("reset_seed"))
        return _finite(obs)

    def step_async(self, actions: NDArray[Any]) -> None:
        self._actions.append(action_array(self.action_space, actions))
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        obs, rewards, dones, infos = self.venv.step_wait()
        sights = [self._sight(info) for info in infos]
        terminated = terminations(dones, infos)
        for i in np.flatnonzero(dones):
            last_obs = np.array(infos[i]["terminal_observation"], dtype=np.float32)
            self._ends[i].append(
                End(len(self._actions), bool(terminated[i]), last_obs, sights[i], reported_success(infos[i]))
            )
            infos[i]["terminal_observation"] = _finite(infos[i]["terminal_observation"])
            infos[i]["raw_terminal_observation"] = infos[i]["terminal_observation"]  # VecNormalize clips the other
            reset_info = self._reset_infos()[i]
            sights[i] = self._sight(reset_info)
            self._episode_seeds[i].append(reset_info.get("reset_seed"))
        self._rewards.append(np.array(rewards, dtype=np.float32))
        self._keep(obs, sights)
        if np.isfinite(np.sum(obs)) and np.isfinite(np.sum(rewards)):  # type: ignore[arg-type]
            return obs, rewards, dones, infos
        self._count_bad()
        return _finite(obs), _finite(rewards), dones, infos

    def _reset_infos(self) -> list[dict[str, Any]]:
        return self.unwrapped.reset_infos  # a wrapper's own list stays empty

    def _sight(self, info: dict[str, Any]) -> Sight:
        return Sight(info.get("sim_state"), self._reel.keep(info.get("jpeg_frame")))

    def _keep(self, obs: VecEnvObs, sights: list[Sight]) -> None:
        assert isinstance(obs, np.ndarray)
        self._obs.append(np.array(obs, dtype=np.float32))
        self._sights.append(sights)

    def _count_bad(self) -> None:
        self.bad_steps += 1
        if self.bad_steps > self.bad_steps_limit:
            raise EnvError(
                f"the environment gave observations or rewards that are not finite in {self.bad_steps} steps "
                "(NaN or infinity); mend its step(), or wrap it so that it ends such episodes"
            )

    def drain(self) -> list[Episode]:
        """Hand over all episodes since the last reset, unfinished ones included, and forget them.

        The recording must start with a reset again before the next step.
        """
        obs = np.stack(self._obs)  # (L + 1, N, obs_dim)
        actions, rewards = np.stack(self._actions), np.stack(self._rewards)  # (L, N, action_dim), (L, N)
        episodes = [e for i in range(self.num_envs) for e in self._split(i, obs[:, i], actions[:, i], rewards[:, i])]
        self._clear()
        return episodes

    def _split(
        self, env: int, obs: NDArray[np.float32], actions: NDArray[np.float32], rewards: NDArray[np.float32]
    ) -> list[Episode]:
        episodes, start = [], 0
        still_running = End(len(actions), None, obs[-1], self._sights[-1][env], None)
        for (stop, terminated, last_obs, last_sight, success), seed in zip(
            [*self._ends[env], still_running], self._episode_seeds[env], strict=True
        ):
            if stop == start:  # a reset was the last thing recorded
                continue
            sights = [*(row[env] for row in self._sights[start:stop]), last_sight]
            jpegs = _jpegs(sights)
            episodes.append(
                Episode(
                    obs=np.concatenate((obs[start:stop], last_obs[None])),
                    actions=actions[start:stop].copy(),
                    true_rewards=rewards[start:stop].copy(),
                    terminated=terminated is True,
                    truncated=terminated is False,
                    sim_states=_states(sights),
                    reset_seed=seed,
                    jpegs=jpegs,
                    fps=30.0 if jpegs is None else rate(self.get_attr("metadata", env)[0]),
                    env_index=env,
                    success=success,
                )
            )
            start = stop
        return episodes


def _states(sights: list[Sight]) -> NDArray[np.float64] | None:
    states = [sight.sim_state for sight in sights if sight.sim_state is not None]
    return np.stack(states) if len(states) == len(sights) else None


def _jpegs(sights: list[Sight]) -> list[bytes | None] | None:
    recorded = any(sight.shot is not None for sight in sights)
    return [sight.shot.jpeg if sight.shot else None for sight in sights] if recorded else None


def _finite(values: Any) -> NDArray[Any]:
    finite: NDArray[Any] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return finite


class RewardFunction(Protocol):
    """What `LearnedRewardVecEnv` pays: a `RewardEnsemble`, or whatever else knows a reward of its own."""

    def reward(
        self,
        obs: NDArray[np.float32],
        actions: NDArray[np.float32],
        next_obs: NDArray[np.float32],
        terminated: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """(N,) as `RewardEnsemble.reward`."""

    def absorbing_reward(self) -> float:
        """As `RewardEnsemble.absorbing_reward`."""


class LearnedRewardVecEnv(VecEnvWrapper):
    """Pays the reward that `ensemble` has learned in place of the environment's, which goes to `info["true_reward"]`.

    A termination is paid r(s, a, s') + gamma / (1 - gamma) * r_absorbing, the discounted worth of staying dead for
    ever: nobody gains or loses by dying but what the preferences say. With `neutral_endings` r_absorbing is 0 instead,
    the mean of the steps before the last fit that end nothing. A time limit is paid nothing extra; SB3 adds
    gamma * V(terminal observation) to it afterwards, on top of this reward.
    """

    def __init__(self, venv: VecEnv, ensemble: RewardEnsemble, gamma: float, *, neutral_endings: bool = False) -> None:
        """`gamma`: the discount factor of the algorithm that will learn, in [0, 1)."""
        super().__init__(venv)
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma is {gamma}, want 0 <= gamma < 1: staying dead for ever must have a finite worth")
        ours = (venv.observation_space.shape, action_dim(venv.action_space))
        wanted = ((ensemble.obs_dim,), ensemble.action_dim)
        if ours != wanted:
            raise ValueError(f"the environments have (observation shape, action_dim) {ours}, the ensemble {wanted}")
        self.reward_function: RewardFunction = ensemble
        self.gamma, self.neutral_endings = gamma, neutral_endings

    def reset(self) -> VecEnvObs:
        obs = self.venv.reset()
        self._last_obs = np.array(obs, dtype=np.float32)
        return obs

    def step_async(self, actions: NDArray[Any]) -> None:
        self._last_actions = action_array(self.action_space, actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        obs, true_rewards, dones, infos = self.venv.step_wait()
        next_obs = np.array(obs, dtype=np.float32)
        last_obs, self._last_obs = self._last_obs, next_obs
        if dones.any():
            next_obs = next_obs.copy()
            for i in np.flatnonzero(dones):
                next_obs[i] = infos[i]["terminal_observation"]
        rewards = self.pay(last_obs, self._last_actions, next_obs, terminations(dones, infos))
        for info, true_reward in zip(infos, true_rewards, strict=True):
            info["true_reward"] = float(true_reward)
        return obs, rewards, dones, infos

    def pay(
        self,
        obs: NDArray[np.float32],
        actions: NDArray[np.float32],
        next_obs: NDArray[np.float32],
        terminated: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """What N transitions are paid, (N,); arguments as in `RewardEnsemble.reward`."""
        rewards = self.reward_function.reward(obs, actions, next_obs, terminated)
        if terminated.any() and not self.neutral_endings:
            rewards = rewards + terminated * self.gamma / (1 - self.gamma) * self.reward_function.absorbing_reward()
        return rewards.astype(np.float32)
