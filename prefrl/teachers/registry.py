"""The teachers there are. Adding one is a file beside this one, its traits in `config.teachers`, and a line here."""

from collections.abc import Callable

from prefrl.config.run import TrainConfig
from prefrl.teachers.base import Teacher
from prefrl.teachers.oracle import Oracle

AT_ONCE: dict[str, Callable[[TrainConfig], Teacher]] = {
    "oracle": lambda config: Oracle(config.oracle),
}
"""Name of each teacher that answers inside the trainer -> how it is made."""


def make_teacher(config: TrainConfig) -> Teacher:
    """The teacher that `config` asks for, who answers at once."""
    return AT_ONCE[config.teacher](config)
