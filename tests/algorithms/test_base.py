import numpy as np
import pytest
import toy_envs
from agents import PPO, SAC, make
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.algorithms.normalise import normalise


class CountsInBytes(toy_envs.Counter):
    """Observes whole numbers, as an Atari game's memory does."""

    observation_space = spaces.Box(0, 255, (2,), np.uint8)

    def observe(self) -> np.ndarray:
        return super().observe().astype(np.uint8)


def test_what_was_normalised_is_not_kept_as_whole_numbers() -> None:
    algorithm = make(PPO, CountsInBytes)
    assert algorithm.normaliser.observation_space == spaces.Box(-np.inf, np.inf, (2,), np.float32)
    algorithm.train(1, 32, lambda _: None)
    assert (algorithm.agent.rollout_buffer.observations % 1 != 0).any()


def test_a_frozen_normaliser_learns_nothing_and_leaves_rewards_alone() -> None:
    normaliser = make(PPO, learned=False, learns=False).normaliser
    normaliser.reset()
    _, rewards, _, _ = normaliser.step(np.array([[0.25], [0.25]]))
    assert rewards[0] == 0.25
    assert normaliser.obs_rms.count == make(PPO).normaliser.obs_rms.count


def test_ppo_is_paid_in_units_of_returns_and_sac_as_it_is() -> None:
    scales = {}
    for config in (PPO, SAC):
        normaliser = make(config, learned=False).normaliser
        normaliser.reset()
        for _ in range(20):
            _, rewards, _, _ = normaliser.step(np.array([[0.25], [0.25]]))
        scales[config.algorithm] = float(rewards[0]) / 0.25
    assert scales["sac"] == 1
    assert scales["ppo"] != pytest.approx(1, abs=0.1)


def test_rewards_are_cut_far_out_or_not_at_all() -> None:
    venv = DummyVecEnv([toy_envs.MoveRight])
    assert normalise(venv, 0.99, reward_clip=100.0, training=True).normalize_reward(np.array([1e6]))[0] == 100
    assert normalise(venv, 0.99, reward_clip=None, training=True).normalize_reward(np.array([1e6]))[0] == 1e6


@pytest.mark.parametrize("config", [PPO, SAC], ids=["ppo", "sac"])
def test_an_agent_that_only_acts_has_no_memory_to_speak_of(config) -> None:
    agent, whole = make(config, learns=False).agent, make(config).agent
    if config.algorithm == "sac":
        assert (agent.replay_buffer.buffer_size, whole.replay_buffer.buffer_size) == (1, 250)
    else:
        assert (agent.n_steps, whole.n_steps) == (16, 16)  # what one gradient step takes: SB3 warns of less
