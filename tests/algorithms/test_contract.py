"""What every algorithm in the registry must do; a new one is tested here without a line of its own."""

import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from agents import make
from gymnasium import spaces
from small import SMALL
from stable_baselines3.common.callbacks import BaseCallback

from prefrl.algorithms.base import Algorithm
from prefrl.algorithms.registry import ALGORITHMS
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.errors import UsageError

SMALLER = {
    "n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 2, "hidden": (8,), "buffer_size": 500, "random_steps": 20,
    "gradient_steps": 1,
}  # fmt: skip
"""Settings of any algorithm, which make it learn in a moment."""

pytestmark = pytest.mark.parametrize("name", ALGORITHMS)


class Flips(toy_envs.MoveRight):
    action_space = spaces.Discrete(2)

    def step(self, action: Any):
        return super().step(np.array([float(action)]))


class Unbounded(toy_envs.MoveRight):
    action_space = toy_envs.unbounded(1)


class TwoAxes(toy_envs.MoveRight):
    action_space = spaces.Box(-2.0, 0.5, (1, 2), np.float32)

    def step(self, action: Any):
        return super().step(action[0])


class Calls(BaseCallback):
    """Notes when it is called."""

    def __init__(self, stop_at: float = np.inf) -> None:
        super().__init__()
        self.stop_at, self.starts, self.steps = stop_at, 0, list[int]()

    def _on_training_start(self) -> None:
        self.starts += 1

    def _on_step(self) -> bool:
        self.steps.append(self.num_timesteps)
        return self.num_timesteps < self.stop_at


def small(name: str, **changes: Any) -> TrainConfig:
    settings: Any = getattr(SMALL, name)
    fields = {field.name for field in dataclasses.fields(settings)}
    settings = dataclasses.replace(settings, **{key: value for key, value in SMALLER.items() if key in fields})
    return dataclasses.replace(SMALL, **{"algorithm": name, name: settings, **changes})


def trained(name: str, until: int = 160) -> tuple[Algorithm, list[Episode]]:
    """One that has explored and been trained for a round until that step, and what it did in that."""
    algorithm = make(small(name))
    algorithm.explore(64)
    algorithm.recorder.drain()
    algorithm.train(1, until, lambda _: None)
    return algorithm, algorithm.recorder.drain()


def test_exploring_and_training_count_steps_and_change_the_agent(name: str) -> None:
    algorithm, heard = make(small(name)), list[int]()
    fresh = algorithm.files()
    algorithm.explore(64)
    assert algorithm.num_timesteps == 64
    assert sum(len(e.actions) for e in algorithm.recorder.drain()) == 64
    before = algorithm.files()
    algorithm.train(1, 160, heard.append)
    assert algorithm.num_timesteps == heard[-1] == 160
    assert sum(len(e.actions) for e in algorithm.recorder.drain()) == 96
    after = algorithm.files()
    assert after != before
    assert after != fresh
    assert after.keys() == fresh.keys()


def test_the_same_settings_give_the_same_bits_and_another_seed_gives_others(name: str) -> None:
    one, same = (trained(name)[0] for _ in range(2))
    assert (one.files(), one.memory()) == (same.files(), same.memory())
    assert make(small(name)).files() == make(small(name)).files() != make(small(name, seed=1)).files()


@pytest.mark.parametrize("until", [160, 162])  # an even and an odd number of gradient steps, off policy
def test_one_that_was_saved_goes_on_bit_for_bit(name: str, until: int) -> None:
    algorithm, _ = trained(name, until)
    files, memory = algorithm.files(), algorithm.memory()
    other = make(small(name, seed=1))
    other.load(files.__getitem__)
    other.load_memory(memory.__getitem__)
    other.config = small(name)  # the seed of what follows
    other.num_timesteps = algorithm.num_timesteps
    assert (other.files(), other.memory()) == (files, memory)
    for either in (algorithm, other):
        either.train(2, 256, lambda _: None)
    assert algorithm.files() == other.files() != files
    assert algorithm.memory() == other.memory()


