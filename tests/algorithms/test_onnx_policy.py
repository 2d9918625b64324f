import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import toy_envs
from agents import PPO, SAC, trained
from boxes import CASES, Uneven, assert_same, observations

from prefrl.algorithms.onnx_policy import policy_graph
from prefrl.errors import UsageError


def run(graph: bytes, obs: np.ndarray) -> np.ndarray:
    (actions,) = onnxruntime.InferenceSession(graph).run(["action"], {"obs": obs.astype(np.float32)})
    assert isinstance(actions, np.ndarray)
    return actions


@pytest.mark.parametrize("name", CASES)
def test_a_graph_does_what_the_agent_does(name: str) -> None:
    config, env = CASES[name]
    algorithm, obs = trained(config, env), observations(env)
    expected, got = algorithm.act(obs), run(algorithm.graph({}), obs)
    assert got.dtype == (np.float32 if expected.dtype.kind == "f" else np.int64)
    assert_same(algorithm, got, expected)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_any_net_is_written(activation: str) -> None:
    ppo = dataclasses.replace(PPO.ppo, activation=activation, hidden=(7, 6, 5))
    algorithm, obs = trained(dataclasses.replace(PPO, ppo=ppo)), observations(toy_envs.MoveRight)
    np.testing.assert_allclose(run(algorithm.graph({}), obs), algorithm.act(obs), atol=1e-6)


def test_one_observation_and_many_and_what_is_said_of_them() -> None:
    graph = trained(SAC, Uneven).graph({"env_id": "Uneven-v0"})
    assert run(graph, np.zeros((1, 3))).shape == (1, 2, 2)
    assert run(graph, np.zeros((64, 3))).shape == (64, 2, 2)
    model = onnx.load_from_string(graph)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"env_id": "Uneven-v0"}
    assert model.producer_name == "prefrl"


def test_a_layer_that_is_not_known_is_named() -> None:
    algorithm = trained(PPO)
    with pytest.raises(UsageError, match="knows no layer GELU"):
        policy_graph([torch.nn.GELU()], algorithm.normaliser, algorithm.units, toy_envs.MoveRight.observation_space, {})
