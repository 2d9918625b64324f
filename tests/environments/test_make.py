import dataclasses
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import toy_envs

from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import TrainConfig
from prefrl.environments.guarded import Guarded
from prefrl.environments.make import make_env, make_venv, repeats, try_env
from prefrl.errors import EnvError


def one_line(error: Exception) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize("kind", ["dict", "image", "multi_discrete", "multi_binary"])
def test_spaces_that_are_not_supported_are_refused_in_one_line(kind: str) -> None:
    with pytest.raises(EnvError) as caught:
        make_env("Spaces-v0", {"kind": kind})
    said = one_line(caught.value)
    assert "Spaces-v0" in said
    assert {"dict": "Dict", "image": "Box", "multi_discrete": "MultiDiscrete", "multi_binary": "MultiBinary"}[
        kind
    ] in said
    assert "wrap it" in said


@pytest.mark.parametrize(("wrong", "near"), [("MoveRigt-v0", "MoveRight-v0"), ("Hoper-v5", "Hopper-v5")])
def test_near_matches_of_an_unknown_environment_are_named(wrong: str, near: str) -> None:
    with pytest.raises(EnvError) as caught:
        make_env(wrong, {})
    assert near in one_line(caught.value)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "named"),
    [
        ("Nothing like it", {}, "Nothing like it"),
        ("", {}, "Malformed environment ID"),
        ("no_such_module:Env-v0", {}, "no_such_module"),
        ("MoveRight-v0", {"no_such_option": 1}, "no_such_option"),
        ("Spaces-v0", {"kind": "raises"}, "OSError: the simulator's licence has expired"),
    ],
)
def test_what_keeps_an_environment_from_being_made_is_told_in_one_line(
    env_id: str, kwargs: dict[str, Any], named: str
) -> None:
    with pytest.raises(EnvError) as caught:
        make_env(env_id, kwargs)
    assert named in one_line(caught.value)


def test_environment_options_are_passed_on() -> None:
    _, reward, *_ = step_once(make_env("MoveRight-v0", {"reward_scale": 8.0}))
    assert reward == 8.0
    assert make_env("MoveRight-v0", {}, render_mode="rgb_array").render_mode == "rgb_array"


def step_once(env: gym.Env) -> tuple[Any, ...]:
    env.reset(seed=0)
    return env.step(np.ones(1, np.float32))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raises", "Faulty-v0: step() raised ZeroDivisionError: the wheel"),
        ("exits", "Faulty-v0: step() raised SystemExit"),
        ("reward", "Faulty-v0: the reward of step() is None, want one number"),
        ("shape", "Faulty-v0 observed float32(3,), but its observation_space is Box(-inf, inf, (2,), float32)"),
        ("words", "Faulty-v0 observed <U4(2,)"),
        ("none", "Faulty-v0 observed object()"),
    ],
)
def test_an_environment_that_breaks_is_named_with_its_fault(fault: str, said: str) -> None:
    venv = make_venv(TrainConfig("Faulty-v0", env_kwargs={"fault": fault}), n_envs=2)
    venv.reset()
    for _ in range(3):
        venv.step(np.zeros(2, int))
    with pytest.raises(EnvError) as caught:
        venv.step(np.zeros(2, int))
    assert said in one_line(caught.value)


def test_observations_are_copies() -> None:
    env = Guarded(toy_envs.RandomEnds(reuse_buffer=True))
    first, _ = env.reset(seed=0)
    before = first.copy()
    env.step(np.zeros(2, np.float32))
    np.testing.assert_array_equal(first, before)


def test_as_many_environments_as_asked() -> None:
    config = TrainConfig("MoveRight-v0", ppo=PPOConfig(n_envs=2))
    assert (make_venv(config).num_envs, make_venv(config, n_envs=5).num_envs) == (2, 5)


def test_a_trial_tells_how_long_episodes_may_be() -> None:
    assert try_env(TrainConfig("MoveRight-v0", segment_length=20)) == 20
    assert try_env(TrainConfig("Counter-v0")) is None


def test_a_person_is_not_asked_about_an_environment_that_cannot_be_drawn_again() -> None:
    windy = TrainConfig("Windy-v0", teacher="human")
    assert repeats(TrainConfig("RandomEnds-v0"))
    assert not repeats(windy)
    with pytest.raises(EnvError, match=r"does not repeat itself after reset\(seed=...\).*add --record-frames"):
        try_env(windy)
    try_env(dataclasses.replace(windy, record_frames=True))
    try_env(dataclasses.replace(windy, teacher="oracle"))
