"""Read what is still whole of a damaged store in a file, of this version or of version 1."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, inspect, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prefrl.feedback.answer import Answer
from prefrl.store import database, load, migrations, version1
from prefrl.store import rows as dump
from prefrl.store.engines import make_engine
from prefrl.store.info import StoreInfo
from prefrl.store.rows import TABLES, Dump, Row


def readable(url: str) -> list[Answer]:
    """The answers of the store at `url` that can be read and match their checksums, but for repeats; in order of `seq`.

    Unlike `Store`, it gives them even if the file is damaged elsewhere; of a file that is no database, or not there, it
    gives none.
    """
    held = _read(url)
    return [answer for answer in dump.make_answers(held.rows, lenient=True) if not answer.is_repeat]


def read(url: str) -> Dump:
    """The rows of the store at `url` that can be read, match their checksums and refer to such rows alone.

    An answer that took the place of a lost one takes that of the annotator's answer before, if there is one. Where an
    undo was lost, with nothing after it, what was undone counts again.
    """
    held = _read(url)
    return Dump(held.info, _consistent(held.rows))


def _read(url: str) -> Dump:
    """All rows that can be read."""
    info: StoreInfo | None = None
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for connection in _connections(url):
        with suppress(SQLAlchemyError, LookupError, TypeError, ValueError):
            if inspect(connection).has_table(version1.preferences.name):
                with suppress(SQLAlchemyError, LookupError, TypeError, ValueError):
                    info = version1.read_info(connection)
                old = {name: list(_rows(connection, t, version1.plain)) for name, t in version1.TABLES.items()}
                return Dump(info, version1.upgrade(old))
        with suppress(SQLAlchemyError, LookupError, TypeError, ValueError):
            info = load.load_info(connection, migrations.RUN)
        rows = {name: list(_rows(connection, table, dump.plain)) for name, table in TABLES.items()}
    return Dump(info, {**rows, "annotators": _named(rows)})


def _connections(url: str) -> Iterator[Connection]:
    """One connection to the file at `url`, or none."""
    if database.is_missing(url):  # SQLite would make an empty one, which looks like a store that lost everything
        return
    engine = make_engine(url)
    try:
        with suppress(SQLAlchemyError, ValueError), engine.connect() as connection:  # a name may be no text any more
            yield connection
    finally:
        engine.dispose()


def _keys(connection: Connection, keys: list[ColumnElement[Any]]) -> list[tuple[int, ...]]:
    """What can be found from either end of a table."""
    found: set[tuple[int, ...]] = set()
    for order in ([key.asc() for key in keys], [key.desc() for key in keys]):
        with suppress(DBAPIError):
            found.update(tuple(row) for row in connection.execute(select(*keys).order_by(*order)))
    return sorted(key for key in found if all(isinstance(number, int) for number in key))


def _rows(connection: Connection, table: Table, plain: Callable[[Table, Any], Row]) -> Iterator[Row]:
    if not inspect(connection).has_table(table.name):  # the first stores lacked some
        return
    columns: list[ColumnElement[Any]] = [*table.primary_key]
    for values in _keys(connection, columns):
        this = [column == value for column, value in zip(columns, values, strict=True)]
        with suppress(SQLAlchemyError, TypeError, ValueError):
            yield plain(table, connection.execute(select(table).where(*this)).mappings().one())


def _named(rows: dict[str, list[Row]]) -> list[Row]:
    """The annotators, those too whose names are lost: what they answered is not."""
    known = {row["id"]: row for row in rows["annotators"]}
    numbers = sorted({row["annotator_id"] for row in rows["answers"]} | known.keys())
    return [known.get(number, {"id": number, "name": f"annotator {number}", "kind": None}) for number in numbers]


def _consistent(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """`rows` without those that refer to what is not among them."""
    there = {row["id"] for row in rows["segments"]}
    whole = {answer.seq for answer in dump.make_answers(rows, lenient=True)}
    asked = dump.make_questions(rows, lenient=True).keys()
    wanted = {row["id"]: row["wanted"] for row in rows["questions"]}
    return rows | {
        "films": [row for row in rows["films"] if row["segment_id"] in there],
        "questions": [row for row in rows["questions"] if row["id"] in asked],
        "question_segments": [row for row in rows["question_segments"] if row["question_id"] in asked],
        "answers": _answers([row for row in rows["answers"] if row["seq"] in whole], wanted),
    }


def _answers(rows: list[Row], wanted: Mapping[int, int]) -> list[Row]:
    kept: dict[int, Row] = {}
    latest: dict[tuple[int, int, bool], int] = {}  # whose, to what -> number of what nothing took the place of yet
    given: Counter[tuple[int, int, bool]] = Counter()  # whose, to what -> answers that count
    for row in rows:  # in order of their numbers, so that what is taken back comes first
        by = row["annotator_id"], row["question_id"], row["is_repeat"]
        old = row["replaces"]
        lost = old is not None and old not in kept
        if lost or (old is None and given[by] >= wanted[row["question_id"]]):  # then it is an undo that was lost
            old = latest.get(by)
        if not (old is None and row["value"] is None):
            given[by] += (row["value"] is not None) - (old is not None and kept[old]["value"] is not None)
            kept[row["seq"]] = row | {"replaces": old}
            latest[by] = row["seq"]
    return list(kept.values())
