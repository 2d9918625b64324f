"""The algorithms there are, by name."""

from prefrl.algorithms.base import Algorithm
from prefrl.algorithms.ppo import PPOAlgorithm
from prefrl.algorithms.sac import SACAlgorithm
from prefrl.config.run import TrainConfig
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.make import make_env
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.rendering.close import close_env

ALGORITHMS: dict[str, type[Algorithm]] = {
    "ppo": PPOAlgorithm,
    "sac": SACAlgorithm,
}
"""Name -> class. Its settings are the field of that name in `config.algorithms`."""


def make_algorithm(
    config: TrainConfig,
    recorder: RecordingVecEnv,
    paid: LearnedRewardVecEnv | None = None,
    *,
    learns: bool = True,
) -> Algorithm:
    """The algorithm that `config` asks for; arguments and errors as of `Algorithm`."""
    return ALGORITHMS[config.algorithm](config, recorder, paid, learns=learns)


def check_algorithm(config: TrainConfig) -> None:
    """See that the algorithm which `config` asks for can act in its environment.

    Raises:
        EnvError: the environment cannot be made.
        UsageError: it cannot.
    """
    env = make_env(config.env_id, config.env_kwargs)
    try:
        ALGORITHMS[config.algorithm].check(env.action_space)
    finally:
        close_env(env, config.env_id)
