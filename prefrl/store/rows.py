"""All that a preference store holds, as rows of plain values: what an export is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, insert, inspect, select

from prefrl.data.segment import Film, Segment
from prefrl.errors import StoreError
from prefrl.store import schema
from prefrl.store.schema import ARRAYS, seal, verify
from prefrl.store.store import Store, StoreInfo

TABLES: dict[str, Table] = {
    table.name: table for table in (schema.segments, schema.films, schema.queries, schema.preferences, schema.repeats)
}
"""What is kept, each after those it refers to. Who labels just now is of no worth later."""

Row = dict[str, Any]
"""Column -> value: a number, a text, an array, a tuple of JPEGs (films), or None."""


@dataclass(frozen=True, eq=False)
class Dump:
    """A store's contents, numbers of rows included: a reward fitted to a copy gets the same weights."""

    info: StoreInfo | None
    """The environment; None if the store was never described."""

    rows: dict[str, list[Row]]
    """Table -> its rows, in the order of their numbers."""


def columns(table: str) -> dict[str, type]:
    """Column -> the type of its values: bytes stands for an array, or a film's pictures. Checksums are left out."""
    return {c.name: c.type.python_type for c in TABLES[table].columns if c.name != "crc"}


def read(store: Store) -> Dump:
    """Everything in `store`. Errors are those of `Store`."""
    info = store.info()
    with store.transaction() as connection:
        return Dump(info, {name: _rows(connection, table) for name, table in TABLES.items()})


def read_preferences(store: Store, query_id: int) -> list[Row]:
    """The preferences of one query alone. Errors are those of `Store`."""
    with store.transaction() as connection:
        return _rows(connection, schema.preferences, schema.preferences.c.query_id == query_id)


def _rows(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> list[Row]:
    if not inspect(connection).has_table(table.name):  # older stores lack some
        return []
    found = connection.execute(select(table).where(*conditions).order_by(*table.primary_key)).mappings()
    return [plain(table, row) for row in found]


def plain(table: Table, row: Mapping[Any, Any]) -> Row:
    """The row of `table` as plain values.

    Raises:
        ValueError: it is damaged.
    """
    verify(table, row)
    values = {name: row[name] for name in columns(table.name)}
    if table is schema.segments:
        return values | {k: None if values[k] is None else schema.decode(values[k], kind) for k, kind in ARRAYS.items()}
    return values | {"jpegs": schema.split(values["jpegs"])} if table is schema.films else values


def write(store: Store, dump: Dump) -> None:
    """Fill an empty `store` with `dump`, in one transaction.

    Raises:
        StoreError: the store holds something already, or `dump` is not consistent.
    """
    with store.transaction() as connection:
        if connection.scalar(select(func.count()).select_from(schema.segments)):
            raise StoreError("the store to import into holds segments already; name a new one")
    if dump.info is not None:
        store.describe(dump.info)
    with store.transaction(writes=True) as connection:
        for name, table in TABLES.items():
            table.create(connection, checkfirst=True)
            sealed = [_sealed(table, row) for row in dump.rows[name]]
            if sealed:
                connection.execute(insert(table), sealed)


def _sealed(table: Table, row: Row) -> Row:
    """The row as the store keeps it, checked as if it were new."""
    if table is schema.segments:
        fields = {name: row[name] for name in (*ARRAYS, "reset_seed", "start")}
        return {"id": row["id"], **schema.segment_row(Segment(**fields))}
    if table is schema.films:
        return schema.film_row(row["segment_id"], Film(row["jpegs"], row["fps"]))
    return seal(table, row)
