import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from small import SMALL, SMALL_SAC
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.config.run import TrainConfig
from prefrl.environments.actions import UnitsVecEnv, action_units, bounds, in_units
from prefrl.runs.run_dir import RunDir
from prefrl.training.loop import train

INF = np.inf


def box(low: Any, high: Any, dtype: Any = np.float32) -> spaces.Box:
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


@pytest.mark.parametrize(
    ("low", "high", "actions", "executed"),
    [
        ([0.0], [100.0], [[-1.0], [0.0], [0.5], [1.0], [3.0]], [[0.0], [50.0], [75.0], [100.0], [100.0]]),
        ([-1000.0], [1000.0], [[-1.0], [0.25], [-9.0]], [[-1000.0], [250.0], [-1000.0]]),
        ([-1e-3, 5.0], [1e-3, 5.0], [[0.5, 0.7]], [[5e-4, 5.0]]),  # with one that cannot move
        ([-INF, 2.0, -INF], [INF, INF, -3.0], [[9.0, 1.5, -4.0], [-9.0, -1.0, 1.0]], [[9.0, 3.5, -7.0], [-9.0, 2, -3]]),
        ([[0.0, -2.0]], [[4.0, 2.0]], [[[1.0, 0.5]], [[-1.0, 0.0]]], [[[4.0, 1.0]], [[0.0, 0.0]]]),
        ([-3.4e38], [3.4e38], [[7.0]], [[7.0]]),  # as good as none
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minus_one_and_one_are_the_bounds_where_there_are_two(
    low: Any, high: Any, actions: Any, executed: Any, dtype: Any
) -> None:
    units = action_units(box(low, high, dtype), scaled=True)
    got = units.executed(np.array(actions, np.float32))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, np.array(executed, dtype))


def test_the_agent_is_told_bounds_everywhere() -> None:
    space = box([0.0, -INF, 2.0, -INF], [100.0, INF, INF, -3.0], np.float64)
    told = action_units(space, scaled=True).agent_space
    assert isinstance(told, spaces.Box)
    assert told.is_bounded()
    least, most = bounds(told)
    np.testing.assert_array_equal(least, [-1, -INF, 0, -INF])
    np.testing.assert_array_equal(most, [1, INF, INF, 0])


@pytest.mark.parametrize(
    ("space", "scaled"),
    [
        (box([-1.0, -1.0], [1.0, 1.0]), True),
        (box([-1.0], [1.0], np.float64), True),
        (spaces.Discrete(3), True),
        (spaces.Discrete(3), False),
        (box([-2.0], [2.0]), False),
        (box([0.0], [100.0], np.float64), False),
    ],
)
def test_nothing_changes_where_the_units_are_the_agents_own(space: spaces.Space, scaled: bool) -> None:
    units, venv = action_units(space, scaled=scaled), DummyVecEnv([toy_envs.MoveRight])
    assert units.agent_space is space
    actions = np.array([0, 1])
    assert units.executed(actions) is actions
    assert in_units(venv, units) is venv


def test_what_is_wrapped_gets_its_own_units_and_what_is_outside_the_agents() -> None:
    venv = DummyVecEnv([lambda: toy_envs.Units(0.0, 100.0)])
    wrapped = in_units(venv, action_units(venv.action_space, scaled=True))
    assert isinstance(wrapped, UnitsVecEnv)
    assert wrapped.action_space == box([-1.0], [1.0])
    assert venv.action_space == box([0.0], [100.0])
    wrapped.reset()
    _, rewards, _, _ = wrapped.step(np.array([[0.5]]))
    assert rewards[0] == 0.5


def made(path: Path, config: TrainConfig, **kwargs: Any) -> RunDir:
    return train(dataclasses.replace(config, env_id="Units-v0", env_kwargs=kwargs), path)


@pytest.mark.parametrize(("reward", "config"), [("learned", SMALL), ("true", SMALL), ("learned", SMALL_SAC)])
@pytest.mark.parametrize("unit", [1024.0, 2.0**-30])  # powers of 2, by which nothing is rounded
def test_agents_learn_the_same_in_any_unit_bit_for_bit(tmp_path: Path, reward: Any, config: Any, unit: float) -> None:
    config = dataclasses.replace(config, reward=reward)
    plain = made(tmp_path / "plain", config).latest_checkpoint()
    scaled = made(tmp_path / "scaled", config, low=-unit, high=unit).latest_checkpoint()
    assert plain is not None
    assert scaled is not None
    assert plain.hashes["policy.safetensors"] == scaled.hashes["policy.safetensors"]


@pytest.mark.parametrize(("low", "high"), [(0.0, 100.0), (-1e-3, 1e-3), (-5.0, 3.0), (1000.0, 1001.0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_agent_learns_by_any_box(tmp_path: Path, low: float, high: float, dtype: str) -> None:
    config = dataclasses.replace(SMALL, steps=4000, labels=40, ppo=dataclasses.replace(SMALL.ppo, learning_rate=3e-3))
    run = made(tmp_path / "run", config, low=low, high=high, dtype=dtype)
    returns = [record["true_return"] for record in run.metrics()]
    assert returns[-1] > 5  # 6.8 by -1 to 1
