"""Read what is still whole of a damaged store."""

from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from prefrl import database, schema
from prefrl.schema import preferences, queries
from prefrl.store import load_queries
from prefrl.types import Preference


def readable(url: str) -> Iterator[Preference]:
    """The preferences of the store at `url` that can be read and match their checksums, in order of `seq`.

    Unlike `Store`, it gives them even if the file is damaged elsewhere; of a file that is no database, or not there, it
    gives none.
    """
    if database.is_missing(url):  # SQLite would make an empty one, which looks like a store that lost everything
        return
    engine = database.make_engine(url)
    try:
        with suppress(DBAPIError), engine.connect() as connection:
            for seq in sorted(_numbers(connection)):
                preference = _read(connection, seq)
                if preference is not None:
                    yield preference
    finally:
        engine.dispose()


def _numbers(connection: Connection) -> set[int]:
    """What can be found from either end of the table."""
    found: set[int] = set()
    for order in (preferences.c.seq.asc(), preferences.c.seq.desc()):
        with suppress(DBAPIError):
            found.update(connection.scalars(select(preferences.c.seq).order_by(order)))
    return {seq for seq in found if isinstance(seq, int)}


def _read(connection: Connection, seq: int) -> Preference | None:
    with suppress(DBAPIError, TypeError, ValueError):
        row = connection.execute(select(preferences).where(preferences.c.seq == seq)).mappings().one()
        return schema.row_preference(row, load_queries(connection, queries.c.id == row["query_id"]))
    return None
