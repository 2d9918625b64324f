"""Who can answer questions, and how the synthetic teacher does. The docstrings are the `--help` texts."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from prefrl.config.checks import Limits, Share

TeacherName = Literal["oracle", "human"]


@dataclass(frozen=True)
class Traits:
    """What training must know about a teacher."""

    at_once: bool
    """Whether it answers inside the program, as soon as it is asked; else answers come through the store."""

    needs_clips: bool
    """Whether it looks at clips, so that these must be drawn."""

    repeatable: bool
    """Whether the same questions get the same answers, at the same point of training, when a run is repeated."""

    prefers_fresh: bool
    """Whether questions about earlier behaviour are withdrawn when there are newer ones: its time is precious."""


TRAITS: dict[TeacherName, Traits] = {
    "oracle": Traits(at_once=True, needs_clips=False, repeatable=True, prefers_fresh=False),
    "human": Traits(at_once=False, needs_clips=True, repeatable=False, prefers_fresh=True),
}


@dataclass(frozen=True)
class OracleConfig:
    """A synthetic teacher with human faults: the simulated teacher of B-Pref (Lee et al. 2021). Default: perfect."""

    beta: Annotated[float, Limits(infinite=True)] = math.inf
    """Rationality: P(left) = sigmoid(beta * difference of returns / their standard deviation); inf never errs."""

    gamma: Share = 1.0
    """Myopia: a step k before a segment's end counts gamma^k."""

    mistake: Share = 0.0
    """Probability of giving the opposite answer."""

    skip: Share = 0.0
    """Skip when both returns are below this share of the average return."""

    tie: float = 0.0
    """Call it a tie when the returns differ by less than this share of the average return."""
