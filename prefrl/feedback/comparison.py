"""Which of two segments is better (Christiano et al. 2017)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy  # which loads its parts when they are used: they take a second
from numpy.typing import NDArray

from prefrl.feedback.choice import WHOLE, Choice
from prefrl.feedback.noise import Noise, ReturnStats
from prefrl.feedback.question import Question

Preferred = Literal["left", "right", "tie", "skip"]
PREFERRED: tuple[Preferred, ...] = get_args(Preferred)

_OPTIONS = ({0: WHOLE}, {1: WHOLE})
_CHOICES: dict[Preferred, Sequence[Choice] | None] = {
    "left": (Choice(_OPTIONS, (1.0, 0.0)),),
    "right": (Choice(_OPTIONS, (0.0, 1.0)),),
    "tie": (Choice(_OPTIONS, (0.5, 0.5)),),
    "skip": None,
}
_EXCHANGED: dict[Preferred, Preferred] = {"left": "right", "right": "left", "tie": "tie", "skip": "skip"}


@dataclass(frozen=True)
class Comparison:
    """One of two segments is better, both are equally good, or nothing can be said."""

    preferred: Preferred

    def __post_init__(self) -> None:
        if self.preferred not in PREFERRED:
            raise ValueError(f"unknown comparison {self.preferred!r}; valid ones are {', '.join(PREFERRED)}")


class ComparisonKind:
    """A question of two segments, answered by a `Comparison`."""

    name = "comparison"

    def check(self, question: Question) -> None:
        """Raise ValueError unless `question` can be answered so."""
        if len(question.segments) != 2:
            raise ValueError(f"a comparison is of 2 segments, not of {len(question.segments)}")

    def from_json(self, value: Any, question: Question) -> Comparison:
        """The comparison that `to_json` wrote.

        Raises:
            ValueError: `value` is none.
        """
        if not isinstance(value, str):
            raise ValueError(f"a comparison is one of {', '.join(PREFERRED)}, not {value!r}")
        return Comparison(value)  # type: ignore[arg-type]  # it checks that itself

    def to_json(self, feedback: Comparison) -> str:
        """The comparison as a JSON value."""
        return feedback.preferred

    def choices(self, feedback: Comparison, question: Question) -> Sequence[Choice] | None:
        """A choice between the two returns (Bradley & Terry 1952); a tie is half of either, a skip says nothing."""
        return _CHOICES[feedback.preferred]

    def reorder(self, feedback: Comparison, order: Sequence[int]) -> Comparison:
        """The same answer if the segments lay in this `order`, a permutation of their places."""
        return feedback if tuple(order) == (0, 1) else Comparison(_EXCHANGED[feedback.preferred])

    def simulate(self, question: Question, context: ReturnStats, noise: Noise, rng: np.random.Generator) -> Comparison:
        """What the simulated teacher of Lee et al. 2021, "B-Pref: Benchmarking Preference-Based RL", answers.

        In this order, as in B-Pref's `get_label`:

        1. skip, if both undiscounted returns lie below the skip threshold;
        2. tie, if they differ by less than the tie threshold (whatever steps 3 to 5 say);
        3. the myopic returns `sum_t gamma^(T-1-t) r_t` are what the teacher compares: the last step has weight 1;
        4. left with probability `sigmoid(beta * logit)`; with beta = inf the greater, and a tie if they are equal;
        5. with probability `mistake`, the opposite of step 4.

        Three things differ, so that a setting means the same teacher in every environment and at every time. Returns
        are compared in units of the recent segments' standard deviation (see `preference_logit`). The thresholds are
        shares of the recent segments' average (see `thresholds`). And a perfect teacher calls equal returns a tie,
        where B-Pref prefers the first segment.

        Two uniform numbers are drawn, whatever the settings.
        """
        rational, erring = rng.random(2)
        left, right = (segment.true_rewards.astype(np.float64) for segment in question.segments)
        skip_below, tie_below = thresholds(noise, context)
        if max(left.sum(), right.sum()) < skip_below:
            return Comparison("skip")
        if abs(left.sum() - right.sum()) < tie_below:
            return Comparison("tie")
        logit = preference_logit(left, right, noise.gamma, context)
        perfect = math.isinf(noise.beta)
        if perfect and logit == 0:
            return Comparison("tie")
        probability = float(logit > 0) if perfect else float(scipy.special.expit(noise.beta * logit))
        prefers_left = (rational < probability) ^ (erring < noise.mistake)
        return Comparison("left" if prefers_left else "right")


def preference_logit(
    left: NDArray[np.float64], right: NDArray[np.float64], gamma: float, context: ReturnStats
) -> float:
    """Difference of the myopic returns of rewards `left` and `right`, both (T,), in standard deviations.

        logit = sum_t w_t (left_t - right_t) / (std * mean(w)),  w_t = gamma^(T-1-t)

    Division by `std` makes a rationality beta the same teacher whatever the scale of the rewards. Division by the
    mean weight keeps a steady difference of rewards at the same logit for every gamma: the discount alone would
    shrink all returns, and a myopic teacher would be a noisier one.
    """
    assert left.ndim == 1, f"rewards have shape {left.shape}, want (T,)"
    assert left.shape == right.shape, f"rewards have shapes {left.shape} and {right.shape}, want equal ones"
    weights = gamma ** np.arange(len(left) - 1, -1, -1, dtype=np.float64)
    # Each side is summed before the two are compared, so that equal segments give exactly 0.
    difference = (weights * left).sum() - (weights * right).sum()
    return float(difference / (context.std * weights.mean()))


def thresholds(noise: Noise, context: ReturnStats) -> tuple[float, float]:
    """The return below which both segments are skipped, and the difference below which they tie.

        skip_below = mean - (1 - skip) |mean|,  tie_below = tie |mean|

    For a positive mean these are B-Pref's `skip * mean` and `tie * mean`. For a negative one, where B-Pref's have no
    effect, they go on to mean "that far below the average" and "that small beside it".
    """
    skip_below = context.mean - (1 - noise.skip) * abs(context.mean) if noise.skip > 0 else -math.inf
    return skip_below, noise.tie * abs(context.mean)
