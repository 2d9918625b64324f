"""What a session of labelling came to: how much, how consistent, and whether one side was favoured."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of
from prefrl.labelling.actions import OFFERS


@dataclass(frozen=True)
class Summary:
    """What a session of labelling came to; repeats and sides are over all that the annotator answered in this run."""

    labels: int
    """Answers of the session that count. Hidden repeats and what was taken back are none of them."""

    minutes: float

    said: tuple[tuple[str, int], ...]
    """What these answers say, in the words of their buttons, and how often each was given: `labels` in all."""

    repeats: int
    """Hidden repeats where both answers said something."""

    consistent: int
    """Those of them that were answered the same twice."""

    sides: tuple[tuple[str, int], ...]
    """For each place on the screen, the words that prefer the clip there, and how often they were said.

    Repeats are among them. Empty where nothing of the kind was said.
    """

    repeated: int = 0
    """Hidden repeats answered in the session."""

    taken_back: int = 0
    """Answers taken back in the session."""

    def times(self, word: str) -> int:
        """How many of the `labels` say `word`."""
        return dict(self.said).get(word, 0)

    @property
    def side_p(self) -> float:
        """Two-sided binomial test of one side against the other: how likely so uneven a split is without a favourite.

        1 where there are not two sides.
        """
        if len(self.sides) != 2:
            return 1.0
        (_, first), (_, second) = self.sides
        return binomial_p(first, first + second)


def summarise(new: Sequence[Answer], every: Sequence[Answer], minutes: float, taken_back: int = 0) -> Summary:
    """What a session of so many `minutes` with these `new` answers came to; `every`: all of that annotator in the run.

    Both are answers that count, repeats among them. `taken_back`: how many others the session took back.
    """
    labels = [answer for answer in new if not answer.is_repeat]
    first = {answer.question.id: answer for answer in every if not answer.is_repeat}
    twice = [(answer, first.get(answer.question.id)) for answer in every if answer.is_repeat]
    same = [a.value == b.value for a, b in twice if b is not None and a.choices() and b.choices()]
    return Summary(
        labels=len(labels),
        minutes=minutes,
        said=_counted(labels),
        repeats=len(same),
        consistent=sum(same),
        sides=_sides(every),
        repeated=len(new) - len(labels),
        taken_back=taken_back,
    )


def said(answer: Answer) -> str:
    """What `answer` said of the screen, in the words of its kind's buttons."""
    value = _value(answer)
    buttons = OFFERS[answer.question.kind].answers
    return next((button.said for button in buttons if button.value == value), answer.words)


def _counted(answers: Sequence[Answer]) -> tuple[tuple[str, int], ...]:
    """What was said and how often, in the order of the buttons."""
    counts = Counter(map(said, answers))
    kinds = dict.fromkeys(answer.question.kind for answer in answers)
    known = [button.said for kind in kinds for button in OFFERS[kind].answers]
    return tuple((word, counts[word]) for word in dict.fromkeys([*known, *counts]) if counts[word])


def _sides(answers: Sequence[Answer]) -> tuple[tuple[str, int], ...]:
    """How often each place on the screen was preferred, of the first kind among `answers` that has sides."""
    kind = next((a.question.kind for a in answers if OFFERS[a.question.kind].sides), None)
    if kind is None:
        return ()
    values = [_value(answer) for answer in answers if answer.question.kind == kind]
    words = {button.value: button.said for button in OFFERS[kind].answers if button.value in OFFERS[kind].sides}
    return tuple((words[side], values.count(side)) for side in OFFERS[kind].sides)


def _value(answer: Answer) -> Any:
    """What was said of the screen, as a JSON value."""
    value = answer.on_screen()
    return None if value is None else kind_of(answer.question).to_json(value)


def binomial_p(successes: int, trials: int) -> float:
    """Two-sided P-value of `successes` in `trials` under probability 1/2; 1 without trials."""
    few = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(few + 1))
    return min(1.0, float(2 * tail / 2**trials))  # whole numbers of any size, so nothing overflows
