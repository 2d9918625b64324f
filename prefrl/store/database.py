"""Open the store's database: settings, schema, a check for damage, and what its errors mean to a user."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from prefrl.errors import PrefrlError, StorageError, StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.store.schema import SCHEMA_VERSION, meta, metadata, seal

BUSY_TIMEOUT = 10
"""Seconds to wait for another process to finish writing."""


def connect(url: str) -> Engine:
    """An engine for the store at `url`, whose schema is created if it has none and checked if it has.

    Raises:
        UsageError: `url` names no database that can be reached from here.
        StoreError: the database is damaged, of another version, or not a store.
        StorageError: the disk is full, read-only or gone.
    """
    try:
        address = make_url(url)
        path = _file(address.database) if address.get_backend_name() == "sqlite" else None
        if path is not None:
            with storage(path):
                _ensure_file(url, path)
        engine = make_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"{url!r} is not a database URL; write for example sqlite:///preferences.sqlite") from error
    except ModuleNotFoundError as error:
        raise UsageError(f"the store's URL needs the driver {error.name}; try: pip install {error.name}") from error
    try:
        with explained(engine):
            _check(engine)
    except PrefrlError:
        engine.dispose()
        raise
    return engine


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Turn an error of the database, or of decoding what is in it, into one for the user."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, engine) from error
    except (TypeError, ValueError) as error:
        raise StoreError(f"{name(engine)} is damaged ({error}); restore a copy") from error


def _explain(error: DBAPIError, engine: Engine) -> PrefrlError:
    where, message = name(engine), str(error.orig).splitlines()[0]
    if any(
        words in message.lower() for words in ("is full", "no space left", "readonly", "read-only", "unable to open")
    ):
        return StorageError(f"{where} cannot be written: {message}; check free space and permissions, then try again")
    if "disk i/o error" in message.lower():
        return StorageError(f"{where} cannot be read or written: {message}; check the disk, then try again")
    if "locked" in message.lower():
        return StoreError(f"{where} has been locked for {BUSY_TIMEOUT} s by another process; stop it, then try again")
    if "connection" in message.lower():
        return StoreError(f"{where} cannot be reached: {message}; start the server, or check the URL")
    return StoreError(f"{where} cannot be used: {message}; restore a copy")


def name(engine: Engine) -> str:
    """What to call the database in an error."""
    return engine.url.database or str(engine.url) if engine.dialect.name == "sqlite" else str(engine.url)


def _file(database: str | None) -> Path | None:
    in_memory = database in (None, "", ":memory:")
    return None if database is None or in_memory or database.startswith("file:") else Path(database)


def is_missing(url: str) -> bool:
    """Whether `url` names a SQLite file that does not exist."""
    address = make_url(url)
    path = _file(address.database) if address.get_backend_name() == "sqlite" else None
    return path is not None and not path.exists()


def _ensure_file(url: str, path: Path) -> None:
    if not path.exists():
        _create_file(url, path)
    with path.open("rb") as file:
        size, is_sqlite = path.stat().st_size, file.read(16) == b"SQLite format 3\0"
    if size < 512 or (is_sqlite and size % 512):  # SQLite takes what has no page for new, and half a page for a whole
        raise StoreError(f"{path} is cut short and its preferences lost; restore a copy, or delete it to start anew")


def _create_file(url: str, path: Path) -> None:
    """Make a new store beside `path` and link it there, so that a file under that name is always a whole store."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    engine = make_engine(make_url(url).set(database=str(temporary)).render_as_string(hide_password=False))
    try:
        _check(engine)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass  # another process was faster
        except OSError:  # no hard links on this file system
            if not path.exists():
                temporary.rename(path)
    except DBAPIError as error:
        message = str(error.orig)
        raise StorageError(f"{path} cannot be created: {message}; check the folder, permissions and space") from error
    finally:
        engine.dispose()
        for leftover in (temporary, Path(f"{temporary}-journal")):
            with suppress(OSError):
                leftover.unlink()


def make_engine(url: str) -> Engine:
    """An engine that looks at nothing yet."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if make_url(url).database in (None, "", ":memory:"):
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


def _check(engine: Engine) -> None:
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        tables = set(inspect(connection).get_table_names())
        if "meta" in tables:
            _check_version(connection, name(engine))
        elif sqlite and tables:
            raise StoreError(f"{name(engine)} is a SQLite file but no preference store; name another file")
        if sqlite:
            faults = [*connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars()]
            if faults != ["ok"] or connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                reason = " ".join(faults[0].split()) if faults != ["ok"] else "a row refers to one that is missing"
                raise StoreError(f"{name(engine)} is damaged ({reason}); restore a copy")
    if "meta" not in tables:
        with engine.execution_options(writes=True).begin() as connection:
            metadata.create_all(connection)
            if connection.execute(select(meta)).first() is None:
                connection.execute(meta.insert(), seal(meta, {"key": "schema_version", "value": str(SCHEMA_VERSION)}))


def _check_version(connection: Connection, where: str) -> None:
    version = connection.scalar(select(meta.c.value).where(meta.c.key == "schema_version"))
    if version != str(SCHEMA_VERSION):
        raise StoreError(
            f"{where} has store version {version}, and this prefrl reads version {SCHEMA_VERSION}; "
            "use the prefrl that wrote it"
        )
