"""What a run's store says of the run itself."""

from dataclasses import dataclass
from typing import Any

from prefrl.data.spaces import Spaces


@dataclass(frozen=True)
class StoreInfo:
    """The environment that a run's segments come from."""

    env_id: str
    env_kwargs: dict[str, Any]

    spaces: Spaces
    """What is observed, and how the agent acts."""

    versions: dict[str, str]
    """Package -> version at the time of recording."""

    goal: str | None = None
    """What the agent should do, in words for a person to judge by."""

    def difference(self, other: "StoreInfo") -> str | None:
        """How the segments of `other` differ, if they cannot lie beside these."""
        for name in ("env_id", "env_kwargs"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                return f"{name} is {ours!r}, not {theirs!r}"
        return None if fit(self.spaces, other.spaces) else f"it has {self.spaces}, not {other.spaces}"


def fit(held: Spaces, other: Spaces) -> bool:
    """Whether data of `other` can lie beside what is `held`.

    Version 1 kept neither the type of observations nor the kind of actions; where those are not known, they may be any.
    """
    if held.action.kind is not None:
        return held.fits(other)
    shapes = [{name: spec.shape for name, spec in spaces.obs.items()} for spaces in (held, other)]
    return shapes[0] == shapes[1] and held.action.width == other.action.width
