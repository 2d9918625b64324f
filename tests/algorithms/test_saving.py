import dataclasses
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from prefrl.algorithms.saving import (
    Agent,
    agent_files,
    derive_seed,
    forget_values,
    load_agent,
    make_agent,
    normalise,
    seed_span,
)
from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.errors import CheckpointError, UsageError

SMALL = PPOConfig(n_envs=2, n_steps=16, batch_size=16, n_epochs=2, hidden=(8,))
SMALL_SAC = SACConfig(n_envs=2, gradient_steps=1, batch_size=16, buffer_size=500, random_steps=20, hidden=(8,))


def fresh(
    config: PPOConfig | SACConfig = SMALL, env: type[gym.Env] = toy_envs.MoveRight, seed: int = 0
) -> tuple[Agent, VecNormalize]:
    torch.manual_seed(seed)
    normaliser = normalise(DummyVecEnv([lambda: gym.wrappers.TimeLimit(env(), 20)] * 2), config)
    return make_agent(config, normaliser), normaliser


def trained(config: PPOConfig | SACConfig = SMALL) -> tuple[Agent, VecNormalize]:
    agent, normaliser = fresh(config)
    seed_span(agent, 3, 1)
    agent.learn(96)
    return agent, normaliser


def test_the_agent_is_what_the_configuration_says() -> None:
    config = dataclasses.replace(SMALL, gamma=0.9, ent_coef=0.01, activation="tanh", log_std_init=-2.5)
    agent, _ = fresh(config)
    assert (agent.n_steps, agent.batch_size, agent.n_epochs) == (16, 16, 2)
    assert (agent.gamma, agent.gae_lambda, agent.ent_coef, agent.vf_coef) == (0.9, 0.95, 0.01, 0.5)
    assert (agent.clip_range(1.0), agent.max_grad_norm, agent.lr_schedule(1.0)) == (0.2, 0.5, 3e-4)
    assert agent.policy.log_std.tolist() == [-2.5]
    layers = [type(m) for m in agent.policy.mlp_extractor.value_net]
    assert layers == [torch.nn.Linear, torch.nn.Tanh]
    assert agent.policy.mlp_extractor.policy_net[0].out_features == 8
    assert isinstance(fresh(env=toy_envs.Counter)[0].action_space, spaces.Discrete)


@pytest.mark.parametrize("config", [SMALL, SMALL_SAC])
def test_adam_is_that_of_sb3_but_for_its_speed(config: PPOConfig | SACConfig) -> None:
    agent, normaliser = fresh(config)
    plain = type(agent)("MlpPolicy", normaliser, device="cpu")
    for ours, theirs in zip(optimizers(agent), optimizers(plain), strict=True):
        assert {**ours.defaults, "fused": None} == {**theirs.defaults, "fused": None}
    assert optimizers(agent)[0].defaults["fused"]


@pytest.mark.parametrize("config", [SMALL, SMALL_SAC])
def test_a_trained_agent_comes_back_from_its_files_bit_for_bit(config: PPOConfig | SACConfig) -> None:
    agent, normaliser = trained(config)
    files = agent_files(agent, normaliser)
    other, other_normaliser = fresh(config, seed=1)
    load_agent(other, other_normaliser, files.__getitem__)
    obs = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    np.testing.assert_array_equal(other_normaliser.normalize_obs(obs), normaliser.normalize_obs(obs))
    np.testing.assert_array_equal(other_normaliser.normalize_reward(obs[:, 0]), normaliser.normalize_reward(obs[:, 0]))
    np.testing.assert_array_equal(other.predict(obs, deterministic=True)[0], agent.predict(obs, deterministic=True)[0])
    for one, same in zip(optimizers(agent), optimizers(other), strict=True):
        before, after = one.state_dict()["state"], same.state_dict()["state"]
        assert before.keys() == after.keys()
        assert len(before) == sum(len(group["params"]) for group in one.param_groups)
        for index, state in before.items():
            for name, value in state.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(after[index][name])), (index, name)
    assert agent_files(other, other_normaliser) == files


def optimizers(agent: Agent) -> list[torch.optim.Optimizer]:
    if isinstance(agent, SAC):
        return [agent.actor.optimizer, agent.critic.optimizer, agent.ent_coef_optimizer]
    return [agent.policy.optimizer]


def test_an_agent_that_was_loaded_learns_on_as_the_original() -> None:
    agent, normaliser = trained()
    other, other_normaliser = fresh(seed=1)
    load_agent(other, other_normaliser, agent_files(agent, normaliser).__getitem__)
    for either in (agent, other):
        seed_span(either, 3, 2)
        either.learn(64, reset_num_timesteps=False)
    assert agent_files(other, other_normaliser) == agent_files(agent, normaliser)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        (SMALL, {"policy", "policy_optimizer"}),
        (SMALL_SAC, {"policy", "actor_optimizer", "critic_optimizer", "ent_coef_optimizer", "log_ent_coef"}),
    ],
)
def test_no_file_is_a_pickle(config: PPOConfig | SACConfig, weights: set[str]) -> None:
    files = agent_files(*trained(config))
    json.loads(files.pop("vec_normalize.json"))
    assert files.keys() == {f"{name}.safetensors" for name in weights}
    for data in files.values():
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


