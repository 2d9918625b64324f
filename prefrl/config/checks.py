"""Check settings: a type, and limits that stand beside each field."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin, get_type_hints, runtime_checkable

from prefrl.errors import UsageError

LARGEST = 1e12
"""No number may be larger, but where its limits say so."""

WIDEST = 10_000
"""Units in a hidden layer, at most."""


@dataclass(frozen=True)
class Limits:
    """The numbers that a field takes; beside a field as `Annotated[float, Limits(0, 1)]`."""

    low: float = 0
    high: float = LARGEST

    above: bool = False
    """Whether `low` itself is too low."""

    infinite: bool = False
    """Whether infinity is a number too."""

    def remedy(self, value: float) -> str | None:
        """What to give in place of `value`; None if it lies within the limits."""
        if math.isnan(value) or (math.isinf(value) and not self.infinite):
            return "give a finite number"
        high = math.inf if self.infinite else self.high
        if (self.low < value if self.above else self.low <= value) and value <= high:
            return None
        low = f"above {self.low:g}, up" if self.above else f"from {self.low:g}"
        return f"give a number {low} to {high:g}"


Positive = Annotated[float, Limits(above=True)]
Share = Annotated[float, Limits(0, 1)]
Count = Annotated[int, Limits(1)]


@runtime_checkable
class HasConflicts(Protocol):
    """Settings that can contradict each other."""

    def conflict(self, prefix: str) -> str | None:
        """What contradicts what, and the remedy; None if nothing does. `prefix`: of its options, `--` or `--ppo.`."""


def check(config: Any, prefix: str = "--") -> None:
    """Raise `UsageError` for the first field of `config` (nested ones included) that no run could use."""
    hints = get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            check(value, f"{name}.")
        else:
            _check_value(value, name, hints[field.name])
    conflict = config.conflict(prefix) if isinstance(config, HasConflicts) else None
    if conflict:
        raise UsageError(conflict)


def _check_value(value: Any, name: str, hint: Any) -> None:
    kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if isinstance(value, tuple) and get_args(kind) == (int, ...):
        if not value or any(not 1 <= width <= WIDEST for width in value):
            raise UsageError(f"{name} is {value}; give a width from 1 to {WIDEST} for each hidden layer")
    elif isinstance(value, dict):
        if not all(math.isfinite(x) for x in value.values() if isinstance(x, float)):
            raise UsageError(f"{name} is {value}; give finite numbers")
    elif get_origin(kind) is Literal and value not in get_args(kind):
        raise UsageError(f"{name} is {value!r}; choose {' or '.join(get_args(kind))}")
    elif kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, kind)):
            raise UsageError(f"{name} is {value!r}; give a {'whole ' if kind is int else ''}number")
        limits = next((note for note in notes if isinstance(note, Limits)), Limits())
        remedy = limits.remedy(value)
        if remedy:
            raise UsageError(f"{name} is {value}; {remedy}")
