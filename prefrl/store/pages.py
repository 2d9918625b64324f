"""Read many rows a page at a time, so that no reader keeps a writer waiting for long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select, true, tuple_

PAGE = 200
"""Rows read in one transaction: while a reader of a SQLite file has one, no writer can end its own."""

Read = Callable[[], AbstractContextManager[Connection]]
"""Begins a transaction that reads."""


def read_pages(
    read: Read, table: Table, condition: ColumnElement[bool], size: int = PAGE
) -> Iterator[Sequence[RowMapping]]:
    """The rows of `table` that meet `condition`, in order of their numbers, each page in a transaction of its own.

    Rows that are added meanwhile may come too, and rows that are changed come as they were or as they are.

    Raises:
        ValueError: the table is damaged, so that its rows are out of order.
    """
    keys, last = [*table.primary_key], None
    after: ColumnElement[bool] = true()
    while True:
        page = select(table).where(condition, after).order_by(*keys).limit(size)
        with read() as connection:
            rows = connection.execute(page).mappings().all()
        numbers = [tuple(row[key] for key in keys) for row in rows]
        if numbers != sorted({*numbers}) or (last is not None and numbers and numbers[0] <= last):
            raise ValueError(f"rows of {table.name} are out of order")
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = numbers[-1]
        after = keys[0] > last[0] if len(keys) == 1 else tuple_(*keys) > tuple_(*last)


def read_rows(read: Read, table: Table, condition: ColumnElement[bool]) -> list[RowMapping]:
    """All rows that `read_pages` gives."""
    return [row for page in read_pages(read, table, condition) for row in page]


def chunks(numbers: Iterable[int], size: int = PAGE) -> Iterator[list[int]]:
    """`numbers` in ascending order, so many at a time."""
    ordered = sorted(numbers)
    return (ordered[at : at + size] for at in range(0, len(ordered), size))


def largest(read: Read, tables: Iterable[Table]) -> dict[str, Any]:
    """Table -> the largest number of its rows, or 0: what was there at one moment."""
    with read() as connection:
        return {table.name: connection.scalar(select(func.max(next(iter(table.primary_key))))) or 0 for table in tables}
