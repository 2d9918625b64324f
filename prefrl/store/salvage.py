"""Read what is still whole of a damaged store."""

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, Table, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from prefrl.feedback.answer import Preference
from prefrl.store import database, schema
from prefrl.store import rows as dump
from prefrl.store.rows import TABLES, Dump, Row
from prefrl.store.schema import preferences, queries
from prefrl.store.store import StoreInfo, load_info, load_queries


def readable(url: str) -> Iterator[Preference]:
    """The preferences of the store at `url` that can be read and match their checksums, in order of `seq`.

    Unlike `Store`, it gives them even if the file is damaged elsewhere; of a file that is no database, or not there, it
    gives none.
    """
    for connection in _connections(url):
        for seq in _numbers(connection, preferences.c.seq):
            with suppress(SQLAlchemyError, TypeError, ValueError):
                row = connection.execute(select(preferences).where(preferences.c.seq == seq)).mappings().one()
                yield schema.row_preference(row, load_queries(connection, queries.c.id == row["query_id"]))


def read(url: str) -> Dump:
    """The rows of the store at `url` that can be read, match their checksums and refer to such rows alone.

    An answer that took the place of a lost one takes that of the annotator's answer before, if there is one. Where an
    undo was lost, with nothing after it, what was undone counts again.
    """
    info: StoreInfo | None = None
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for connection in _connections(url):
        with suppress(DBAPIError, LookupError, TypeError, ValueError):
            info = load_info(connection)
        rows = {name: list(_rows(connection, table)) for name, table in TABLES.items()}
    return Dump(info, _consistent(rows))


def _connections(url: str) -> Iterator[Connection]:
    """One connection to the file at `url`, or none."""
    if database.is_missing(url):  # SQLite would make an empty one, which looks like a store that lost everything
        return
    engine = database.make_engine(url)
    try:
        with suppress(SQLAlchemyError, ValueError), engine.connect() as connection:  # a name may be no text any more
            yield connection
    finally:
        engine.dispose()


def _numbers(connection: Connection, number: ColumnElement[int]) -> list[int]:
    """What can be found from either end of a table."""
    found: set[int] = set()
    for order in (number.asc(), number.desc()):
        with suppress(DBAPIError):
            found.update(connection.scalars(select(number).order_by(order)))
    return sorted(seq for seq in found if isinstance(seq, int))


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    (number,) = table.primary_key
    for value in _numbers(connection, number):
        with suppress(SQLAlchemyError, TypeError, ValueError):
            yield dump.plain(table, connection.execute(select(table).where(number == value)).mappings().one())


def _consistent(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """`rows` without those that refer to what is not among them."""
    there = {row["id"] for row in rows["segments"]}
    asked = [row for row in rows["queries"] if {row["left_id"], row["right_id"]} <= there]
    return rows | {
        "films": [row for row in rows["films"] if row["segment_id"] in there],
        "queries": asked,
        **{name: _answers(rows[name], {row["id"] for row in asked}) for name in ("preferences", "repeats")},
    }


def _answers(rows: list[Row], asked: set[int]) -> list[Row]:
    kept: dict[int, Row] = {}
    latest: dict[tuple[str, int], int] = {}  # annotator and query -> number of what nothing took the place of yet
    for row in rows:  # in order of their numbers, so that what is taken back comes first
        by = row["annotator"], row["query_id"]
        old = row["supersedes"]
        if old is not None and old not in kept:
            old = latest.get(by)
        if row["query_id"] in asked and not (old is None and row["choice"] is None):
            kept[row["seq"]] = row | {"supersedes": old}
            latest[by] = row["seq"]
    return list(kept.values())
