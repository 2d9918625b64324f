import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from agents import SAC, make
from gymnasium import spaces

from prefrl.errors import UsageError


class Unbounded(toy_envs.RandomEnds):
    action_space = spaces.Box(-np.inf, np.inf, (2,))


class HalfBounded(toy_envs.RandomEnds):
    action_space = spaces.Box(np.array([0.0, -1.0], np.float32), np.array([np.inf, 1.0], np.float32))


class AsGoodAsUnbounded(toy_envs.RandomEnds):
    action_space = spaces.Box(-3.4e38, 3.4e38, (2,))


def test_adam_is_that_of_sb3_but_for_its_speed() -> None:
    algorithm = make(SAC)
    plain = type(algorithm.agent)("MlpPolicy", algorithm.normaliser, device="cpu")
    for part in ("actor", "critic"):
        ours, theirs = (getattr(agent, part).optimizer.defaults for agent in (algorithm.agent, plain))
        assert {**ours, "fused": None} == {**theirs, "fused": None}
        assert ours["fused"]
    assert algorithm.agent.ent_coef_optimizer.defaults == plain.ent_coef_optimizer.defaults


@pytest.mark.parametrize("env", [toy_envs.Counter, Unbounded, HalfBounded, AsGoodAsUnbounded])
def test_sac_acts_by_bounded_numbers_alone(env: type[gym.Env]) -> None:
    with pytest.raises(UsageError, match="--algorithm sac acts by bounded numbers") as caught:
        make(SAC, env)
    assert "\n" not in str(caught.value)
