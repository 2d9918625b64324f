"""One person's sitting over a store: what comes next, the answers, taking them back, and how it goes.

Every front end works through this; it knows nothing of windows, pages or pixels.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np

from prefrl.errors import StoreError
from prefrl.feedback.comparison import Choice
from prefrl.store.claims import Desk, Given, exchange
from prefrl.store.store import Answer

AHEAD = 4
"""Queries that one labeller holds: the one on the screen, and those whose clips are drawn meanwhile."""

REPEAT_GAP = 8
"""Answers between a query and its hidden repeat, so that the answer comes from the clips and not from memory."""

PACE_WINDOW = 30
"""Latest answers that the pace is measured on."""


@dataclass(frozen=True)
class Showing:
    """A query on its way to the screen."""

    query_id: int

    is_repeat: bool = False
    """Whether the person answered it before; nothing on the screen may tell."""

    swapped: bool = False
    """Whether to show the query's right clip on the left; only a repeat's."""

    seen: bool = False
    """Whether its clips were seen already, since its answer was taken back."""


@dataclass(frozen=True)
class Reply:
    """What the person said about the clips on the screen. Sending the same reply again is harmless."""

    choice: Choice
    """In terms of the screen's sides."""

    shown_at: float | None = None
    """Unix time in seconds at which the clips were first seen."""

    answered_at: float | None = None
    """Unix time in seconds at which the answer was given."""

    submission_id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Pace:
    """How far the labelling has come."""

    answered: int
    """Preferences of all annotators that count."""

    asked_for: int | None
    """Answers that the run wants in all; None if unknown."""

    per_hour: float | None
    """Answers an hour, while there is something to answer; None before the third answer."""

    @property
    def seconds_left(self) -> float | None:
        """Time that the answers still wanted take at this pace."""
        if self.asked_for is None or not self.per_hour:
            return None
        return max(0, self.asked_for - self.answered) * 3600 / self.per_hour


@dataclass(frozen=True)
class Summary:
    """What a sitting came to; consistency and sides over all that the annotator answered in this run."""

    labels: int
    minutes: float
    ties: int
    skips: int

    repeats: int
    """Hidden repeats whose both answers were left, right or tie."""

    consistent: int
    """Those of them that were answered the same twice."""

    lefts: int
    rights: int

    @property
    def side_p(self) -> float:
        """Two-sided binomial test of lefts against rights: how likely a split this uneven is without a favourite."""
        return binomial_p(self.lefts, self.lefts + self.rights)

    def lines(self) -> list[str]:
        """The summary in words."""
        kinds = f"{_count(self.ties, 'tie')}, {self.skips} can't tell"
        lines = [f"{_count(self.labels, 'label')} in {self.minutes:.1f} min: {kinds}"]
        if self.repeats:
            share = self.consistent / self.repeats
            lines.append(f"same answer on {self.consistent} of {_count(self.repeats, 'hidden repeat')} ({share:.0%})")
        else:
            lines.append("no hidden repeat was answered yet, so nothing is known of consistency")
        sides = f"left {_count(self.lefts, 'time')}, right {_count(self.rights, 'time')}"
        p = f"p = {self.side_p:.3f}" if self.side_p >= 0.001 else "p < 0.001"
        lines.append(sides + (f": a favourite side? ({p})" if self.side_p < 0.05 else ""))
        return lines


