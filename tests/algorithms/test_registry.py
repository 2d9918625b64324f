import dataclasses

import pytest
from small import SMALL

from prefrl.algorithms.registry import ALGORITHMS, check_algorithm, make_algorithm
from prefrl.config.algorithms import ALGORITHM_NAMES, AlgorithmChoice
from prefrl.errors import EnvError, UsageError
from prefrl.training.learner import Learner


def test_every_algorithm_has_a_name_and_settings_of_that_name() -> None:
    assert tuple(ALGORITHMS) == ALGORITHM_NAMES
    assert {algorithm.name: algorithm for algorithm in ALGORITHMS.values()} == ALGORITHMS
    fields = {field.name for field in dataclasses.fields(AlgorithmChoice)}
    assert fields == {"algorithm", "action_units", *ALGORITHM_NAMES}


@pytest.mark.parametrize("name", ALGORITHM_NAMES)
def test_the_one_that_was_asked_for_is_made(name: str) -> None:
    config = dataclasses.replace(SMALL, algorithm=name)  # type: ignore[arg-type]
    assert isinstance(make_algorithm(config, Learner(SMALL).recorder), ALGORITHMS[name])  # type: ignore[arg-type]


def test_it_is_known_before_a_run_whether_an_algorithm_can_act() -> None:
    discrete = dataclasses.replace(SMALL, env_id="CartPole-v1")
    check_algorithm(SMALL)
    check_algorithm(discrete)
    with pytest.raises(UsageError, match="--algorithm sac"):
        check_algorithm(dataclasses.replace(discrete, algorithm="sac"))
    with pytest.raises(EnvError):
        check_algorithm(dataclasses.replace(SMALL, env_id="Nowhere-v0"))
