import ast
import dataclasses
import inspect
import sys
from itertools import pairwise

import pytest

from prefrl.config.algorithms import ALGORITHM_NAMES, PPOConfig, SACConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.config.teachers import OracleConfig

GROUPS = {*ALGORITHM_NAMES, "reward_model", "oracle"}


def explained(kind: type) -> set[str]:
    """Fields that a docstring follows, in the source of the class and of those it inherits from."""
    found = set()
    for base in kind.__mro__[:-1]:
        (body,) = (
            n.body
            for n in ast.parse(inspect.getsource(sys.modules[base.__module__])).body
            if getattr(n, "name", "") == base.__name__
        )
        found |= {
            field.target.id
            for field, after in pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        }
    return found


@pytest.mark.parametrize("kind", [PPOConfig, SACConfig, RewardConfig, OracleConfig, TrainConfig])
def test_every_option_explains_itself(kind: type) -> None:
    """`--help` shows the docstring under each field; groups are explained by the docstring of their class."""
    assert {f.name for f in dataclasses.fields(kind)} - GROUPS == explained(kind)
    assert kind.__doc__
