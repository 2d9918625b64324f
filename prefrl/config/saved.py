"""Settings as JSON values, and back; also those that earlier versions saved."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_type_hints

from prefrl.config.algorithms import ALGORITHM_NAMES
from prefrl.config.run import Leg, TrainConfig
from prefrl.errors import UsageError


def to_json(config: TrainConfig) -> dict[str, Any]:
    """`config` as JSON values; `from_json` reads it back."""
    values = dataclasses.asdict(config)
    values["run_dir"] = None if config.run_dir is None else str(config.run_dir)
    values["oracle"]["beta"] = None if math.isinf(config.oracle.beta) else config.oracle.beta
    return json.loads(json.dumps(values, allow_nan=False))  # type: ignore[no-any-return]


def from_json(values: dict[str, Any]) -> TrainConfig:
    """The settings that `to_json` wrote, today or in an earlier version.

    Raises:
        UsageError: a field is unknown or unusable.
    """
    try:
        values = _of_today(values)
        values["run_dir"] = None if values["run_dir"] is None else Path(values["run_dir"])
        beta = values["oracle"]["beta"]
        values["oracle"] = {**values["oracle"], "beta": math.inf if beta is None else beta}
        values["earlier"] = tuple(Leg(**leg) for leg in values.get("earlier", ()))
        chosen = values.get("algorithm", TrainConfig.algorithm)
        for name, kind in _groups().items():
            if name in values or name == chosen or name not in ALGORITHM_NAMES:  # other algorithms may be newer than it
                values[name] = kind(**_with_tuples(values[name]))
        return TrainConfig(**values)
    except (KeyError, TypeError) as error:
        raise UsageError(f"the saved configuration does not fit this version of prefrl: {error}") from error


def _groups() -> dict[str, type]:
    """Fields of `TrainConfig` that are settings of their own, and their classes."""
    return {name: kind for name, kind in get_type_hints(TrainConfig).items() if dataclasses.is_dataclass(kind)}  # type: ignore[misc]


def _with_tuples(group: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in group.items()}


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """A copy of `values`, in which options have the names that they have now."""
    values = {"action_units": "raw", **values, "reward_model": dict(values["reward_model"])}  # all there was once
    if "spans" in values:
        values["rounds"] = values.pop("spans")
    reward = values["reward_model"]
    if "label_smoothing" in reward:  # before `random_answers`, which means about the same
        reward |= {"random_answers": min(reward.pop("label_smoothing"), 0.99), "bootstrap": True}
    if "error_rate" in reward:  # what `random_answers` was called at first
        reward["random_answers"] = reward.pop("error_rate")
    return values
