"""The buffer of a SAC agent that has acted in an environment whose episodes end in both ways."""

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from safetensors.numpy import load, save
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.algorithms import replay
from prefrl.algorithms.sac import SACAlgorithm
from prefrl.algorithms.seeds import seed_round
from prefrl.config.algorithms import SACConfig
from prefrl.config.run import TrainConfig
from prefrl.environments.actions import action_units
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import CheckpointError
from prefrl.rewards.ensemble import RewardEnsemble

GAMMA = 0.9
CONFIG = SACConfig(n_envs=3, batch_size=8, buffer_size=3 * 200, random_steps=60, gamma=GAMMA, hidden=(8,))


class Far(toy_envs.RandomEnds):
    """Its episodes end far from where they were, as in a crash; its actions have two axes."""

    action_space = gym.spaces.Box(-0.5, 2.0, (2, 2), np.float32)

    def step(self, action: np.ndarray):
        obs, reward, terminated, truncated, info = super().step(action)
        return obs + 1000 * terminated, reward, terminated, truncated, info


UNITS = action_units(Far.action_space, scaled=True)


def acted(steps: int = 360, config: SACConfig = CONFIG) -> tuple[SAC, LearnedRewardVecEnv]:
    venv = RecordingVecEnv(DummyVecEnv([lambda: gym.wrappers.TimeLimit(Far(), 7)] * config.n_envs))
    ensemble = RewardEnsemble(venv.spaces, members=2, hidden=(8,))
    ensemble.input_std.fill_(300.0)  # so that far is not too far to matter
    ensemble.output_mean.fill_(-0.5)
    paid = LearnedRewardVecEnv(venv, ensemble, GAMMA)
    agent = SACAlgorithm(TrainConfig("X-v0", sac=config), venv, paid).agent
    seed_round(agent, 0, 1)
    agent.learn(steps)
    return agent, paid


def rewards(agent: SAC) -> np.ndarray:
    return agent.replay_buffer.rewards.copy()  # type: ignore[union-attr]


def test_paying_again_by_the_same_reward_changes_nothing() -> None:
    """So what was remembered is what was paid: observations, executed actions, terminations, not time limits."""
    agent, paid = acted()
    before = rewards(agent)
    assert (before[:120] != 0).all()
    replay.relabel(agent, UNITS, paid)
    np.testing.assert_allclose(rewards(agent), before, rtol=1e-4, atol=1e-5)
    last = agent.replay_buffer.next_observations[:120][agent.replay_buffer.timeouts[:120] == 0]  # type: ignore[union-attr]
    assert last.max() > 990


def test_a_time_limit_is_no_end() -> None:
    agent, _ = acted()
    assert replay.holds_ends(agent)
    buffer = agent.replay_buffer
    buffer.dones[:] = buffer.timeouts  # type: ignore[union-attr]
    assert buffer.timeouts.any()  # type: ignore[union-attr]
    assert not replay.holds_ends(agent)


def test_every_step_is_paid_by_the_new_reward_and_terminations_what_staying_dead_is_worth() -> None:
    agent, paid = acted()
    buffer, before = agent.replay_buffer, rewards(agent)
    paid.reward_function.output_mean.sub_(paid.reward_function.output_std)  # one more for each step  # type: ignore[attr-defined]
    replay.relabel(agent, UNITS, paid)
    terminated = (buffer.dones[:120] == 1) & (buffer.timeouts[:120] == 0)  # type: ignore[union-attr]
    assert terminated.any()
    assert (buffer.timeouts[:120] == 1).any()  # type: ignore[union-attr]
    more = rewards(agent)[:120] - before[:120]
    np.testing.assert_allclose(more[~terminated], 1, atol=1e-3)
    np.testing.assert_allclose(more[terminated], 1 / (1 - GAMMA), atol=1e-3)
    assert (rewards(agent)[120:] == 0).all()  # nothing happened there yet


@pytest.mark.parametrize("steps", [360, 900])
def test_a_buffer_comes_back_from_its_file(steps: int) -> None:
    agent, _ = acted(steps)
    other, _ = acted(90)
    replay.from_bytes(other, replay.to_bytes(agent))
    one, same = agent.replay_buffer, other.replay_buffer
    assert one is not None
    assert same is not None
    assert (one.pos, one.full) == (same.pos, same.full) == ((steps // 3) % 200, steps == 900)
    for name in replay.ARRAYS:
        np.testing.assert_array_equal(getattr(same, name), getattr(one, name))
    assert replay.to_bytes(other) == replay.to_bytes(agent)


def changed(agent: SAC, name: str, value: np.ndarray) -> bytes:
    return save({**load(replay.to_bytes(agent)), name: value})


@pytest.mark.parametrize("name", ["pos", "rewards", "observations"])
def test_a_buffer_of_other_shapes_is_refused_before_anything_is_taken(name: str) -> None:
    agent, _ = acted(360)
    before = replay.to_bytes(agent)
    wrong = {"pos": np.array([10**6]), "rewards": np.ones((120, 1), np.float32), "observations": np.ones((120, 3, 9))}
    with pytest.raises(CheckpointError, match="replay buffer does not fit"):
        replay.from_bytes(agent, changed(agent, name, wrong[name]))
    assert replay.to_bytes(agent) == before


@pytest.mark.parametrize("data", [b"", b"hello", b"\x80\x04N.", None])
def test_what_is_no_buffer_of_this_run_is_refused(data: bytes | None) -> None:
    agent, _ = acted(360)
    smaller, _ = acted(90, SACConfig(n_envs=3, batch_size=8, buffer_size=3 * 100, random_steps=60, hidden=(8,)))
    with pytest.raises(CheckpointError, match="replay buffer does not fit"):
        replay.from_bytes(smaller, replay.to_bytes(agent) if data is None else data)
