"""A question to a teacher about segments."""

from dataclasses import dataclass

from prefrl.data.segment import Segment


@dataclass(frozen=True, eq=False)
class Query:
    """A question: which of two segments is better?"""

    left: Segment
    right: Segment

    num_timesteps: int = 0
    """Environment steps the agent had trained for when the segments were recorded."""

    swapped: bool = False
    """Whether the shuffle of sides exchanged the pair that the selector had chosen."""

    id: int | None = None
    """Row in the store; None for a query that has not been asked yet."""

    def __post_init__(self) -> None:
        for name in ("obs", "actions"):
            left, right = getattr(self.left, name).shape, getattr(self.right, name).shape
            if left != right:
                raise ValueError(
                    f"Query.left.{name} has shape {left} and Query.right.{name} {right}, want equal shapes"
                )
