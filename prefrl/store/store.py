"""The store of a run: what was asked, what was answered. Trainer and teachers meet here and nowhere else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, exists, func, insert, select, true, update

from prefrl.data.segment import Segment
from prefrl.errors import StoreError
from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.store import append, database, engines, load, schema
from prefrl.store.info import StoreInfo, fit
from prefrl.store.schema import annotators, answers, question_segments, questions, runs, seal, segments, verify

__all__ = ["Store", "StoreInfo"]


class Store:
    """Segments, questions and answers of one run in a database, which may hold other runs beside it.

    Every method is one transaction, and what it wrote is on disk when it returns. Several processes may use one
    store. All methods raise `StoreError` for a damaged or locked database, and `StorageError` for a disk that is full,
    read-only or gone.
    """

    def __init__(self, url: str, run: str = "main", *, reads_only: bool = False) -> None:
        """Open the store of the run of this name at `url`, for example sqlite:///preferences.sqlite, or create it.

        With `reads_only`, nothing is created or changed, and a file of version 1 stays what it is.

        Raises:
            UsageError: `url` is no URL of a SQLite or PostgreSQL database, or its driver is not installed.
            StoreError: it is damaged, of another version, or not a store.
            StorageError: the disk is full, read-only or gone.
        """
        self.run, self._reads_only = run, reads_only
        self._engine = database.connect(url, reads_only=reads_only)
        self.number = select(runs.c.id).where(runs.c.name == run)
        """Selects the number of the run, or nothing if the database does not know it yet."""
        self.is_ours = questions.c.run_id == self.number.scalar_subquery()
        """Of a question."""
        self._has_our_segments = segments.c.run_id == self.number.scalar_subquery()
        self._is_our_answer = exists().where(questions.c.id == answers.c.question_id, self.is_ours)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Look for damage in all of the database, not just in what is read: about a second for 300 MB."""
        database.check_all(self._engine)

    @property
    def name(self) -> str:
        """What to call the database in an error."""
        return engines.name(self._engine)

    def explained(self) -> AbstractContextManager[None]:
        """Within, errors of the database, or of decoding what is in it, are ones for the user."""
        return engines.explained(self._engine)

    @contextmanager
    def transaction(self, writes: bool = False) -> Iterator[Connection]:
        """A transaction of the caller's own, for tables beside those of this class; its errors are explained."""
        if writes and self._reads_only:
            raise StoreError(f"{self.name} was opened to be read alone; open it anew to write to it")
        engine = self._engine.execution_options(writes=writes)
        with self.explained(), engine.begin() as connection:  # what is to be written was checked before
            yield connection

    def run_id(self, connection: Connection) -> int:
        """The number of the run, which is added if the database does not know it yet."""
        found = connection.scalar(self.number)
        if found is not None:
            return int(found)
        values = seal(runs, {"name": self.run})
        return int(connection.scalars(insert(runs).values(values).returning(runs.c.id)).one())

    def info(self) -> StoreInfo | None:
        """The environment that the run was described with; None if it was not yet."""
        with self.transaction() as connection:
            return load.load_info(connection, self.run)

    def describe(self, info: StoreInfo) -> None:
        """Say which environment the segments come from. The first description stays, but for what it did not tell.

        Raises:
            StoreError: the store holds segments of another environment.
        """
        with self.transaction(writes=True) as connection:
            held = load.load_info(connection, self.run)
            if held is None:
                self.describe_in(connection, info)
                return
            difference = held.difference(info)
            if difference is None and held.spaces.action.kind is None and held.spaces != info.spaces:
                self.describe_in(
                    connection, StoreInfo(held.env_id, held.env_kwargs, info.spaces, held.versions, held.goal)
                )
        if difference is not None:
            raise StoreError(f"{self.name} holds another environment: {difference}; use another store")

    def set_goal(self, goal: str) -> None:
        """Store with the run what the agent should do, in words for a person to judge by."""
        with self.transaction(writes=True) as connection:
            held = load.load_info(connection, self.run)
            if held is None:
                raise StoreError(f"{self.name} does not tell its environment yet; describe() it before its goal")
            self.describe_in(connection, StoreInfo(held.env_id, held.env_kwargs, held.spaces, held.versions, goal))

    def describe_in(self, connection: Connection, info: StoreInfo) -> None:
        """Describe the run so in a transaction that writes, whatever was said before."""
        ours = runs.c.id == self.run_id(connection)
        values = seal(runs, {"name": self.run, **load.info_values(info)})
        connection.execute(update(runs).where(ours).values(values))

    def add_questions(self, asked: Sequence[Question]) -> list[int]:
        """Ask; the ids of the new questions, in order. A segment object that several of them share is stored once.

        Raises:
            ValueError: a segment holds a value that is not finite, or there is no such kind of question.
            StoreError: a segment has other dimensions than the store was described with.
        """
        if not asked:
            return []
        for question in asked:
            kind_of(question).check(question)
        unique = {id(segment): segment for question in asked for segment in question.segments}
        self._check_spaces(list(unique.values()))
        values = [schema.segment_values(segment) for segment in unique.values()]
        with self.transaction(writes=True) as connection:
            run_id = self.run_id(connection)
            rows = [seal(segments, {"run_id": run_id, **held}) for held in values]
            returning = insert(segments).returning(segments.c.id, sort_by_parameter_order=True)
            ids = dict(zip(unique, connection.scalars(returning, rows), strict=True))
            films = [schema.film_row(ids[key], s.film) for key, s in unique.items() if s.film is not None]
            if films:
                connection.execute(insert(schema.films), films)
            made = insert(questions).returning(questions.c.id, sort_by_parameter_order=True)
            question_ids = [*connection.scalars(made, [_question_row(question, run_id) for question in asked])]
            places = [
                seal(question_segments, {"question_id": number, "place": place, "segment_id": ids[id(segment)]})
                for number, question in zip(question_ids, asked, strict=True)
                for place, segment in enumerate(question.segments)
            ]
            connection.execute(insert(question_segments), places)
            return question_ids

    def _check_spaces(self, added: list[Segment]) -> None:
        info = self.info()
        if info is None:
            return
        for segment in added:
            spaces = segment.spaces
            if not fit(info.spaces, spaces):
                raise StoreError(f"{self.name} is of {info.spaces}, and a segment has {spaces}; use another store")

    def pending(self, limit: int | None = None) -> list[Question]:
        """Questions that want more answers and are not withdrawn, oldest first, at most `limit`."""
        ids = select(questions.c.id).where(self.is_ours, schema.is_pending).order_by(questions.c.id).limit(limit)
        with self.transaction() as connection:
            found = connection.scalars(ids).all()
        with self.explained():
            return [*load.load_questions(self.transaction, found).values()]

    def question(self, question_id: int) -> Question:
        """The question of this id, with its films.

        Raises:
            StoreError: the store holds no such question.
        """
        ours = select(questions.c.id).where(self.is_ours, questions.c.id == question_id)
        with self.transaction() as connection:
            found = connection.scalars(ours).all()
        if not found:
            raise StoreError(f"{self.name} has no question {question_id}; ask for one that it holds")
        with self.explained():
            return load.load_questions(self.transaction, found, with_films=True)[question_id]

    def withdraw(self, question_ids: Sequence[int] | None = None, *, claimed_too: bool = False) -> None:
        """Ask these no longer, or none of those pending; of those that a labeller claimed, only if `claimed_too`."""
        chosen: ColumnElement[bool] = true() if question_ids is None else questions.c.id.in_(question_ids)
        if not claimed_too:
            chosen &= ~exists().where(schema.claims.c.question_id == questions.c.id)
        with self.transaction(writes=True) as connection:
            found = select(questions).where(self.is_ours, chosen, schema.is_pending)
            for row in connection.execute(found).mappings().all():
                verify(questions, row)
                values = seal(questions, {**row, "withdrawn_at": time.time()})
                connection.execute(update(questions).where(questions.c.id == row["id"]).values(values))

    def add_answers(self, given: Sequence[Answer]) -> list[int]:
        """Record answers, all or none; their `seq`s, in order. An answer that was sent before keeps its first `seq`.

        Raises:
            StoreError: a question, or an answer to replace, is unknown; that one was replaced already; or the annotator
                has given all answers that the question wants.
        """
        with self.transaction(writes=True) as connection:
            names = append.annotator_ids(connection, {answer.annotator for answer in given})
            return [append.add_answer(self, connection, answer, names[answer.annotator]) for answer in given]

    def add_answer_if_wanted(self, answer: Answer) -> int | None:
        """Record `answer` and give its `seq`; None, and nothing done, if nobody wants it.

        That is so if its question has all the answers that it wants, or has one by this annotator. A repeat is wanted
        once of each annotator, whatever else was answered.
        """
        with self.transaction(writes=True) as connection:
            if not append.is_wanted(connection, answer):
                return None
            names = append.annotator_ids(connection, {answer.annotator})
            return append.add_answer(self, connection, answer, names[answer.annotator])

    def answers(self, after: int = 0, until: int | None = None, *, repeats: bool = False) -> list[Answer]:
        """The answers with `after` < `seq` <= `until`, in order of `seq`: replaced ones and take-backs too.

        With `repeats`, those to questions asked again are among them.
        """
        chosen = self._is_our_answer & (answers.c.seq > after)
        if until is not None:
            chosen &= answers.c.seq <= until
        return self._load_answers(chosen if repeats else chosen & ~answers.c.is_repeat)

    def answers_of(self, annotator: str) -> list[Answer]:
        """What this annotator answered, to repeats too, and neither replaced nor took back; in order of `seq`."""
        return self._load_answers(self._is_our_answer & _is_by(annotator) & schema.counts)

    def answers_to(self, question_id: int) -> list[Answer]:
        """All that was answered to a question but repeats, in order of `seq`."""
        return self._load_answers(self._is_our_answer & (answers.c.question_id == question_id) & ~answers.c.is_repeat)

    def _load_answers(self, condition: ColumnElement[bool]) -> list[Answer]:
        with self.explained():
            return load.load_answers(self.transaction, condition)

    def answered_by(self, annotator: str) -> set[int]:
        """The ids of the questions to which an answer of this annotator counts."""
        theirs = select(answers.c.question_id).where(self._is_our_answer, _is_by(annotator), schema.is_standing)
        with self.transaction() as connection:
            return set(connection.scalars(theirs))

    def stands(self, seq: int) -> bool:
        """Whether the answer or repeat of this number is there, neither replaced nor taken back."""
        with self.transaction() as connection:
            chosen = self._is_our_answer & (answers.c.seq == seq) & schema.counts
            return connection.scalar(select(answers.c.seq).where(chosen)) is not None

    def watermark(self) -> int:
        """The largest `seq` of `answers`, or 0."""
        largest = select(func.max(answers.c.seq)).where(self._is_our_answer, ~answers.c.is_repeat)
        with self.transaction() as connection:
            return connection.scalar(largest) or 0

    def num_answers(self) -> int:
        """How many answers count: neither replaced nor take-backs nor repeats. Skips and ties are among them."""
        counted = select(func.count()).select_from(answers).where(self._is_our_answer, schema.is_standing)
        with self.transaction() as connection:
            return connection.scalar(counted) or 0

    def num_questions(self) -> int:
        """How many questions were asked, those left out that were withdrawn before they were answered."""
        asked = select(func.count()).select_from(questions)
        asked = asked.where(self.is_ours, questions.c.withdrawn_at.is_(None) | schema.has_answer)
        with self.transaction() as connection:
            return connection.scalar(asked) or 0

    def returns(self, limit: int) -> NDArray[np.float64]:
        """(K,) true returns of the last K <= `limit` segments, oldest first; the scale that an oracle judges by."""
        last = select(segments.c.true_return).where(self._has_our_segments).order_by(segments.c.id.desc()).limit(limit)
        with self.transaction() as connection:
            return np.array(connection.scalars(last).all()[::-1], np.float64)


def _is_by(annotator: str) -> ColumnElement[bool]:
    """Of an answer."""
    return answers.c.annotator_id.in_(select(annotators.c.id).where(annotators.c.name == annotator))


def _question_row(question: Question, run_id: int) -> dict[str, object]:
    values = {
        "run_id": run_id,
        "kind": question.kind,
        "wanted": int(question.wanted),
        "num_timesteps": int(question.num_timesteps),
        "created_at": time.time(),
        "withdrawn_at": None,
    }
    return seal(questions, values)
