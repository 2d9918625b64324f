"""All that a run's store holds, as rows of plain values: what an export is made of."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Table, exists, func, insert, select

from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import PLAIN
from prefrl.errors import StoreError
from prefrl.feedback.answer import Answer
from prefrl.feedback.question import Question
from prefrl.store import load, schema
from prefrl.store.engines import number_on
from prefrl.store.info import StoreInfo
from prefrl.store.pages import largest, read_pages
from prefrl.store.schema import verify

if TYPE_CHECKING:
    from prefrl.store.store import Store

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        schema.annotators,
        schema.segments,
        schema.films,
        schema.questions,
        schema.question_segments,
        schema.answers,
    )
}
"""What is kept, each after those it refers to. Who labels just now is of no worth later."""

LEFT_OUT = ("crc", "run_id", "arrays", "compressed", "token_hash")
"""Columns that tell of this database alone. A token lets somebody in; no copy may carry it about."""

ARRAYS: dict[str, np.dtype[Any]] = {
    "actions": np.dtype(np.float32),
    "absorbing": np.dtype(np.bool_),
    "true_rewards": np.dtype(np.float32),
    "sim_states": np.dtype(np.float64),
    "replay_actions": np.dtype(np.float32),
}
"""Arrays of a segment beside its observations, by the type of their elements."""

LOST = -1
"""Number of no segment."""

Row = dict[str, Any]
"""Column -> value: a number, a text, an array, a tuple of JPEGs (films), or None."""

Columns = dict[str, Any]
"""Column -> the type of its values: int, float, bool, str; a numpy type for arrays; bytes for a film's pictures."""


@dataclass(frozen=True, eq=False)
class Dump:
    """What a run's store holds, numbers of rows included: a reward fitted to a copy gets the same weights."""

    info: StoreInfo | None
    """The environment; None if the run was never described."""

    rows: dict[str, list[Row]]
    """Table -> its rows, in the order of their numbers."""


def columns(table: str, obs: Mapping[str, np.dtype[Any]]) -> Columns:
    """The columns of `table`; `obs` are those of observations and model, by `obs_columns` and `model_columns`."""
    kinds: Columns = {c.name: c.type.python_type for c in TABLES[table].columns if c.name not in LEFT_OUT}
    if table != "segments":
        return kinds
    return {"id": int, **obs, **ARRAYS, **kinds}


def obs_columns(rows: list[Row]) -> dict[str, np.dtype[Any]]:
    """The columns of the observations in these rows of segments."""
    return _columns(rows, is_obs)


def model_columns(rows: list[Row]) -> dict[str, np.dtype[Any]]:
    """The columns of what episodes changed in the simulator's model in these rows of segments."""
    return _columns(rows, is_of_model)


def _columns(rows: list[Row], belongs: Callable[[str], bool]) -> dict[str, np.dtype[Any]]:
    found: dict[str, np.dtype[Any]] = {}
    for row in rows:
        for name, value in row.items():
            if belongs(name) and value is not None:
                found[name] = np.result_type(found.get(name, value.dtype), value.dtype)
    return found


def is_obs(column: str) -> bool:
    """Whether a column of segments is one of the observations."""
    return column == PLAIN or column.startswith(f"{PLAIN}.")


def is_of_model(column: str) -> bool:
    """Whether a column of segments is something of the simulator's model."""
    return column.startswith("model.")


def read(store: "Store") -> Dump:
    """Everything of the store's run, as it was when this was called. Errors are those of `Store`."""
    info = store.info()
    with store.explained():
        rows = {name: [*found] for name, found in each(store).items()}
        check_references(rows)
    return Dump(info, rows)


def each(store: "Store") -> dict[str, Iterator[Row]]:
    """Table -> its rows of the store's run, as `read` has them; they are read while they are asked for."""
    return {name: _rows(store, TABLES[name], condition) for name, condition in _ours(store).items()}


def _rows(store: "Store", table: Table, condition: ColumnElement[bool]) -> Iterator[Row]:
    for page in read_pages(store.transaction, table, condition):
        for row in page:
            yield plain(table, row)


def _ours(store: "Store") -> dict[str, ColumnElement[bool]]:
    """Table -> which of its rows are those of the run, and were there at this moment."""
    grow = schema.segments, schema.questions, schema.answers  # together, where they belong together
    last = largest(store.transaction, grow)
    with store.transaction() as connection:
        run_id = connection.scalar(store.number)
    segments = (schema.segments.c.run_id == run_id) & (schema.segments.c.id <= last["segments"])
    questions = (schema.questions.c.run_id == run_id) & (schema.questions.c.id <= last["questions"])
    # Of each row of a page alone, where a list of all numbers would be made for every page.
    of_question = exists().where(questions, schema.questions.c.id == schema.question_segments.c.question_id)
    answers = exists().where(questions, schema.questions.c.id == schema.answers.c.question_id)
    answers &= schema.answers.c.seq <= last["answers"]
    return {
        "annotators": exists().where(answers, schema.answers.c.annotator_id == schema.annotators.c.id),
        "segments": segments,
        "films": exists().where(segments, schema.segments.c.id == schema.films.c.segment_id),
        "questions": questions,
        "question_segments": of_question,
        "answers": answers,
    }


