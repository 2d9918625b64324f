import gymnasium as gym
import prefrl_envs  # noqa: F401  # registers the environments
import pytest

from prefrl.config.algorithms import ALGORITHM_NAMES, PPOConfig
from prefrl.config.presets import preset, tuned
from prefrl.config.run import TrainConfig
from prefrl.config.saved import from_json, to_json
from prefrl.errors import UsageError
from prefrl.training.plan import Plan


def test_tuned_environments_exist_and_the_eight_benchmarks_are_among_them() -> None:
    assert set(tuned()) <= set(gym.registry) | {"LunarLander-v3"}  # which needs Box2D only to be made
    assert {"Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "CartPole-v1", "Pendulum-v1"} <= set(tuned())


@pytest.mark.parametrize("env_id", tuned())
def test_every_preset_is_a_run_that_can_be_planned_and_saved(env_id: str) -> None:
    config = preset(env_id)
    assert config.env_id == env_id
    assert (config.run_dir, config.seed, config.reward, config.teacher) == (None, 0, "learned", "oracle")
    assert Plan(config).rounds == config.rounds
    assert from_json(to_json(config)) == config
    assert config.ppo.n_envs * config.ppo.n_steps % config.ppo.batch_size == 0  # SB3 warns of a smaller last batch


def test_foresight_is_the_tasks_and_not_the_algorithms() -> None:
    for config in map(preset, tuned()):
        assert {getattr(config, name).gamma for name in ALGORITHM_NAMES} == {config.agent.gamma}
    assert preset("Swimmer-v5").sac.gamma == 0.9999


def test_an_environment_that_nobody_tuned_gets_the_default() -> None:
    assert preset("Nobody/Knows-v0") == TrainConfig("Nobody/Knows-v0")


def test_overrides_win_over_what_was_tuned() -> None:
    config = preset("HalfCheetah-v5", labels=7, seed=3, ppo=PPOConfig(gamma=0.5))
    assert (config.labels, config.seed, config.ppo) == (7, 3, PPOConfig(gamma=0.5))
    assert config.steps == preset("HalfCheetah-v5").steps


def test_overrides_are_checked() -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        preset("Hopper-v5", no_such_option=1)
    with pytest.raises(UsageError, match="--labels"):
        preset("Hopper-v5", labels=-1)
