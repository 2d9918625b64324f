import numpy as np
import torch
from agents import PPO, make
from hypothesis import given
from hypothesis import strategies as st

from prefrl.algorithms.seeds import derive_seed, seed_round


@given(st.integers(0, 2**64), st.integers(0, 10**6))
def test_seeds_fit_everything_they_are_given_to(seed: int, round_index: int) -> None:
    derived = derive_seed(seed, round_index)
    assert derived == derive_seed(seed, round_index)
    assert 0 <= derived < 2**31


def test_each_purpose_has_a_seed_of_its_own() -> None:
    paths = [(s, *p) for s in range(20) for p in [(), *((i,) for i in range(40)), *((2, i) for i in range(40))]]
    assert len({derive_seed(*path) for path in paths}) == len(paths)


def test_a_round_starts_from_a_clean_state() -> None:
    """Whatever was drawn before, and however the environments stood."""
    agent = make(PPO).agent
    states = []
    for disturbance in (0, 7):
        np.random.default_rng(0)
        torch.rand(disturbance)
        for _ in range(disturbance):
            agent.env.reset()
        seed_round(agent, 5, 1)
        states.append((torch.rand(1).item(), np.random.random(), agent.env.reset().tolist()))  # noqa: NPY002
    assert states[0][:2] == states[1][:2]
    agent.env.training = False
    seed_round(agent, 5, 1)
    first = agent.env.unnormalize_obs(agent.env.reset())
    seed_round(agent, 5, 2)
    assert not np.allclose(agent.env.unnormalize_obs(agent.env.reset()), first)
    seed_round(agent, 5, 1)
    np.testing.assert_array_equal(agent.env.unnormalize_obs(agent.env.reset()), first)
