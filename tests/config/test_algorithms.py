import dataclasses

import pytest

from prefrl.config.algorithms import ALGORITHM_NAMES, PPOConfig, SACConfig
from prefrl.config.run import TrainConfig


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_the_agents_settings_are_those_of_the_chosen_algorithm(name: str) -> None:
    config = TrainConfig("X-v0", algorithm=name)  # type: ignore[arg-type]
    assert config.agent is getattr(config, name)
    assert config.agent.rollout % config.agent.n_envs == 0


def test_a_rollout_is_what_an_agent_does_between_two_updates() -> None:
    assert PPOConfig(n_envs=3, n_steps=7).rollout == 21
    assert SACConfig(n_envs=3).rollout == 3


def test_settings_of_a_run_are_given_by_position_but_those_of_algorithms_are_not() -> None:
    config = TrainConfig("X-v0", {"a": 1})
    assert (config.env_id, config.env_kwargs) == ("X-v0", {"a": 1})
    assert [f.name for f in dataclasses.fields(config) if f.kw_only] == ["algorithm", "action_units", *ALGORITHM_NAMES]