def check_references(rows: Mapping[str, list[Row]]) -> None:
    """Raise ValueError if a row refers to one that is not among `rows`."""
    for name, table in TABLES.items():
        for key in table.foreign_keys:
            column, there = key.parent.name, key.column.table.name
            if there in TABLES:
                known = {row[key.column.name] for row in rows[there]}
                lost = [row[column] for row in rows[name] if row[column] is not None and row[column] not in known]
                if lost:
                    raise ValueError(f"{column} of a row of {name} is {lost[0]}, which is missing")


def plain(table: Table, row: Mapping[Any, Any]) -> Row:
    """The row of `table` as plain values.

    Raises:
        ValueError: it is damaged.
    """
    values = {c.name: row[c.name] for c in table.columns if c.name not in LEFT_OUT}
    if table is schema.segments:
        return _plain_segment(schema.row_arrays(row), values)
    verify(table, row)
    return values | {"jpegs": schema.row_film(row).jpegs} if table is schema.films else values


def _plain_segment(arrays: dict[str, NDArray[Any]], values: Row) -> Row:
    names = [name.removeprefix("obs/") for name in arrays if name.startswith("obs/")]
    obs = {_column(name, names): arrays[f"obs/{name}"] for name in sorted(names)}
    model = {
        name.replace("/", ".", 1): array for name, array in sorted(arrays.items()) if name.startswith(schema.MODEL)
    }
    return {"id": values["id"], **obs, **model, **{name: arrays.get(name) for name in ARRAYS}, **values}


def _column(name: str, names: list[str]) -> str:
    return PLAIN if names == [PLAIN] else f"{PLAIN}.{name}"


def make_segment(row: Row) -> Segment:
    """The segment of a plain row.

    Raises:
        ValueError: there is none such.
    """
    arrays = {f"obs/{name.removeprefix('obs.')}": array for name, array in row.items() if is_obs(name)}
    arrays |= {name.replace(".", "/", 1): array for name, array in row.items() if is_of_model(name)}
    arrays |= {name: row[name] for name in ARRAYS}
    there = {name: array for name, array in arrays.items() if array is not None}
    return schema.make_segment(there, row["reset_seed"], row["start"])


def make_answers(rows: Mapping[str, list[Row]], *, lenient: bool = False) -> list[Answer]:
    """The answers of plain rows, repeats too, in order of `seq`.

    Args:
        lenient: leave out those that cannot be made, instead of an error.

    Raises:
        ValueError: something that an answer refers to is missing, or an answer is none.
    """
    asked = make_questions(rows, lenient=lenient)
    names = {row["id"]: row["name"] for row in rows["annotators"]}
    answers = []
    for row in rows["answers"]:
        with _tolerated(lenient):
            answers.append(load.make_answer(row, asked, names))
    return answers


def _tolerated(lenient: bool) -> AbstractContextManager[None]:
    return suppress(ValueError) if lenient else nullcontext()


def make_questions(rows: Mapping[str, list[Row]], *, lenient: bool = False) -> dict[int, Question]:
    """id -> question, of plain rows; `lenient` as in `make_answers`.

    Raises:
        ValueError: a segment that a question refers to is missing, or there is no such kind of question.
    """
    segments = {row["id"]: make_segment(row) for row in rows["segments"]}
    places: dict[int, list[int]] = {row["id"]: [] for row in rows["questions"]}
    for row in sorted(rows["question_segments"], key=lambda row: row["place"]):
        there = places.get(row["question_id"], [])
        there.append(row["segment_id"] if row["place"] == len(there) else LOST)
    asked = {}
    for row in rows["questions"]:
        with _tolerated(lenient):
            if not segments.keys() >= set(places[row["id"]]):
                raise ValueError(f"a segment of question {row['id']} is missing")
            asked[row["id"]] = load.make_question(row, tuple(segments[number] for number in places[row["id"]]))
    return asked


def write(store: "Store", dump: Dump) -> None:
    """Fill an empty `store` with `dump`, in one transaction.

    Raises:
        StoreError: the database holds segments already, or `dump` is not consistent.
    """
    with store.transaction(writes=True) as connection:
        if connection.scalar(select(func.count()).select_from(schema.segments)):
            raise StoreError("the store to import into holds segments already; name a new one")
        if dump.info is not None:
            store.describe_in(connection, dump.info)
        fill(connection, store.run_id(connection), dump.rows)


def fill(connection: Connection, run_id: int, rows: Mapping[str, list[Row]]) -> None:
    """Add `rows` to the tables of an empty database, checked as if they were new.

    Raises:
        ValueError: they are not consistent, or hold a value that must not be stored.
    """
    for name, table in TABLES.items():
        sealed = [_sealed(table, row, run_id) for row in rows[name]]
        if sealed:
            connection.execute(insert(table), sealed)
            if table.autoincrement_column is not None:
                number_on(connection, table)
    make_answers(rows)


def _sealed(table: Table, row: Row, run_id: int) -> Row:
    """The row as the store keeps it."""
    if table is schema.segments:
        return {"id": row["id"], **schema.segment_row(make_segment(row), run_id)}
    if table is schema.films:
        return schema.film_row(row["segment_id"], Film(row["jpegs"], row["fps"]))
    kept = {c.name: row[c.name] for c in table.columns if c.name not in LEFT_OUT}
    more = {"run_id": run_id} if table is schema.questions else {}
    return schema.seal(table, {**kept, **more} | ({"token_hash": None} if table is schema.annotators else {}))
