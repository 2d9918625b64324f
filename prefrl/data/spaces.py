"""What an agent observes and how it acts: names, shapes and types, without any environment.

An observation is always a mapping from names to arrays; that of an environment with a single array is `{"obs": array}`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Obs = Mapping[str, NDArray[Any]]
"""Observations by name, each (..., *shape). Fractions are float32, whole numbers have the type that they came in."""

ActionKind = Literal["box", "discrete"]

PLAIN = "obs"
"""Name of the observation of an environment that gives a single array."""


@dataclass(frozen=True)
class ArraySpec:
    """One array of an observation."""

    shape: tuple[int, ...]

    dtype: str = "float32"
    """As numpy spells it."""

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class ActionSpec:
    """Actions as a reward sees them and a store keeps them: float32 vectors."""

    width: int
    """How many numbers an action takes: its components, or as many as there are discrete actions (one-hot)."""

    kind: ActionKind | None = None
    """None where it is not known: stores of version 1 do not say."""


@dataclass(frozen=True)
class Spaces:
    """The observations and actions of an environment."""

    obs: Mapping[str, ArraySpec]
    action: ActionSpec

    def __post_init__(self) -> None:
        if not self.obs:
            raise ValueError("Spaces.obs is empty, want at least one array")

    def fits(self, other: "Spaces") -> bool:
        """Whether data of the one can be used with the other: the same arrays and widths."""
        return dict(self.obs) == dict(other.obs) and self.action.width == other.action.width

    def __str__(self) -> str:
        arrays = ", ".join(f"{name} {spec.dtype}{list(spec.shape)}" for name, spec in self.obs.items())
        return f"observations of {arrays} and actions of width {self.action.width}"

    def to_json(self) -> dict[str, Any]:
        """The spaces as JSON values; `from_json` reads them back."""
        return {
            "obs": {name: {"shape": list(spec.shape), "dtype": spec.dtype} for name, spec in self.obs.items()},
            "action": asdict(self.action),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The spaces that `to_json` wrote."""
        obs = {name: ArraySpec(tuple(spec["shape"]), spec["dtype"]) for name, spec in values["obs"].items()}
        return cls(obs, ActionSpec(**values["action"]))

    @classmethod
    def vectors(cls, obs_dim: int, action_dim: int) -> Self:
        """A single observed vector, and actions of `action_dim` numbers of which nothing else is known."""
        return cls({PLAIN: ArraySpec((obs_dim,))}, ActionSpec(action_dim))


def named(obs: NDArray[Any] | Mapping[str, NDArray[Any]]) -> Obs:
    """Copies of what environments observed, by name, fractions as float32."""
    arrays = obs if isinstance(obs, Mapping) else {PLAIN: obs}
    with np.errstate(over="ignore"):  # to infinity, which a recorder notices
        return {name: np.array(array, dtype=_stored(np.asarray(array).dtype)) for name, array in arrays.items()}


def rows(obs: Obs, index: Any) -> Obs:
    """`index` applied to each array."""
    return {name: array[index] for name, array in obs.items()}


def is_finite(obs: Obs) -> bool:
    """Whether every number is."""
    return all(bool(np.isfinite(array).all()) for array in obs.values())


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype.kind == "f" else dtype
