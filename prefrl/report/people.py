"""Who answered, how fast and how consistently; and which questions were hardest."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from prefrl.feedback.answer import Answer, standing
from prefrl.labelling.summary import Summary, summarise
from prefrl.report.gather import Run
from prefrl.rewards.metrics import wilson


@dataclass(frozen=True)
class Annotator:
    """What one annotator did in a run."""

    name: str
    summary: Summary

    seconds: float | None
    """Median time to an answer; None where times are not recorded, as of programs that answer."""

    consistency: tuple[float, float]
    """95 % interval of the share of questions that are answered alike when they come again."""


def annotator(name: str, answers: Sequence[Answer]) -> Annotator:
    """The summary of what `name` answered, of all that counts."""
    times = [seconds for a in answers if not a.is_repeat and (seconds := a.seconds) is not None]
    summary = summarise(answers, answers, sum(times) / 60)
    usual = statistics.median(times) if times else None
    return Annotator(name, summary, usual, wilson(summary.consistent, summary.repeats))


@dataclass(frozen=True)
class Hard:
    """A question that was hard to answer."""

    question_id: int

    reason: str
    """What shows that it was hard."""

    answer: str


def hardest(run: Run, count: int) -> list[Hard]:
    """The `count` hardest questions, hardest first.

    What people show comes first: they contradicted themselves, could not tell, called it a tie, or took long. Where
    none of it is known, as of programs that answer, it is how surprised the reward model is by the answer.
    """
    found: dict[int, tuple[float, Hard]] = {}
    every = [answer for answers in run.by_annotator.values() for answer in answers]
    counted = {answer.question.id for answer in standing(run.answers)}
    for score, hard in (*_by_people(every), *_by_model(run)):
        known = found.get(hard.question_id)
        if hard.question_id in counted and (known is None or known[0] < score):
            found[hard.question_id] = score, hard
    ranked = sorted(found.values(), key=lambda item: -item[0])
    return [hard for _, hard in ranked[:count]]


def _by_people(answers: Sequence[Answer]) -> list[tuple[float, Hard]]:
    """What people show, scored from 1 to 4."""
    scored: list[tuple[float, Hard]] = []
    first = {a.question.id: a for a in answers if not a.is_repeat}
    times = {number: seconds for number, a in first.items() if (seconds := a.seconds) is not None}
    longest = max(times.values(), default=1.0)
    for answer in answers:
        number, said = answer.question.id or 0, answer.words
        before, pause = first.get(number), times.get(number, 0.0) / longest  # the pause decides between equal scores
        if answer.is_repeat and before is not None and answer.value != before.value:
            earlier = before.words
            scored.append((4 + pause, Hard(number, f"answered {earlier}, and {said} when it came again", earlier)))
        elif not answer.is_decided:
            scored.append((2 + pause, Hard(number, "called a tie" if answer.choices() else "could not tell", said)))
        elif not answer.is_repeat and number in times:
            scored.append((1 + pause, Hard(number, f"took {times[number]:.1f} s", said)))
    return scored


def _by_model(run: Run) -> list[tuple[float, Hard]]:
    """As `_by_people`, by the reward model's surprise: scores from 0 to 1."""
    judged, scored = run.judged, []
    if judged is None:
        return []
    for answer, p, wanted in zip(judged.answers, judged.probabilities, judged.targets, strict=True):
        agreed = p if wanted == 1 else 1 - p
        if wanted != 0.5 and answer.question.id is not None:
            reason = f"the reward model gave this answer {_percent(agreed)}"
            scored.append((1 - agreed, Hard(answer.question.id, reason, answer.words)))
    return scored


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or math.isclose(share, 0) else f"{share:.1%}"
