"""Add an answer to a store, if it may be added."""

from collections.abc import Set
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Select, func, insert, select

from prefrl.errors import StoreError
from prefrl.feedback.answer import Answer
from prefrl.store import load, schema
from prefrl.store.engines import insert_if_new
from prefrl.store.schema import annotators, answers, questions, seal

if TYPE_CHECKING:
    from prefrl.store.store import Store


def is_wanted(connection: Connection, answer: Answer) -> bool:
    """Whether the question of `answer` lacks one, and one of its annotator; of a repeat, whether it is the first."""
    counts = schema.counts & (answers.c.is_repeat == answer.is_repeat)
    others = select(annotators.c.name).join(answers, answers.c.annotator_id == annotators.c.id)
    others = others.where(answers.c.question_id == answer.question.id, counts)
    others = others.where(answers.c.submission_id != answer.submission_id)
    if answer.replaces is not None:
        others = others.where(answers.c.seq != answer.replaces)
    names = set(connection.scalars(others))
    if answer.is_repeat:
        return answer.annotator not in names
    wanted = connection.scalar(_wanted(answer)) or 1
    return len(names) < wanted and answer.annotator not in names


def _wanted(answer: Answer) -> Select[int]:
    return select(questions.c.wanted).where(questions.c.id == answer.question.id)


def annotator_ids(connection: Connection, names: Set[str]) -> dict[str, int]:
    """Name -> number of the annotators, who are added if they are not known yet."""
    found = select(annotators.c.name, annotators.c.id).where(annotators.c.name.in_(names))
    new = sorted(names - {row.name for row in connection.execute(found)})  # sorted, so that no two writers deadlock
    for name in new:
        insert_if_new(connection, annotators, seal(annotators, {"name": name}))
    return {row.name: row.id for row in connection.execute(found)}


def add_answer(store: "Store", connection: Connection, answer: Answer, annotator_id: int) -> int:
    """Record `answer`, in a transaction that writes, and give its `seq`; if it was sent before, that of then.

    Raises:
        StoreError: it may not be added.
    """
    asked = answer.question.id
    same = select(answers.c.seq, answers.c.question_id).where(answers.c.submission_id == answer.submission_id)
    sent = connection.execute(same).one_or_none()
    if sent is not None and sent.question_id == asked:
        return int(sent.seq)
    if sent is not None:
        raise StoreError(f"{store.name}: submission {answer.submission_id} answered question {sent.question_id}")
    kind = connection.scalar(select(questions.c.kind).where(store.is_ours, questions.c.id == asked))
    if kind is None:
        raise StoreError(f"{store.name} has no question {asked}; answer one that it holds")
    if kind != answer.question.kind:
        raise StoreError(f"{store.name}: question {asked} is a {kind}, not a {answer.question.kind}")
    if answer.replaces is not None:
        _check_replaced(store, connection, answer)
    if answer.value is not None and not answer.is_repeat:
        _check_count(store, connection, answer, annotator_id)
    values = seal(answers, load.answer_values(answer, annotator_id))
    return int(connection.scalars(insert(answers).values(values).returning(answers.c.seq)).one())


def _check_replaced(store: "Store", connection: Connection, answer: Answer) -> None:
    old = select(answers.c.question_id, answers.c.is_repeat).where(answers.c.seq == answer.replaces)
    if connection.execute(old).one_or_none() != (answer.question.id, answer.is_repeat):
        what = "repeat" if answer.is_repeat else "answer"
        raise StoreError(f"{store.name} has no {what} {answer.replaces} to question {answer.question.id} to replace")
    if connection.scalar(select(answers.c.seq).where(answers.c.replaces == answer.replaces)) is not None:
        raise StoreError(f"{store.name}: answer {answer.replaces} is replaced already; replace the later one")


def _check_count(store: "Store", connection: Connection, answer: Answer, annotator_id: int) -> None:
    """Nobody says more to a question than is wanted of all; what was said is corrected by replacing it."""
    theirs = (answers.c.question_id == answer.question.id) & (answers.c.annotator_id == annotator_id)
    theirs &= answers.c.seq != (answer.replaces or 0)
    given = connection.scalar(select(func.count()).select_from(answers).where(theirs, schema.is_standing)) or 0
    if given >= (connection.scalar(_wanted(answer)) or 1):
        raise StoreError(
            f"{store.name}: {answer.annotator!r} has answered question {answer.question.id}; replace that answer"
        )