@pytest.mark.parametrize("env", [toy_envs.Counter, toy_envs.RandomEnds])
def test_sac_acts_by_bounded_numbers_alone(env: type[gym.Env]) -> None:
    venv = DummyVecEnv([env])
    if env is toy_envs.RandomEnds:
        venv.action_space = spaces.Box(-np.inf, np.inf, (2,))
    with pytest.raises(UsageError, match="--algorithm sac acts by bounded numbers") as caught:
        make_agent(SMALL_SAC, venv)
    assert "\n" not in str(caught.value)


def test_values_of_another_reward_are_forgotten_and_the_policy_is_not() -> None:
    agent, normaliser = trained(SMALL_SAC)
    before = agent_files(agent, normaliser)
    forget_values(agent)
    after = agent_files(agent, normaliser)
    assert not agent.critic.optimizer.state
    kept, drawn = load(before["policy.safetensors"]), load(after["policy.safetensors"])
    for name, value in drawn.items():
        same = torch.equal(value, kept[name])
        assert same == name.startswith("actor"), name
    for name in ("actor_optimizer.safetensors", "ent_coef_optimizer.safetensors", "log_ent_coef.safetensors"):
        assert after[name] == before[name]
    assert all(
        torch.equal(drawn[name], drawn[name.replace("critic.", "critic_target.")])
        for name in drawn
        if name.startswith("critic.")
    )


@pytest.mark.parametrize(
    ("config", "env"),
    [
        (dataclasses.replace(SMALL, hidden=(9,)), toy_envs.MoveRight),
        (dataclasses.replace(SMALL, hidden=(8, 8)), toy_envs.MoveRight),
        (SMALL, toy_envs.RandomEnds),
        (SMALL, toy_envs.Counter),
    ],
)
def test_files_of_another_network_or_environment_are_refused(config: PPOConfig, env: type[gym.Env]) -> None:
    files = agent_files(*trained())
    with pytest.raises(CheckpointError, match="the saved policy does not fit") as caught:
        load_agent(*fresh(config, env), files.__getitem__)
    assert "\n" not in str(caught.value)


class CountsInBytes(toy_envs.Counter):
    """Observes whole numbers, as an Atari game's memory does."""

    observation_space = spaces.Box(0, 255, (2,), np.uint8)

    def observe(self) -> np.ndarray:
        return super().observe().astype(np.uint8)


def test_what_was_normalised_is_not_kept_as_whole_numbers() -> None:
    agent, normaliser = fresh(env=CountsInBytes)
    assert normaliser.observation_space == spaces.Box(-np.inf, np.inf, (2,), np.float32)
    agent.learn(32)
    assert (agent.rollout_buffer.observations % 1 != 0).any()


def test_a_frozen_normaliser_learns_nothing_and_leaves_rewards_alone() -> None:
    normaliser = normalise(DummyVecEnv([toy_envs.MoveRight]), SMALL, training=False)
    normaliser.reset()
    _, rewards, _, _ = normaliser.step(np.array([[0.25]]))
    assert rewards[0] == 0.25
    assert normaliser.obs_rms.count == normalise(DummyVecEnv([toy_envs.MoveRight]), SMALL).obs_rms.count


def test_ppo_is_paid_in_units_of_returns_and_sac_as_it_is() -> None:
    scales = {}
    for config in (SMALL, SMALL_SAC):
        normaliser = normalise(DummyVecEnv([toy_envs.MoveRight]), config)
        normaliser.reset()
        for _ in range(20):
            _, rewards, _, _ = normaliser.step(np.array([[0.25]]))
        scales[type(config)] = float(rewards[0]) / 0.25
    assert scales[SACConfig] == 1
    assert scales[PPOConfig] != pytest.approx(1, abs=0.1)


@given(st.integers(0, 2**64), st.integers(0, 10**6))
def test_seeds_fit_everything_they_are_given_to(seed: int, span: int) -> None:
    derived = derive_seed(seed, span)
    assert derived == derive_seed(seed, span)
    assert 0 <= derived < 2**31


def test_each_purpose_has_a_seed_of_its_own() -> None:
    paths = [(s, *p) for s in range(20) for p in [(), *((i,) for i in range(40)), *((2, i) for i in range(40))]]
    assert len({derive_seed(*path) for path in paths}) == len(paths)


def test_a_span_starts_from_a_clean_state() -> None:
    """Whatever was drawn before, and however the environments stood."""
    agent, _ = fresh()
    states = []
    for disturbance in (0, 7):
        np.random.default_rng(0)
        torch.rand(disturbance)
        for _ in range(disturbance):
            agent.env.reset()
        seed_span(agent, 5, 1)
        states.append((torch.rand(1).item(), np.random.random(), agent.env.reset().tolist()))  # noqa: NPY002
    assert states[0][:2] == states[1][:2]
    agent.env.training = False
    seed_span(agent, 5, 1)
    first = agent.env.unnormalize_obs(agent.env.reset())
    seed_span(agent, 5, 2)
    assert not np.allclose(agent.env.unnormalize_obs(agent.env.reset()), first)
    seed_span(agent, 5, 1)
    np.testing.assert_array_equal(agent.env.unnormalize_obs(agent.env.reset()), first)
