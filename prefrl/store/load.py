"""Read what the rows of a database mean: the run's description, its questions, the answers to them.

What may be long is read in pages, and decoded between them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, true

from prefrl.data.segment import Segment
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.store import schema
from prefrl.store.info import StoreInfo
from prefrl.store.pages import Read, chunks, read_rows
from prefrl.store.schema import annotators, answers, question_segments, questions, runs, segments, verify


def load_info(connection: Connection, run: str) -> StoreInfo | None:
    """How the run of this name was described."""
    row = connection.execute(select(runs).where(runs.c.name == run)).mappings().one_or_none()
    if row is None:
        return None
    verify(runs, row)
    if row["env_id"] is None:
        return None
    env_kwargs, spaces, versions = (json.loads(row[name]) for name in ("env_kwargs", "spaces", "versions"))
    return StoreInfo(row["env_id"], env_kwargs, Spaces.from_json(spaces), versions, row["goal"])


def info_values(info: StoreInfo) -> dict[str, Any]:
    """The values of a run's row that `load_info` reads back."""
    return {
        "env_id": info.env_id,
        "env_kwargs": json.dumps(info.env_kwargs),
        "spaces": json.dumps(info.spaces.to_json()),
        "goal": info.goal,
        "versions": json.dumps(info.versions),
    }


def load_questions(read: Read, ids: Iterable[int], with_films: bool = False) -> dict[int, Question]:
    """id -> question, of those of these `ids` that are there. Each segment is decoded once, outside of transactions."""
    asked: dict[int, Question] = {}
    held: dict[int, Segment] = {}
    numbers = _Numbers()
    for some in chunks(ids):
        with read() as connection:
            rows = connection.execute(select(questions).where(questions.c.id.in_(some))).mappings().all()
            in_some = question_segments.c.question_id.in_(some)
            order = question_segments.c.question_id, question_segments.c.place
            places = connection.execute(select(question_segments).where(in_some).order_by(*order)).mappings().all()
            numbered = numbers.of(connection, rows)
        shown = _places(rows, places)
        held |= _load_segments(read, {id for ids in shown.values() for id in ids} - held.keys(), with_films)
        found = {row["id"]: _question(row, shown[row["id"]], held) for row in rows}
        asked |= {id: replace(question, number=numbered[id]) for id, question in found.items()}
    return asked


class _Numbers:
    """Counts the questions of one run, up to those that are read, which come in the order of their ids."""

    def __init__(self) -> None:
        self._last, self._number = 0, 0

    def of(self, connection: Connection, rows: Sequence[RowMapping]) -> dict[int, int]:
        """id -> number."""
        if not rows:
            return {}
        ids = [row["id"] for row in rows]
        of_run = questions.c.run_id == rows[0]["run_id"]
        before = of_run & (questions.c.id > self._last) & (questions.c.id < min(ids))
        first = self._number + 1 + (connection.scalar(select(func.count()).select_from(questions).where(before)) or 0)
        between = select(questions.c.id).where(of_run, questions.c.id.between(min(ids), max(ids)))
        numbers = {id: number for number, id in enumerate(connection.scalars(between.order_by(questions.c.id)), first)}
        self._last, self._number = max(ids), first - 1 + len(numbers)
        return numbers


def _places(rows: Sequence[RowMapping], places: Sequence[RowMapping]) -> dict[int, list[int]]:
    """Question id -> ids of its segments, in order."""
    shown: dict[int, list[int]] = {row["id"]: [] for row in rows}
    for row in places:
        verify(question_segments, row)
        if row["place"] != len(shown[row["question_id"]]):
            raise ValueError(f"a segment of question {row['question_id']} is missing")
        shown[row["question_id"]].append(row["segment_id"])
    return shown


def _load_segments(read: Read, ids: Iterable[int], with_films: bool) -> dict[int, Segment]:
    """Segment id -> segment."""
    held: dict[int, Segment] = {}
    for some in chunks(ids):
        with read() as connection:
            rows = connection.execute(select(segments).where(segments.c.id.in_(some))).mappings().all()
            filmed = select(schema.films).where(schema.films.c.segment_id.in_(some))
            pictures = connection.execute(filmed).mappings().all() if with_films else []
        films = {row["segment_id"]: schema.row_film(row) for row in pictures}
        held |= {row["id"]: schema.row_segment(row, films.get(row["id"])) for row in rows}
    return held


def _question(row: Mapping[Any, Any], ids: list[int], held: Mapping[int, Segment]) -> Question:
    verify(questions, row)
    if not ids or not held.keys() >= set(ids):
        raise ValueError(f"a segment of question {row['id']} is missing")
    return make_question(row, tuple(held[id] for id in ids))


def make_question(row: Mapping[Any, Any], asked_about: tuple[Segment, ...]) -> Question:
    """The question of a row, about these segments.

    Raises:
        ValueError: they are not what its kind asks about.
    """
    question = Question(asked_about, row["kind"], row["num_timesteps"], row["wanted"], row["id"])
    kind_of(question).check(question)
    return question


def load_answers(read: Read, condition: ColumnElement[bool]) -> list[Answer]:
    """The rows of `answers` that meet `condition`, in order of `seq`."""
    rows = read_rows(read, answers, condition)
    asked = load_questions(read, {row["question_id"] for row in rows})
    names = load_annotators(read)
    return [row_answer(row, asked, names) for row in rows]


def load_annotators(read: Read) -> dict[int, str]:
    """id -> name."""
    rows = read_rows(read, annotators, true())
    for row in rows:
        verify(annotators, row)
    return {row["id"]: row["name"] for row in rows}


def row_answer(row: Mapping[Any, Any], asked: Mapping[int, Question], names: Mapping[int, str]) -> Answer:
    """The answer of a row; `asked` and `names` are the questions and the annotators by their ids.

    Raises:
        ValueError: the row is damaged, or its question or annotator is missing.
    """
    verify(answers, row)
    return make_answer(row, asked, names)


def make_answer(row: Mapping[Any, Any], asked: Mapping[int, Question], names: Mapping[int, str]) -> Answer:
    """As `row_answer`, of a row without a checksum."""
    if row["question_id"] not in asked:
        raise ValueError(f"question {row['question_id']} of answer {row['seq']} is missing")
    if row["annotator_id"] not in names:
        raise ValueError(f"annotator {row['annotator_id']} of answer {row['seq']} is missing")
    question = asked[row["question_id"]]
    value, order = (None if row[name] is None else json.loads(row[name]) for name in ("value", "shown_order"))
    fields = {name: row[name] for name in ("submission_id", "shown_at", "answered_at", "replaces", "is_repeat", "seq")}
    return Answer(
        question,
        None if value is None else kind_of(question).from_json(value, question),
        names[row["annotator_id"]],
        shown_order=None if order is None else tuple(order),
        **fields,
    )


def answer_values(answer: Answer, annotator_id: int) -> dict[str, Any]:
    """The values of an answer's row that `make_answer` reads back."""
    value = None if answer.value is None else json.dumps(kind_of(answer.question).to_json(answer.value))
    return {
        "submission_id": answer.submission_id,
        "question_id": answer.question.id,
        "annotator_id": annotator_id,
        "value": value,
        "is_repeat": bool(answer.is_repeat),
        "shown_order": None if answer.shown_order is None else json.dumps([int(place) for place in answer.shown_order]),
        "replaces": answer.replaces,
        "shown_at": None if answer.shown_at is None else float(answer.shown_at),
        "answered_at": None if answer.answered_at is None else float(answer.answered_at),
    }
