"""Recordings of environments, and the same by hand. Import as `from recordings import record`."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import toy_envs
from stable_baselines3.common.vec_env import VecEnvWrapper

from prefrl.data.episode import Episode
from prefrl.data.info_keys import RESET_SEED
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.rendering.simulator_state import RecordSimState

Make = Callable[[], gym.Env]


def random_ends() -> gym.Env:
    return RecordSimState(toy_envs.RandomEnds())


def by_hand(make: Make, seed: int, actions: np.ndarray) -> list[dict[str, list]]:
    """What happens in one environment that is reset with `seed` and whenever an episode is over."""
    env, episodes = make(), []
    obs, info = env.reset(seed=seed)
    for action in actions:
        if not episodes or episodes[-1]["over"]:
            fresh = {"obs": [obs.copy()], "actions": [], "rewards": [], "over": None, "seed": info.get(RESET_SEED)}
            episodes.append(fresh)
        obs, reward, terminated, truncated, _ = env.step(action)
        episodes[-1]["obs"].append(obs.copy())
        episodes[-1]["actions"].append(action)
        episodes[-1]["rewards"].append(reward)
        if terminated or truncated:
            episodes[-1]["over"] = "terminated" if terminated else "truncated"
            obs, info = env.reset()
    return episodes


def record(venv: RecordingVecEnv, actions: np.ndarray, seed: int) -> list[Episode]:
    venv.seed(seed)
    venv.reset()
    for row in actions:
        venv.step(row)
    return venv.drain()


def assert_as_by_hand(episodes: list[Episode], make: Make, actions: np.ndarray, seed: int) -> None:
    for env in range(actions.shape[1]):
        expected = by_hand(make, seed + env, actions[:, env])
        got = [e for e in episodes if e.env_index == env]
        assert len(got) == len(expected)
        for e, hand in zip(got, expected, strict=True):
            np.testing.assert_array_equal(e.obs["obs"], np.array(hand["obs"], np.float32))
            np.testing.assert_array_equal(e.actions, np.array(hand["actions"], np.float32))
            np.testing.assert_array_equal(e.true_rewards, np.array(hand["rewards"], np.float32))
            assert (e.terminated, e.truncated) == (hand["over"] == "terminated", hand["over"] == "truncated")
            assert e.reset_seed == hand["seed"]


def random_actions(steps: int, num_envs: int) -> np.ndarray:
    return np.random.default_rng(steps).uniform(-0.5, 2.0, (steps, num_envs, 2)).astype(np.float32)


class SameArrays(VecEnvWrapper):
    """Hands out the same arrays each step, as some fast vectorised environments do."""

    def reset(self):
        self.obs, self.rewards = self.venv.reset(), np.zeros(self.num_envs, np.float32)
        return self.obs

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        self.obs[:], self.rewards[:] = obs, rewards
        return self.obs, self.rewards, dones, infos