def test_trying_another_agent_leaves_memory_and_steps_as_they_are(name: str) -> None:
    algorithm, _ = trained(name)
    memory, steps = algorithm.memory(), algorithm.num_timesteps
    algorithm.load(make(small(name, seed=1)).files().__getitem__)
    assert (algorithm.memory(), algorithm.num_timesteps) == (memory, steps)


def test_it_reacts_to_a_reward_that_has_changed(name: str) -> None:
    algorithm, episodes = trained(name)
    algorithm.reward_changed(1, episodes)
    before = {**algorithm.files(), **algorithm.memory()}
    paid: Any = algorithm.paid  # type: ignore[attr-defined]
    paid.reward_function.output_mean.sub_(5.0)
    algorithm.reward_changed(1, episodes)
    after = {**algorithm.files(), **algorithm.memory()}
    assert after != before
    assert after.keys() == before.keys()


def test_it_acts_by_its_mode_and_by_nothing_else(name: str) -> None:
    algorithm, _ = trained(name)
    obs = np.random.default_rng(0).normal(size=(9, 1)).astype(np.float32)
    before = {**algorithm.files(), **algorithm.memory()}
    actions = algorithm.act(obs)
    np.testing.assert_array_equal(algorithm.act(obs), actions)
    assert actions.shape == (9, 1)
    assert {**algorithm.files(), **algorithm.memory()} == before


@pytest.mark.parametrize("env", [toy_envs.MoveRight, Flips, Unbounded, TwoAxes])
def test_it_refuses_in_one_line_what_it_cannot_act_in_and_acts_in_all_else(name: str, env: type[gym.Env]) -> None:
    if not accepts(name, env.action_space):
        with pytest.raises(UsageError, match=f"--algorithm {name}") as caught:
            make(small(name), env)
        assert "\n" not in str(caught.value)
        return
    algorithm = make(small(name), env)
    algorithm.train(1, 64, lambda _: None)
    assert all(env.action_space.contains(action) for action in algorithm.act(np.zeros((2, 1), np.float32)))


def accepts(name: str, space: spaces.Space) -> bool:
    try:
        ALGORITHMS[name].check(space)
    except UsageError:
        return False
    return True


def test_an_update_that_leads_to_nan_is_reported_not_trained_on(name: str) -> None:
    config = small(name)
    wild = dataclasses.replace(config, **{name: dataclasses.replace(config.agent, learning_rate=1e12)})  # type: ignore[type-var]
    with pytest.raises(UsageError, match=rf"NaN.*after \d+ steps; .*lower --{name}.learning-rate"):
        make(wild).train(1, 400, lambda _: None)


def test_one_that_only_acts_does_what_the_trained_one_does(name: str) -> None:
    algorithm, _ = trained(name)
    idle = make(small(name), learns=False)
    idle.load(algorithm.files().__getitem__)
    obs = np.linspace(-2, 2, 20, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(idle.act(obs), algorithm.act(obs))


def test_what_others_load_is_made_without_a_change_to_what_is_learned(name: str) -> None:
    algorithm, _ = trained(name)
    files, memory, drawn = algorithm.files(), algorithm.memory(), torch.get_rng_state()
    assert algorithm.archive()[:2] == b"PK"
    assert len(algorithm.graph({})) > 100
    assert (algorithm.files(), algorithm.memory()) == (files, memory)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_callback_is_called_in_training_and_may_end_it(name: str) -> None:
    algorithm, calls = make(small(name)), Calls(stop_at=100)
    algorithm.set_callbacks([calls, Calls()])
    algorithm.explore(64)
    assert calls.steps == []
    assert algorithm.train(1, 96, lambda _: None)
    assert (calls.starts, calls.steps[-1]) == (1, 96)
    assert not algorithm.train(2, 160, lambda _: None)
    assert (calls.starts, calls.steps[-1], algorithm.num_timesteps) == (2, 100, 100)
    algorithm.set_callbacks(None)
    algorithm.train(2, 160, lambda _: None)
    assert algorithm.num_timesteps >= 160
