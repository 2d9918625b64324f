"""A question to a teacher about segments of behaviour."""

from dataclasses import dataclass

from prefrl.data.segment import Segment


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked: a kind of feedback on some segments. What answers it may get, its kind knows (`kinds.KINDS`)."""

    segments: tuple[Segment, ...]
    """In the order in which they are shown, all of one environment and of equal length."""

    kind: str = "comparison"

    num_timesteps: int = 0
    """Environment steps the agent had trained for when the segments were recorded."""

    wanted: int = 1
    """How many annotators shall answer it, >= 1."""

    id: int | None = None
    """Row in the store; None for a question that has not been asked yet."""

    number: int | None = None
    """Which of its run's questions it is, from 1, where that is known: ids have gaps if a database holds many runs."""

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("Question.segments is empty, want at least one")
        if self.wanted < 1:
            raise ValueError(f"Question.wanted is {self.wanted}, want >= 1")
        shapes = [_shapes(segment) for segment in self.segments]
        if any(other != shapes[0] for other in shapes):
            raise ValueError(f"Question.segments have the shapes {shapes}, want equal ones")


def _shapes(segment: Segment) -> dict[str, tuple[int, ...]]:
    return {**{name: array.shape for name, array in segment.obs.items()}, "actions": segment.actions.shape}