class Session:
    """The queue of one person. Not safe for several threads at once; errors are those of `Store`.

    A method that fails leaves the session as it was, so that the call can be tried again.
    """

    def __init__(
        self,
        desk: Desk,
        annotator: str,
        *,
        rng: np.random.Generator,
        asked_for: int | None = None,
        repeat_share: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`repeat_share`: share of the queries shown that are hidden repeats, from 0 to below 1."""
        self.desk, self.annotator, self.asked_for = desk, annotator, asked_for
        self._rng, self._repeat_share, self._clock = rng, repeat_share, clock
        self._started = clock()
        self._given = desk.log(annotator)
        self._sitting: set[str] = set()  # submissions of this sitting, so that the same one sent again counts once
        self._mine: list[Given] = []
        self._queue: list[Showing] = []
        self._answered = desk.store.num_preferences()

    def upcoming(self) -> tuple[Showing, ...]:
        """The queue; the first one is on the screen, or will be."""
        return tuple(self._queue)

    def refresh(self) -> None:
        """Claim more, and drop what was withdrawn or answered meanwhile, but for the first: somebody looks at it."""
        mine = self.desk.claim(AHEAD)
        self._answered = self.desk.store.num_preferences()
        held = {showing.query_id for showing in self._queue if not showing.is_repeat}
        self._queue = self._queue[:1] + [s for s in self._queue[1:] if s.is_repeat or s.query_id in mine]
        for query_id in mine:
            if query_id not in held:
                self._add_repeat()
                self._queue.append(Showing(query_id))

    def _add_repeat(self) -> None:
        if self._rng.random() >= self._repeat_share:
            return
        shown = {given.query_id for given in self._given if given.is_repeat}
        shown |= {showing.query_id for showing in self._queue}
        old = [g for g in self._given[: -REPEAT_GAP or None] if not g.is_repeat and g.choice != "skip"]
        fit = [given.query_id for given in old if given.query_id not in shown]
        if fit:
            again = fit[self._rng.integers(len(fit))]
            self._queue.append(Showing(again, is_repeat=True, swapped=bool(self._rng.integers(2))))

    def answer(self, showing: Showing, reply: Reply) -> bool:
        """Record the reply to what was shown, on disk when this returns, and go on to the next.

        False: another labeller was faster, and nothing was recorded.
        """
        if reply.submission_id in self._sitting:
            return True
        choice = exchange(reply.choice) if showing.swapped else reply.choice
        answer = Answer(
            showing.query_id,
            choice,
            self.annotator,
            reply.submission_id,
            shown_at=reply.shown_at,
            answered_at=reply.answered_at,
        )
        if showing.is_repeat:
            seq: int | None = self.desk.add_repeat(answer, showing.swapped)
        else:
            seq = self.desk.store.add_answer_once(answer)
        self._queue = [queued for queued in self._queue if queued != showing]
        if seq is None:
            return False
        self._sitting.add(reply.submission_id)
        times = reply.shown_at, reply.answered_at
        given = Given(seq, showing.query_id, choice, *times, showing.is_repeat, showing.swapped)
        self._given.append(given)
        self._mine.append(given)
        self._answered += not showing.is_repeat
        return True

    def undo(self) -> Choice | None:
        """Take back the annotator's last answer, of an earlier sitting if need be, and ask it again at once.

        Returns what was taken back, in terms of the screen; None if there is nothing.
        """
        if not self._given:
            return None
        last = self._given[-1]
        taken = self._retract(last)
        if taken and not last.is_repeat:
            self.desk.claim(AHEAD, first=[last.query_id])
        self._given.pop()
        self._mine = [given for given in self._mine if given is not last]
        if not taken:
            return self.undo()
        self._answered -= not last.is_repeat
        self._queue.insert(0, Showing(last.query_id, last.is_repeat, last.swapped, seen=True))
        return last.on_screen

    def _retract(self, given: Given) -> bool:
        """False if it was taken back already, in another window of the same person."""
        kind = "repeat" if given.is_repeat else "preference"
        key = f"undo {kind} {given.seq} {self.desk.holder}"  # tried again by this session, it is the same row
        retraction = Answer(given.query_id, None, self.annotator, key, supersedes=given.seq)
        try:
            if given.is_repeat:
                self.desk.add_repeat(retraction, given.swapped)
            else:
                self.desk.store.add_answers([retraction])
        except StoreError:
            if any((g.seq, g.is_repeat) == (given.seq, given.is_repeat) for g in self.desk.log(self.annotator)):
                raise
            return False
        return True

    @property
    def can_undo(self) -> bool:
        return bool(self._given)

    def pace(self) -> Pace:
        """How far the labelling has come, and how fast it goes: by the thinking times of the latest answers."""
        usable = [seconds for g in self._given if (seconds := g.seconds) is not None][-PACE_WINDOW:]
        per_hour = 3600 / statistics.mean(usable) if len(usable) >= 3 else None
        return Pace(self._answered, self.asked_for, per_hour)

    def summary(self) -> Summary:
        """What the sitting came to so far."""
        return summarise(self._mine, self._given, (self._clock() - self._started) / 60)

    def leave(self) -> None:
        """Give back what is not answered."""
        self.desk.leave()


def summarise(sitting: Sequence[Given], every: Sequence[Given], minutes: float) -> Summary:
    """What a `sitting` of `minutes` came to, of an annotator who gave `every` answer of the run."""
    kinds = [given.choice for given in sitting if not given.is_repeat]
    first = {given.query_id: given.choice for given in every if not given.is_repeat}
    pairs = [(given.choice, first.get(given.query_id)) for given in every if given.is_repeat]
    pairs = [pair for pair in pairs if None not in pair and "skip" not in pair]
    sides = [given.on_screen for given in every]
    return Summary(
        labels=len(kinds),
        minutes=minutes,
        ties=kinds.count("tie"),
        skips=kinds.count("skip"),
        repeats=len(pairs),
        consistent=sum(again == before for again, before in pairs),
        lefts=sides.count("left"),
        rights=sides.count("right"),
    )


def binomial_p(successes: int, trials: int) -> float:
    """Two-sided P-value of `successes` in `trials` under probability 1/2; 1 without trials."""
    few = min(successes, trials - successes)
    tail = sum(math.comb(trials, k) for k in range(few + 1))
    return min(1.0, float(2 * tail / 2**trials))  # whole numbers of any size, so nothing overflows


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
