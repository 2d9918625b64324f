import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from agents import PPO, SAC, make, trained

from prefrl.config.run import TrainConfig
from prefrl.errors import CheckpointError


def optimizers(algorithm) -> list[torch.optim.Optimizer]:
    agent = algorithm.agent
    if algorithm.name == "sac":
        return [agent.actor.optimizer, agent.critic.optimizer, agent.ent_coef_optimizer]
    return [agent.policy.optimizer]


@pytest.mark.parametrize("config", [PPO, SAC], ids=["ppo", "sac"])
def test_a_trained_agent_comes_back_from_its_files_bit_for_bit(config: TrainConfig) -> None:
    algorithm = trained(config)
    files = algorithm.files()
    other = make(dataclasses.replace(config, seed=1))
    assert other.files() != files
    other.load(files.__getitem__)
    obs = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    ours, theirs = algorithm.normaliser, other.normaliser
    np.testing.assert_array_equal(theirs.normalize_obs(obs), ours.normalize_obs(obs))
    np.testing.assert_array_equal(theirs.normalize_reward(obs[:, 0]), ours.normalize_reward(obs[:, 0]))
    np.testing.assert_array_equal(other.act(obs), algorithm.act(obs))
    for one, same in zip(optimizers(algorithm), optimizers(other), strict=True):
        before, after = one.state_dict()["state"], same.state_dict()["state"]
        assert before.keys() == after.keys()
        assert len(before) == sum(len(group["params"]) for group in one.param_groups)
        for index, state in before.items():
            for name, value in state.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(after[index][name])), (index, name)
    assert other.files() == files


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        (PPO, {"policy", "policy_optimizer"}),
        (SAC, {"policy", "actor_optimizer", "critic_optimizer", "ent_coef_optimizer", "log_ent_coef"}),
    ],
    ids=["ppo", "sac"],
)
def test_no_file_is_a_pickle(config: TrainConfig, weights: set[str]) -> None:
    files = trained(config).files()
    json.loads(files.pop("vec_normalize.json"))
    assert files.keys() == {f"{name}.safetensors" for name in weights}
    for data in files.values():
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


@pytest.mark.parametrize(
    ("hidden", "env"),
    [
        ((9,), toy_envs.MoveRight),
        ((8, 8), toy_envs.MoveRight),
        ((8,), toy_envs.RandomEnds),
        ((8,), toy_envs.Counter),
    ],
)
def test_files_of_another_network_or_environment_are_refused(hidden: tuple[int, ...], env: type[gym.Env]) -> None:
    files = trained(PPO).files()
    config = dataclasses.replace(PPO, ppo=dataclasses.replace(PPO.ppo, hidden=hidden))
    with pytest.raises(CheckpointError, match="the saved policy does not fit") as caught:
        make(config, env).load(files.__getitem__)
    assert "\n" not in str(caught.value)
