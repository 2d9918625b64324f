"""Each agent is loaded where there is no prefrl, by Stable-Baselines3 alone, and must do what it does here."""

import io
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from agents import PPO, SAC, trained
from boxes import CASES, Uneven, assert_same, observations
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.algorithms.base import SB3Algorithm
from prefrl.algorithms.exported import Normalise
from prefrl.config.run import TrainConfig

WITHOUT_PREFRL = """
import sys, warnings
sys.modules["prefrl"] = None
warnings.simplefilter("error")
import numpy as np, stable_baselines3
for path in sys.argv[1:]:
    name = open(path + "/name").read()
    agent = getattr(stable_baselines3, name).load(path + "/agent.zip", device="cpu")
    np.save(path + "/actions.npy", agent.predict(np.load(path + "/obs.npy"), deterministic=True)[0])
"""


def test_an_agent_acts_the_same_on_raw_observations_without_prefrl(tmp_path: Path) -> None:
    algorithms = {tmp_path / name: left_behind(tmp_path / name, *case) for name, case in CASES.items()}
    done = subprocess.run([sys.executable, "-c", WITHOUT_PREFRL, *map(str, algorithms)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path, algorithm in algorithms.items():
        got, expected = np.load(path / "actions.npy"), algorithm.act(np.load(path / "obs.npy"))
        assert got.dtype == expected.dtype
        assert_same(algorithm, got, expected)


def left_behind(path: Path, config: TrainConfig, env: type[gym.Env]) -> SB3Algorithm:
    """Write an agent, which is returned, and observations into a folder."""
    algorithm, obs = trained(config, env), observations(env)
    path.mkdir()
    (path / "agent.zip").write_bytes(algorithm.archive())
    (path / "name").write_text(config.algorithm.upper())
    np.save(path / "obs.npy", obs)
    return algorithm


@pytest.mark.parametrize("config", [PPO, SAC], ids=["ppo", "sac"])
def test_it_has_the_spaces_of_its_environment_and_goes_on_learning_there(config) -> None:
    algorithm, env = trained(config, toy_envs.RandomEnds), toy_envs.RandomEnds
    agent = type(algorithm.agent).load(io.BytesIO(algorithm.archive()), DummyVecEnv([env] * 4), device="cpu")
    assert (agent.observation_space, agent.action_space) == (env.observation_space, env.action_space)
    before = agent.predict(np.zeros((1, 3)))[0]
    agent.learn(64)
    assert np.isfinite(before).all()


def test_normalised_observations_are_those_of_sb3_to_the_last_digits() -> None:
    algorithm, obs = trained(PPO, Uneven), observations(Uneven)
    expected = algorithm.normaliser.normalize_obs(obs)
    assert np.abs(expected).max() == 10
    got = Normalise(algorithm.normaliser)(torch.as_tensor(obs).float()).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
