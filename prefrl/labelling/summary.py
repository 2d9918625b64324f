"""What a session of labelling came to: how much, how consistent, and whether one side was favoured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of


@dataclass(frozen=True)
class Summary:
    """What a session of labelling came to; repeats and sides are over all that the annotator answered in this run."""

    labels: int
    minutes: float
    ties: int
    skips: int

    repeats: int
    """Hidden repeats where both answers said something."""

    consistent: int
    """Those of them that were answered the same twice."""

    lefts: int
    rights: int

    @property
    def side_p(self) -> float:
        """Two-sided binomial test of lefts against rights: how likely so uneven a split is without a favourite side."""
        return binomial_p(self.lefts, self.lefts + self.rights)


def summarise(new: Sequence[Answer], every: Sequence[Answer], minutes: float) -> Summary:
    """What a session of so many `minutes` with these `new` answers came to; `every`: all of that annotator in the run.

    Both are answers that count, repeats among them.
    """
    kinds = [_said(answer) for answer in new if not answer.is_repeat]
    first = {answer.question.id: answer for answer in every if not answer.is_repeat}
    twice = [(answer, first.get(answer.question.id)) for answer in every if answer.is_repeat]
    same = [a.value == b.value for a, b in twice if b is not None and a.choices() and b.choices()]
    sides = [_said(answer, on_screen=True) for answer in every]
    return Summary(
        labels=len(kinds),
        minutes=minutes,
        ties=kinds.count("tie"),
        skips=kinds.count("skip"),
        repeats=len(same),
        consistent=sum(same),
        lefts=sides.count("left"),
        rights=sides.count("right"),
    )


def _said(answer: Answer, on_screen: bool = False) -> Any:
    value = answer.on_screen() if on_screen else answer.value
    return None if value is None else kind_of(answer.question).to_json(value)


def binomial_p(successes: int, trials: int) -> float:
    """Two-sided P-value of `successes` in `trials` under probability 1/2; 1 without trials."""
    few = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(few + 1))
    return min(1.0, float(2 * tail / 2**trials))  # whole numbers of any size, so nothing overflows
