import numpy as np
import pytest
from agents import PPO, make
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.algorithms.rollouts import first_episodes, random_actions
from prefrl.data.episode import Episode


def act(longest: int = 20, seed: int = 5, shares: tuple[float, ...] = ()) -> tuple[list[Episode], VecNormalize]:
    """What an agent does in two environments that always moves at half speed."""
    algorithm = make(PPO)
    algorithm.agent.policy.action_net.weight.data.zero_()
    algorithm.agent.policy.action_net.bias.data.fill_(0.5)
    episodes = first_episodes(algorithm.act, algorithm.recorder, seed=seed, longest=longest, random_shares=shares)
    return episodes, algorithm.normaliser


def test_each_environment_gives_its_first_episode() -> None:
    episodes, venv = act(longest=50)
    assert [e.env_index for e in episodes] == [0, 1]
    assert [e.actions.tolist() for e in episodes] == [[[0.5]] * 20] * 2
    assert all(e.truncated for e in episodes)
    assert venv.obs_rms.count < 1  # type: ignore[union-attr]
    assert venv.training


@pytest.mark.parametrize("longest", [1, 7])
def test_episodes_are_cut(longest: int) -> None:
    assert [len(e.actions) for e in act(longest)[0]] == [longest] * 2


def test_the_seed_decides_what_is_seen() -> None:
    first, again, other = ([e.obs["obs"].tolist() for e in act(seed=seed)[0]] for seed in (5, 5, 6))
    assert first == again != other
    assert first[0] != first[1]


def test_some_steps_are_random_where_that_is_asked_for() -> None:
    never, always = act(shares=(0.0, 1.0))[0]
    assert set(never.actions.ravel()) == {0.5}
    assert len(set(always.actions.ravel())) == 20


bounds = st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32)).map(
    lambda pair: sorted(x + 0.0 for x in pair)
)  # no -0.0
bounds |= st.sampled_from([(-np.inf, np.inf), (0.0, np.inf), (-np.inf, -2.0)])


@given(st.lists(bounds, min_size=1, max_size=4), st.integers(0, 2**32))
def test_random_actions_lie_in_their_space(each: list[tuple[float, float]], seed: int) -> None:
    low, high = (np.array(x, np.float32) for x in zip(*each, strict=True))
    space = spaces.Box(low, high)
    drawn = random_actions(space, 20, np.random.default_rng(seed))
    assert drawn.shape == (20, len(each))
    assert drawn.dtype == np.float32
    assert all(space.contains(action) for action in drawn)


def test_random_discrete_actions_are_all_of_them_alike() -> None:
    drawn = random_actions(spaces.Discrete(3), 3000, np.random.default_rng(0))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [0, 1, 2]
    assert counts.min() > 900
