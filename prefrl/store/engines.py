"""Connections to the store's database: their settings, its tables, and what its errors mean to a user."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, make_url, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from prefrl.errors import PrefrlError, StorageError, StoreError, UsageError
from prefrl.feedback.kinds import UnknownKindError
from prefrl.store.schema import SCHEMA_VERSION, meta, metadata, seal

BUSY_TIMEOUT = 30
"""Seconds to wait for another process to finish writing."""

WRITERS = 0x70726566
"""The advisory lock of PostgreSQL that all writers of a database take."""


def make_engine(url: str) -> Engine:
    """An engine that looks at nothing yet.

    Raises:
        UsageError: it is of another database than those that stores are kept in.
    """
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        return _make_postgresql(url)
    if address.get_driver_name() != "pysqlite":
        raise UsageError(f"{address} is of another database than SQLite and PostgreSQL; name one of these")
    if address.database in (None, "", ":memory:"):
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the sqlite3 module begins no transactions of its own
        for pragma in ("journal_mode=TRUNCATE", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _make_postgresql(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return
        # One writer at a time, as with SQLite: so answers appear in the order of their numbers, and what was read in
        # the transaction still holds when it writes. Each statement must see what was there when the lock was got.
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{round(BUSY_TIMEOUT * 1000)}ms'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")

    return engine


def make_tables(engine: Engine) -> None:
    """Make the tables of this version in a database that has none."""
    with engine.execution_options(writes=True).begin() as connection:
        metadata.create_all(connection)
        if connection.execute(select(meta)).first() is None:
            connection.execute(meta.insert(), seal(meta, {"key": "schema_version", "value": str(SCHEMA_VERSION)}))


def version(connection: Connection) -> str | None:
    """The version of the store; None if the database holds none."""
    if not inspect(connection).has_table(meta.name):
        return None
    return connection.scalar(select(meta.c.value).where(meta.c.key == "schema_version"))


def insert_if_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Add a row, unless one like it was added meanwhile."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # here: it takes a third of a second to load

        connection.execute(postgresql.insert(table).values(values).on_conflict_do_nothing())
    else:
        connection.execute(sqlite.insert(table).values(values).on_conflict_do_nothing())


def number_on(connection: Connection, table: Table) -> None:
    """Have new rows of `table` numbered after those that were added with their numbers."""
    (number,) = table.primary_key
    if connection.dialect.name == "postgresql":  # SQLite does so by itself
        largest = f"(SELECT max({number.name}) FROM {table.name})"
        sequence = f"pg_get_serial_sequence('{table.name}', '{number.name}')"
        connection.execute(text(f"SELECT setval({sequence}, {largest})"))


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn an error of the database, or of decoding what is in it, into one for the user."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, engine) from error
    except UnknownKindError as error:
        raise StoreError(f"{name(engine)} was written by another prefrl: {error}; use that one") from error
    except (TypeError, ValueError) as error:
        raise StoreError(f"{name(engine)} is damaged ({error}); restore a copy") from error


def _explain(error: DBAPIError, engine: Engine) -> PrefrlError:
    where, message = name(engine), (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
    said = message.lower()
    if any(words in said for words in ("is full", "no space left", "readonly", "read-only", "unable to open")):
        return StorageError(f"{where} cannot be written: {message}; check free space and permissions, then try again")
    if "disk i/o error" in said:
        return StorageError(f"{where} cannot be read or written: {message}; check the disk, then try again")
    if "locked" in said or "lock timeout" in said:
        return StoreError(f"{where} has been locked for {BUSY_TIMEOUT} s by another process; stop it, then try again")
    if "connection" in said:
        return StoreError(f"{where} cannot be reached: {message}; start the server, or check the URL")
    remedy = "restore a copy" if engine.dialect.name == "sqlite" else "see the server's log"
    return StoreError(f"{where} cannot be used: {message}; {remedy}")


def name(engine: Engine) -> str:
    """What to call the database in an error; passwords are left out."""
    return engine.url.database or str(engine.url) if engine.dialect.name == "sqlite" else str(engine.url)


def sqlite_file(url: str) -> Path | None:
    """The file that `url` names; None if it is no SQLite database, or one in memory.

    Raises:
        ArgumentError, NoSuchModuleError: `url` is none.
    """
    address = make_url(url)
    database = address.database if address.get_backend_name() == "sqlite" else None
    return None if database in (None, "", ":memory:") or database.startswith("file:") else Path(database)
