"""One person's labelling of a run: which question comes next, the answers, taking them back, and how it goes.

It knows nothing of windows, pages or pixels, and blocks while the store is at work: front ends use `service`.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np

from prefrl.errors import StoreError
from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.labelling.summary import Summary, summarise
from prefrl.store.claims import Claims

AHEAD = 4
"""Questions that one labeller holds: the one on the screen, and those whose clips are drawn meanwhile."""

REPEAT_GAP = 8
"""Answers between a question and its hidden repeat, so that the answer comes from the clips and not from memory."""

PACE_WINDOW = 30
"""Latest answers that the pace is measured on."""


@dataclass(frozen=True)
class Showing:
    """A question on its way to the screen."""

    question_id: int
    kind: str = "comparison"

    shown_order: tuple[int, ...] = (0, 1)
    """Places of the question's segments in the order in which the screen shows them."""

    is_repeat: bool = False
    """Whether the person answered it before. Nothing on the screen may show that."""

    seen: bool = False
    """Whether its clips were watched already, since its answer was taken back."""


@dataclass(frozen=True)
class Pace:
    """How far the labelling has come."""

    answered: int
    """Answers of all annotators that count."""

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


class Session:
    """The queue of one person. Not safe for several threads at once; errors are those of `Store`.

    A method that fails leaves the session as it was, so that the call can be tried again.
    """

    def __init__(
        self,
        claims: Claims,
        *,
        rng: np.random.Generator,
        asked_for: int | None = None,
        repeat_share: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`repeat_share`: share of the questions shown that are hidden repeats, from 0 to below 1."""
        self.claims, self.asked_for = claims, asked_for
        self._store, self._annotator = claims.store, claims.annotator
        self._rng, self._repeat_share, self._clock = rng, repeat_share, clock
        self._started = clock()
        self._answers = [
            answer for answer in self._store.answers_of(self._annotator) if self._can_show(answer.question)
        ]
        """All that count, of earlier sessions too."""

        self._new: list[Answer] = []  # those of this session
        self._taken_back = 0  # answers that this session took back
        self._sent: set[str] = set()  # submissions of this session, so that one sent again counts once
        self._queue: list[Showing] = []
        self._questions: dict[int, Question] = {}  # of the queue
        self._num_answers = self._store.num_answers()

    def _can_show(self, question: Question) -> bool:
        """Whether the front end knows its kind: another one may have asked it before."""
        return self.claims.kinds is None or question.kind in self.claims.kinds

    def upcoming(self) -> tuple[Showing, ...]:
        """The queue; the first one is on the screen, or will be."""
        return tuple(self._queue)

    def refresh(self) -> None:
        """Claim more, and drop what was withdrawn or answered meanwhile; not the first: the person looks at it."""
        mine = self.claims.claim(AHEAD)
        self._num_answers = self._store.num_answers()
        held = {showing.question_id for showing in self._queue if not showing.is_repeat}
        new = [self._load(question_id) for question_id in mine if question_id not in held]
        self._queue = self._queue[:1] + [s for s in self._queue[1:] if s.is_repeat or s.question_id in mine]
        self._questions = {showing.question_id: self._questions[showing.question_id] for showing in self._queue}
        for question in new:
            self._add_repeat()
            self._insert(len(self._queue), question)

    def _load(self, question_id: int) -> Question:
        question = self._store.question(question_id)
        return replace(question, segments=tuple(replace(s, film=None) for s in question.segments))  # films are large

    def _insert(
        self,
        index: int,
        question: Question,
        order: Sequence[int] | None = None,
        *,
        repeat: bool = False,
        seen: bool = False,
    ) -> None:
        assert question.id is not None
        shown = tuple(range(len(question.segments))) if order is None else tuple(order)
        self._questions[question.id] = question
        self._queue.insert(index, Showing(question.id, question.kind, shown, repeat, seen))

    def _add_repeat(self) -> None:
        if self._rng.random() >= self._repeat_share:
            return
        shown = {answer.question.id for answer in self._answers if answer.is_repeat}
        shown |= {showing.question_id for showing in self._queue}
        old = [a.question for a in self._answers[: -REPEAT_GAP or None] if not a.is_repeat and a.choices()]
        fit = [question for question in old if question.id not in shown]
        if fit:
            again = fit[self._rng.integers(len(fit))]
            order = self._rng.permutation(len(again.segments)).tolist()
            self._insert(len(self._queue), again, order, repeat=True)

    def showing(self, question_id: int) -> Showing:
        """The question as the queue shows it, or as it was shown: an answer that is stored already may come again.

        Raises:
            ValueError: this person was not asked.
        """
        for showing in self._queue:
            if showing.question_id == question_id:
                return showing
        for answer in reversed(self._answers):
            if answer.question.id == question_id:
                order = answer.shown_order or tuple(range(len(answer.question.segments)))
                return Showing(question_id, answer.question.kind, order, answer.is_repeat)
        raise ValueError(f"question {question_id} is not asked here")

    def read(
        self,
        showing: Showing,
        value: Any,
        *,
        submission_id: str | None = None,
        shown_at: float | None = None,
        answered_at: float | None = None,
    ) -> Answer:
        """The answer that the JSON `value` stands for, if it is said of the screen that shows `showing`.

        Raises:
            ValueError: it is no answer to this question.
        """
        question = self._questions.get(showing.question_id)
        if question is None:
            question = self._load(showing.question_id)
        kind, order = kind_of(question), showing.shown_order
        back = sorted(range(len(order)), key=order.__getitem__)  # from the order of the screen to the question's own
        return Answer(
            question,
            kind.reorder(kind.from_json(value, question), back),
            self._annotator,
            submission_id or uuid4().hex,
            shown_at=shown_at,
            answered_at=answered_at,
            is_repeat=showing.is_repeat,
            shown_order=order if showing.is_repeat else None,
        )

    def answer(self, answer: Answer) -> bool:
        """Store `answer`, on disk when this returns, and go on to the next question.

        False: the question has all the answers that it wants, and nothing was stored.
        """
        if answer.submission_id in self._sent:
            return True
        seq = self._store.add_answer_if_wanted(answer)
        answered = answer.question.id, answer.is_repeat
        self._queue = [showing for showing in self._queue if (showing.question_id, showing.is_repeat) != answered]
        if seq is None:
            return answer.is_repeat  # sent twice, it is there; that it was a repeat stays hidden
        self._sent.add(answer.submission_id)
        if all(known.seq != seq for known in self._answers):  # else it was stored before this session began
            self._answers.append(answer.at(seq))
            self._new.append(answer.at(seq))
            self._num_answers += not answer.is_repeat
        return True

    def undo(self) -> Answer | None:
        """Take back the annotator's last answer, of an earlier session if need be, and ask its question again at once.

        Returns what was taken back; None if there is nothing.
        """
        while self._answers:
            last = self._answers[-1]
            assert last.question.id is not None
            is_taken = self._take_back(last)
            if is_taken and not last.is_repeat:
                self.claims.claim(AHEAD, first=[last.question.id])
            self._answers.pop()
            self._new = [answer for answer in self._new if answer.seq != last.seq]
            if is_taken:
                self._taken_back += 1
                self._num_answers -= not last.is_repeat
                self._insert(0, last.question, last.shown_order, repeat=last.is_repeat, seen=True)
                return last
        return None

    def _take_back(self, answer: Answer) -> bool:
        """False if it was taken back already, in another window of the same person."""
        key = f"undo {answer.seq} {self.claims.holder}"  # tried again by this session, it is the same row
        nothing = replace(
            answer, value=None, submission_id=key, shown_at=None, answered_at=None, replaces=answer.seq, seq=None
        )
        try:
            self._store.add_answers([nothing])
        except StoreError:
            if answer.seq is not None and self._store.stands(answer.seq):
                raise
            return False
        return True

    @property
    def can_undo(self) -> bool:
        return bool(self._answers)

    def pace(self) -> Pace:
        """How far the labelling has come, and how fast it goes: by the thinking times of the latest answers."""
        times = [seconds for answer in self._answers if (seconds := answer.seconds) is not None][-PACE_WINDOW:]
        per_hour = 3600 / statistics.mean(times) if len(times) >= 3 else None
        return Pace(self._num_answers, self.asked_for, per_hour)

    def summary(self) -> Summary:
        """What this session came to so far."""
        return summarise(self._new, self._answers, (self._clock() - self._started) / 60, self._taken_back)

    def leave(self) -> None:
        """Give back the questions that were not answered."""
        self.claims.leave()
