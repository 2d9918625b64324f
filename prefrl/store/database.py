"""Open the store's database, or make it, after a check for damage; a store of version 1 is migrated."""

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from prefrl.errors import PrefrlError, StorageError, StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.store import migrations
from prefrl.store.engines import explained, make_engine, make_tables, name, sqlite_file, version
from prefrl.store.layout import difference
from prefrl.store.schema import SCHEMA_VERSION, metadata

NUMBERED = ("meta", "runs", "annotators", "questions", "question_segments", "answers")
"""Tables that are checked whenever a store is opened: rows that their indexes do not show would not be missed.

Segments and films, nearly all of a file, would be: rows refer to them by their numbers, and each has a checksum."""


def connect(url: str, *, reads_only: bool = False) -> Engine:
    """An engine for the store at `url`, whose tables are made if it has none and checked if it has.

    With `reads_only`, nothing is made or changed: a store of version 1 is read from a copy in memory.

    Raises:
        UsageError: `url` names no database that can be reached from here.
        StoreError: the database is damaged, of another version, or not a store.
        StorageError: the disk is full, read-only or gone.
    """
    try:
        path = sqlite_file(url)
        if path is not None:
            with storage(path):
                _ensure_file(url, path, reads_only)
        engine = make_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"{url!r} is not a database URL; write for example sqlite:///preferences.sqlite") from error
    except ImportError as error:
        driver = error.name or make_url(url).get_driver_name()
        package = "'prefrl[postgres]'" if driver == "psycopg" else driver
        raise UsageError(f"the store's URL needs the driver {driver}; try: pip install {package}") from error
    try:
        with explained(engine):
            found = _check(engine, reads_only)
        if found == migrations.FROM and path is not None:
            engine.dispose()
            engine = migrations.in_memory(url) if reads_only else migrations.migrate(url, path)
            with explained(engine):
                found = _check(engine)
        if found != str(SCHEMA_VERSION):
            raise StoreError(
                f"{name(engine)} has store version {found}, and this prefrl reads version {SCHEMA_VERSION}; "
                "use the prefrl that wrote it"
            )
    except PrefrlError:
        engine.dispose()
        raise
    return engine


def is_missing(url: str) -> bool:
    """Whether `url` names a SQLite file that does not exist."""
    path = sqlite_file(url)
    return path is not None and not path.exists()


def _ensure_file(url: str, path: Path, reads_only: bool) -> None:
    if not path.exists() and reads_only:
        raise StoreError(f"{path} is missing; restore a copy")
    if not path.exists():
        _create_file(url, path)
    size = path.stat().st_size
    # SQLite takes what has no page for new, and half a page for a whole. A file that looks well is not opened here: to
    # close it again would give back all locks that this process has on it.
    if size < 512 or (size % 512 and _is_sqlite(path)):
        raise StoreError(f"{path} is cut short and its preferences lost; restore a copy, or delete it to start anew")


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


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


def _check(engine: Engine, reads_only: bool = False) -> str | None:
    """The version of the store, which is made where there is none yet.

    Raises:
        StoreError: it is no store, or one that is not as prefrl makes it; or it is damaged where no checksum tells.
    """
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        found = version(connection)
        tables = inspect(connection).get_table_names() if found is None else []
        if sqlite and tables:
            raise StoreError(f"{name(engine)} is a SQLite file but no preference store; name another file")
        if metadata.tables.keys() & set(tables):
            raise StoreError(f"{name(engine)} holds tables of another program; name another database")
    if found is None and reads_only:
        raise StoreError(f"{name(engine)} holds no store yet; wait until the run has begun")
    if found is None:
        make_tables(engine)
        found = str(SCHEMA_VERSION)
    if found == str(SCHEMA_VERSION):
        _check_layout(engine)
    if sqlite:
        _check_pages(engine, NUMBERED if found == str(SCHEMA_VERSION) else ())
    return found


def _check_layout(engine: Engine) -> None:
    with engine.begin() as connection:
        other = difference(connection)
    if other is not None:
        raise StoreError(f"{name(engine)} is not as prefrl made it: {other}; restore a copy, or ask who gave it to you")


def check_all(engine: Engine) -> None:
    """Read the whole of a SQLite file, and look for damage: about a second for 300 MB. A server looks for itself.

    Raises:
        StoreError: it is damaged.
    """
    if engine.dialect.name == "sqlite":
        with explained(engine):
            _check_pages(engine, ())
            with engine.begin() as connection:
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise StoreError(f"{name(engine)} is damaged (a row refers to one that is missing); restore a copy")


def _check_pages(engine: Engine, tables: Sequence[str]) -> None:
    """Look for damage in the pages of these tables and their indexes, each in a transaction; or in those of all."""
    for limit in tables or ("1",):
        with engine.begin() as connection:
            faults = [*connection.exec_driver_sql(f"PRAGMA integrity_check({limit})").scalars()]
        if faults != ["ok"]:
            raise StoreError(f"{name(engine)} is damaged ({' '.join(faults[0].split())}); restore a copy")
