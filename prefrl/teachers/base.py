"""What a teacher is: something that answers questions from their segments alone."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import Feedback
from prefrl.feedback.noise import ReturnStats
from prefrl.feedback.question import Question
from prefrl.store.store import Store

RECENT_SEGMENTS = 1000
"""Latest segments, whose true returns show a teacher what is usual at the moment."""


class Teacher(Protocol):
    """Answers questions at once, from inside the program. People answer through the store, from another process."""

    @property
    def name(self) -> str:
        """Who gave the answers, as the store keeps it."""

    def answer(self, questions: Sequence[Question], context: ReturnStats, rng: np.random.Generator) -> list[Feedback]:
        """One value for each question, in order: a function of the arguments and nothing else."""


def answer_pending(store: Store, teacher: Teacher, rng: np.random.Generator) -> int:
    """Answer in one transaction every pending question that `teacher` has not answered; how many these were."""
    questions = store.pending()
    if any(question.wanted > 1 for question in questions):  # else a pending one has no answer yet
        answered = store.answered_by(teacher.name)
        questions = [question for question in questions if question.id not in answered]
    if not questions:
        return 0
    values = teacher.answer(questions, ReturnStats.of(store.returns(RECENT_SEGMENTS)), rng)
    pairs = zip(questions, values, strict=True)
    store.add_answers([Answer(question, value, teacher.name) for question, value in pairs])
    return len(questions)
