"""Who answered, how fast and how consistently; and which questions were hardest."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from prefrl.feedback.answer import effective
from prefrl.labelling.session import Summary, summarise
from prefrl.report.gather import Run
from prefrl.rewards.metrics import wilson
from prefrl.store.claims import Given


@dataclass(frozen=True)
class Annotator:
    """What one annotator did in a run."""

    name: str
    summary: Summary

    seconds: float | None
    """Median time to an answer; None where times are not recorded, as of programs that answer."""

    consistency: tuple[float, float]
    """95 % interval of the share of questions that are answered alike when they come again."""


def annotator(name: str, given: Sequence[Given]) -> Annotator:
    """The summary of what `name` gave, over all sittings."""
    times = [seconds for g in given if not g.is_repeat and (seconds := g.seconds) is not None]
    summary = summarise(given, given, sum(times) / 60)
    usual = statistics.median(times) if times else None
    return Annotator(name, summary, usual, wilson(summary.consistent, summary.repeats))


@dataclass(frozen=True)
class Hard:
    """A question that was hard to answer."""

    query_id: int

    reason: str
    """What shows that it was hard."""

    answer: str


def hardest(run: Run, count: int) -> list[Hard]:
    """The `count` hardest questions, hardest first.

    What people show comes first: they contradicted themselves, could not tell, called it a tie, or took long. Where
    none of it is known, as of programs that answer, it is how surprised the reward model is by the answer.
    """
    found: dict[int, tuple[float, Hard]] = {}
    every = [given for log in run.given.values() for given in log]
    standing = {preference.query.id for preference in effective(run.preferences)}
    for score, query_id, reason, answer in (*_by_people(every), *_by_model(run)):
        if query_id in standing and (query_id not in found or found[query_id][0] < score):
            found[query_id] = score, Hard(query_id, reason, answer)
    ranked = sorted(found.values(), key=lambda item: -item[0])
    return [hard for _, hard in ranked[:count]]


def _by_people(given: Sequence[Given]) -> list[tuple[float, int, str, str]]:
    """(score, question, reason, answer), by what people show: scores from 1 to 4."""
    rows: list[tuple[float, int, str, str]] = []
    first = {g.query_id: g for g in given if not g.is_repeat}
    times = {g.query_id: seconds for g in first.values() if (seconds := g.seconds) is not None}
    longest = max(times.values(), default=1.0)
    for g in given:
        before = first.get(g.query_id)
        pause = times.get(g.query_id, 0.0) / longest  # breaks draws
        if g.is_repeat and before is not None and g.choice != before.choice:
            reason = f"answered {before.choice}, and {g.choice} when it came again"
            rows.append((4 + pause, g.query_id, reason, before.choice))
        elif g.choice in ("skip", "tie"):
            reason = "could not tell" if g.choice == "skip" else "called a tie"
            rows.append((2 + pause, g.query_id, reason, g.choice))
        elif not g.is_repeat and g.query_id in times:
            rows.append((1 + pause, g.query_id, f"took {times[g.query_id]:.1f} s", g.choice))
    return rows


def _by_model(run: Run) -> list[tuple[float, int, str, str]]:
    """As `_by_people`, by the reward model's surprise: scores from 0 to 1."""
    judged, rows = run.judged, []
    if judged is None:
        return []
    for preference, p, wanted in zip(judged.answers, judged.probabilities, judged.targets, strict=True):
        agreed = p if wanted == 1 else 1 - p
        if wanted != 0.5 and preference.query.id is not None:
            reason = f"the reward model gave this answer {_percent(agreed)}"
            rows.append((1 - agreed, preference.query.id, reason, str(preference.choice)))
    return rows


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or math.isclose(share, 0) else f"{share:.1%}"
