"""What is said of a learned reward, in one sentence: `evaluate`, the report and the labelling window say the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Level = Literal["good", "doubtful", "bad", "unknown"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Verdict:
    """Whether a learned reward can be trusted."""

    level: Level

    sentence: str
    """For a person who knows nothing of reward models: what was found, and what follows from it."""

    figures: Mapping[str, Any] = field(default_factory=dict)
    """What the sentence rests on, by the names of `rewards.foresight.Foresight`; empty if on nothing."""

    about: str = ""
    """Fingerprint of the answers that were judged, by rewards learned again from parts of them; empty if unknown."""

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"Verdict.level is {self.level!r}, want one of {', '.join(LEVELS)}")
        if not isinstance(self.sentence, str) or not self.sentence:
            raise ValueError("Verdict.sentence is empty")
