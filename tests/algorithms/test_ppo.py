import dataclasses

import numpy as np
import pytest
import torch
import toy_envs
from agents import PPO, make
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from small import SMALL

from prefrl.algorithms.ppo import PPOAlgorithm, offset
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.training.learner import Learner

GAMMA = 0.9
CONFIG = dataclasses.replace(
    SMALL, env_id="RandomEnds-v0", ppo=dataclasses.replace(SMALL.ppo, gamma=GAMMA, n_steps=40, hidden=(32,))
)


def test_an_offset_by_hand() -> None:
    """Of two steps, the second terminal: the deltas are 1 + 0.5 * 3 - 2 and 2 - 3, the weights 1 - 0.5 and 1."""
    rewards, values = [np.array([1.0, 2.0])], [np.array([2.0, 3.0, 0.0])]
    assert offset(rewards, values, np.array([True]), 0.5) == pytest.approx((0.5 - 1.0) / (0.5 + 1.0))


@given(st.floats(-100, 100), st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=9))
def test_values_that_are_off_by_a_constant_are_put_right(off: float, episodes: list[tuple[int, bool]]) -> None:
    """A reward of one each step, for ever, dead or alive, is worth 1 / (1 - gamma)."""
    rewards = [np.append(np.ones(n - 1), 1 / (1 - GAMMA) if dies else 1.0) for n, dies in episodes]
    values = [
        np.append(np.full(n, 1 / (1 - GAMMA) - off), 0.0 if dies else 1 / (1 - GAMMA) - off) for n, dies in episodes
    ]
    assert offset(rewards, values, np.array([dies for _, dies in episodes]), GAMMA) == pytest.approx(off, abs=1e-6)


def trained(config: TrainConfig = CONFIG) -> tuple[Learner, list[Episode]]:
    learner = Learner(config)
    return learner, learner.train(1, 1600, lambda _: None)


def ppo(learner: Learner) -> PPOAlgorithm:
    assert isinstance(learner.algorithm, PPOAlgorithm)
    return learner.algorithm


def values(learner: Learner, episodes: list[Episode]) -> np.ndarray:
    obs = np.concatenate([e.obs["obs"][:-1] for e in episodes])
    seen = torch.as_tensor(ppo(learner).normaliser.normalize_obs(obs)).float()
    with torch.no_grad():
        return ppo(learner).agent.policy.predict_values(seen)[:, 0].numpy()


def test_a_reward_that_is_one_higher_is_worth_a_geometric_sum_more_everywhere() -> None:
    learner, episodes = trained()
    assert any(e.terminated for e in episodes)
    ppo(learner).shift_values(episodes)
    before = values(learner, episodes)
    learner.ensemble.output_mean.sub_(learner.ensemble.output_std)  # one more for each step, dead or alive
    ppo(learner).shift_values(episodes)
    unit = float(np.sqrt(ppo(learner).normaliser.ret_rms.var + ppo(learner).normaliser.epsilon))
    np.testing.assert_allclose(values(learner, episodes) - before, 1 / (1 - GAMMA) / unit, rtol=1e-3)
    before = values(learner, episodes)
    ppo(learner).shift_values(episodes)
    np.testing.assert_allclose(values(learner, episodes), before, atol=1e-4)


def test_nothing_else_changes() -> None:
    learner, episodes = trained()
    policy, stats = ppo(learner).agent.policy, ppo(learner).normaliser.ret_rms.var
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    ppo(learner).shift_values(episodes)
    changed = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"value_net.bias"}
    assert ppo(learner).normaliser.ret_rms.var == stats


def test_episodes_of_bad_numbers_teach_nothing() -> None:
    learner, episodes = trained()
    spoilt = [dataclasses.replace(e, obs={"obs": np.full_like(e.obs["obs"], np.nan)}) for e in episodes[:3]]
    before = values(learner, episodes)
    ppo(learner).shift_values(spoilt)
    np.testing.assert_array_equal(values(learner, episodes), before)
    ppo(learner).shift_values([*spoilt, *episodes[3:]])
    assert np.isfinite(values(learner, episodes)).all()


def test_the_agent_is_what_the_configuration_says() -> None:
    settings = dataclasses.replace(PPO.ppo, gamma=0.9, ent_coef=0.01, activation="tanh", log_std_init=-2.5)
    agent = make(dataclasses.replace(PPO, ppo=settings)).agent
    assert (agent.n_steps, agent.batch_size, agent.n_epochs) == (16, 16, 2)
    assert (agent.gamma, agent.gae_lambda, agent.ent_coef, agent.vf_coef) == (0.9, 0.95, 0.01, 0.5)
    assert (agent.clip_range(1.0), agent.max_grad_norm, agent.lr_schedule(1.0)) == (0.2, 0.5, 3e-4)
    assert agent.policy.log_std.tolist() == [-2.5]
    layers = [type(m) for m in agent.policy.mlp_extractor.value_net]
    assert layers == [torch.nn.Linear, torch.nn.Tanh]
    assert agent.policy.mlp_extractor.policy_net[0].out_features == 8
    assert isinstance(make(PPO, toy_envs.Counter).agent.action_space, spaces.Discrete)


def test_adam_is_that_of_sb3_but_for_its_speed() -> None:
    algorithm = make(PPO)
    plain = type(algorithm.agent)("MlpPolicy", algorithm.normaliser, device="cpu")
    ours, theirs = (agent.policy.optimizer.defaults for agent in (algorithm.agent, plain))
    assert {**ours, "fused": None} == {**theirs, "fused": None}
    assert ours["fused"]
