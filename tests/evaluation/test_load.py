import dataclasses
import math
from pathlib import Path

import gymnasium as gym
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small import SMALL, SMALL_SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from torch.distributions import Distribution

import prefrl
from prefrl.cli.main import main
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.errors import CheckpointError, UsageError
from prefrl.evaluation.evaluate import evaluate
from prefrl.evaluation.load import export_policy, load_agent, load_reward
from prefrl.runs.run_dir import RunDir
from prefrl.training.learner import Learner
from prefrl.training.loop import train

UNITS = {"low": 0.0, "high": 100.0}


@pytest.fixture(scope="module", params=["ppo", "sac"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    config = SMALL if request.param == "ppo" else SMALL_SAC
    config = dataclasses.replace(config, env_id="Units-v0", env_kwargs=dict(UNITS))
    return train(config, tmp_path_factory.mktemp("load") / request.param)


@pytest.fixture(scope="module")
def discrete(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    config = dataclasses.replace(SMALL, env_id="CartPole-v1")
    return train(config, tmp_path_factory.mktemp("load") / "discrete")


def returns(agent: object, env: gym.Env, seed: int) -> float:
    obs, _ = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        obs, reward, terminated, truncated, _ = env.step(agent(obs))  # type: ignore[operator]
        total, over = total + float(reward), terminated or truncated
    return total


def test_an_agent_earns_what_evaluate_says(run: RunDir) -> None:
    env = gym.make("Units-v0", **UNITS)  # type: ignore[arg-type]
    played = [returns(prefrl.load_agent(run.path), env, seed) for seed in (5, 6)]
    assert np.mean(played) == pytest.approx(evaluate(run.path, episodes=2, seed=5).true_return.mean, abs=1e-4)


def test_it_takes_one_observation_or_many(run: RunDir, discrete: RunDir) -> None:
    agent, chooser = load_agent(run.path), load_agent(str(discrete.path))
    one, many = agent([0.3]), agent(np.array([[0.3], [0.5]], np.float32))
    assert (one.shape, one.dtype, many.shape) == ((1,), np.float32, (2, 1))
    assert one == many[0]
    assert agent.action_space.contains(one)
    assert type(chooser(np.zeros(4))) is int
    assert chooser(np.zeros((3, 4))).shape == (3,)
    with pytest.raises(ValueError, match=r"obs has shape \(5,\), want \(4,\)"):
        chooser(np.zeros(5))


def test_the_tools_of_sb3_take_it(discrete: RunDir) -> None:
    env = make_vec_env("CartPole-v1", 2)
    mean, _ = evaluate_policy(load_agent(discrete.path), env, n_eval_episodes=2)  # type: ignore[arg-type]
    assert mean > 5


def test_a_reward_pays_what_the_agent_was_paid(run: RunDir) -> None:
    reward, learner = load_reward(run.path), Learner(run.config)
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    learner.restore(checkpoint)
    obs = np.random.default_rng(0).normal(size=(6, 1)).astype(np.float32)
    actions = np.array([[0.0], [10.0], [50.0], [70.0], [90.0], [100.0]], np.float32)
    ended = np.array([False] * 5 + [True])
    expected = learner.ensemble.reward({"obs": obs}, actions, {"obs": obs + 1}, ended)
    np.testing.assert_array_equal(reward(obs, actions, obs + 1, ended), expected)
    one = reward(obs[5], actions[5], obs[5] + 1, True)
    assert type(one) is float
    assert one == pytest.approx(expected[5], abs=1e-5)
    assert reward(obs, actions, obs + 1)[5] != expected[5]
    assert not any(tensor.requires_grad for tensor in reward.ensemble.parameters())


def test_loading_changes_nothing_of_the_caller(run: RunDir) -> None:
    checks = Distribution._validate_args
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_agent(run.path)
    assert torch.equal(torch.rand(3), expected)
    assert Distribution._validate_args == checks


def test_a_reward_refuses_steps_of_another_shape(run: RunDir) -> None:
    reward = load_reward(run.path)
    (shape,) = (spec.shape for spec in reward.spaces.obs.values())
    wrong = np.zeros((shape[0] + 1,))
    with pytest.raises(ValueError, match=r"obs has shape \(\d+,\) and next_obs .*, want \(\d+,\), or \(N, ...\)"):
        reward(wrong, np.zeros(1), wrong)


def test_a_reward_of_choices_takes_their_numbers(discrete: RunDir) -> None:
    reward, obs = load_reward(discrete.path), np.zeros((2, 4), np.float32)
    left, right = reward(obs, np.array([0, 1]), obs)
    assert left != right
    assert reward(obs[0], 1, obs[0]) == pytest.approx(right, abs=1e-5)


def test_a_reward_pays_other_agents(run: RunDir) -> None:
    venv = LearnedRewardVecEnv(make_vec_env("Units-v0", 2, env_kwargs=dict(UNITS)), load_reward(run.path), gamma=0.9)
    venv.reset()
    _, rewards, _, infos = venv.step(np.array([[0.0], [100.0]], np.float32))
    assert [info["true_reward"] for info in infos] == [-1, 1]
    assert np.isfinite(rewards).all()
    assert math.isfinite(load_reward(run.path).absorbing_reward())


def test_what_cannot_be_loaded_is_said(tmp_path: Path) -> None:
    empty = RunDir.create(tmp_path / "empty", SMALL)
    true = train(dataclasses.replace(SMALL, reward="true"), tmp_path / "true")
    for load in (load_agent, load_reward):
        with pytest.raises(CheckpointError, match="no checkpoint yet"):
            load(empty.path)
        with pytest.raises(UsageError, match="no folder"):
            load(tmp_path / "nothing")
    assert load_agent(true.path)([0.0]).shape == (1,)
    with pytest.raises(UsageError, match="true reward"):
        load_reward(true.path)


def test_a_policy_is_written_that_does_what_the_agent_does(run: RunDir, tmp_path: Path) -> None:
    assert main(["export", str(run.path), "--format", "onnx", "-o", str(tmp_path / "out")]) == 0
    file = tmp_path / "out" / "policy.onnx"
    obs = np.linspace(-3, 3, 50, dtype=np.float32)[:, None]
    (actions,) = onnxruntime.InferenceSession(file).run(None, {"obs": obs})
    np.testing.assert_allclose(actions, load_agent(run.path)(obs), atol=5e-4)  # 1e-5 of 50
    said = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert (said["env_id"], said["algorithm"]) == ("Units-v0", run.config.algorithm)
    with pytest.raises(UsageError, match="exists already"):
        export_policy(run.path, tmp_path / "out")
