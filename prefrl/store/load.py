"""Read what the rows of a database mean: the run's description, its questions, the answers to them."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from prefrl.data.segment import Film
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.store import schema
from prefrl.store.info import StoreInfo
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


def load_questions(
    connection: Connection, condition: ColumnElement[bool], with_films: bool = False
) -> dict[int, Question]:
    """id -> question, of the rows of `questions` that meet `condition`; each segment is decoded once."""
    rows = connection.execute(select(questions).where(condition)).mappings().all()
    asked = select(questions.c.id).where(condition)
    places = select(question_segments).where(question_segments.c.question_id.in_(asked))
    listed = connection.execute(places.order_by(question_segments.c.question_id, question_segments.c.place)).mappings()
    ids: dict[int, list[int]] = {row["id"]: [] for row in rows}
    for row in listed:
        verify(question_segments, row)
        if row["place"] != len(ids[row["question_id"]]):
            raise ValueError(f"a segment of question {row['question_id']} is missing")
        ids[row["question_id"]].append(row["segment_id"])
    wanted = select(question_segments.c.segment_id).where(question_segments.c.question_id.in_(asked))
    films = _load_films(connection, wanted) if with_films else {}
    found = connection.execute(select(segments).where(segments.c.id.in_(wanted))).mappings()
    held = {row["id"]: schema.row_segment(row, films.get(row["id"])) for row in found}
    return {row["id"]: _question(row, ids[row["id"]], held) for row in rows}


def _question(row: Mapping[Any, Any], ids: list[int], held: Mapping[int, Any]) -> Question:
    verify(questions, row)
    if not ids or not held.keys() >= set(ids):
        raise ValueError(f"a segment of question {row['id']} is missing")
    return make_question(row, tuple(held[id] for id in ids))


def make_question(row: Mapping[Any, Any], asked_about: tuple[Any, ...]) -> Question:
    """The question of a row, about these segments.

    Raises:
        ValueError: they are not what its kind asks about.
    """
    question = Question(asked_about, row["kind"], row["num_timesteps"], row["wanted"], row["id"])
    kind_of(question).check(question)
    return question


def _load_films(connection: Connection, ids: Any) -> dict[int, Film]:
    """Segment id -> film."""
    rows = connection.execute(select(schema.films).where(schema.films.c.segment_id.in_(ids))).mappings()
    return {row["segment_id"]: schema.row_film(row) for row in rows}


def load_answers(connection: Connection, condition: ColumnElement[bool]) -> list[Answer]:
    """The rows of `answers` that meet `condition`, in order of `seq`."""
    rows = connection.execute(select(answers).where(condition).order_by(answers.c.seq)).mappings().all()
    asked = load_questions(connection, questions.c.id.in_(select(answers.c.question_id).where(condition)))
    names = load_annotators(connection)
    return [row_answer(row, asked, names) for row in rows]


def load_annotators(connection: Connection) -> dict[int, str]:
    """id -> name."""
    rows = connection.execute(select(annotators)).mappings().all()
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
