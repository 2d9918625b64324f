"""Options of `train`: which of them help shows at first, and how those of before are written today."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated, get_type_hints

import tyro

from prefrl.config.rewards import RewardConfig, Switch
from prefrl.config.run import TrainConfig

MAIN = ("env_id", "run_dir", "seed", "steps", "labels", "store", "teacher", "label", "goal", "algorithm", "reward")
"""What --help shows of `TrainConfig`; --help-all shows all."""

RENAMED = {"--spans": "--rounds", "--query": "--question"}
"""Names of options before 0.2, which are still understood."""


def with_main_options() -> type[TrainConfig]:
    """`TrainConfig`, whose help hides all but `MAIN`."""
    hints = get_type_hints(TrainConfig, include_extras=True)
    hidden = [field for field in dataclasses.fields(TrainConfig) if field.name not in MAIN]
    members = {
        "__doc__": f"{TrainConfig.__doc__}\n\nOptions that few people use: prefrl train ENV_ID --help-all",
        "__annotations__": {field.name: Annotated[hints[field.name], tyro.conf.Suppress] for field in hidden},
        **{field.name: _copy(field) for field in hidden},
    }
    return dataclasses.dataclass(frozen=True)(type("TrainConfig", (TrainConfig,), members))


def _copy(field: dataclasses.Field[object]) -> object:
    kwargs = {name: getattr(field, name) for name in ("default", "default_factory", "kw_only")}
    return dataclasses.field(**{name: value for name, value in kwargs.items() if value is not dataclasses.MISSING})


def of_today(args: Sequence[str]) -> list[str]:
    """`args` in which options of before 0.3 are written as they are now.

    Switches of the reward model were flags: `--reward-model.no-bounded` is `--reward-model.bounded False`, and
    `--reward-model.bootstrap` without a value is True.
    """
    return [word for i, word in enumerate(args) for word in _of_today(word, args[i + 1 : i + 2])]


def _of_today(word: str, following: Sequence[str]) -> Iterator[str]:
    name, equals, value = word.partition("=")
    flags = [f"--reward-model.{switch.replace('_', '-')}" for switch in SWITCHES]
    if name.replace(".no-", ".") in flags and ".no-" in name:
        yield from (name.replace(".no-", "."), "False")
        return
    yield RENAMED.get(name, name) + equals + value
    if name in flags and not equals and following not in (["True"], ["False"]):
        yield "True"


SWITCHES = tuple(name for name, hint in get_type_hints(RewardConfig, include_extras=True).items() if hint == Switch)
