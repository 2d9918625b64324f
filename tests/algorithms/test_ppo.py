import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import SMALL

from prefrl.algorithms.ppo import move_values, offset
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


def practised(config: TrainConfig = CONFIG) -> tuple[Learner, list[Episode]]:
    learner = Learner(config)
    return learner, learner.practise(1, 1600, lambda _: None)


def move(learner: Learner, episodes: list[Episode]) -> None:
    move_values(learner.agent, learner.normaliser, learner.paid, episodes)  # type: ignore[arg-type]


def values(learner: Learner, episodes: list[Episode]) -> np.ndarray:
    obs = np.concatenate([e.obs[:-1] for e in episodes])
    with torch.no_grad():
        found = learner.agent.policy.predict_values(torch.as_tensor(learner.normaliser.normalize_obs(obs)).float())  # type: ignore[operator]
    return found[:, 0].numpy()


def test_a_reward_that_is_one_higher_is_worth_a_geometric_sum_more_everywhere() -> None:
    learner, episodes = practised()
    assert any(e.terminated for e in episodes)
    move(learner, episodes)
    before = values(learner, episodes)
    learner.ensemble.output_mean.sub_(learner.ensemble.output_std)  # one more for each step, dead or alive
    move(learner, episodes)
    unit = float(np.sqrt(learner.normaliser.ret_rms.var + learner.normaliser.epsilon))
    np.testing.assert_allclose(values(learner, episodes) - before, 1 / (1 - GAMMA) / unit, rtol=1e-3)
    before = values(learner, episodes)
    move(learner, episodes)
    np.testing.assert_allclose(values(learner, episodes), before, atol=1e-4)


def test_nothing_else_changes() -> None:
    learner, episodes = practised()
    policy, stats = learner.agent.policy, learner.normaliser.ret_rms.var
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    move(learner, episodes)
    changed = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"value_net.bias"}
    assert learner.normaliser.ret_rms.var == stats


def test_episodes_of_bad_numbers_teach_nothing() -> None:
    learner, episodes = practised()
    spoilt = [dataclasses.replace(e, obs=np.full_like(e.obs, np.nan)) for e in episodes[:3]]
    before = values(learner, episodes)
    move(learner, spoilt)
    np.testing.assert_array_equal(values(learner, episodes), before)
    move(learner, [*spoilt, *episodes[3:]])
    assert np.isfinite(values(learner, episodes)).all()
