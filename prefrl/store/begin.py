"""Begin a store with the answers of another: what `train --store` names."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import delete, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from prefrl.data.text import plain
from prefrl.errors import StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.runs.run_dir import STORE_FILE, RunDir, sqlite_url
from prefrl.store import schema
from prefrl.store.engines import sqlite_file
from prefrl.store.store import Store


def store_file(named: str) -> Path:
    """The file of answers that `named`, a file or a run folder, means.

    Raises:
        UsageError: there is none.
    """
    path = Path(named) / STORE_FILE if Path(named).is_dir() else Path(named)
    shared = RunDir(Path(named)).shared_store
    if shared is not None:
        raise UsageError(f"--store {named}: that run keeps its answers in {'#'.join(shared)}; name this")
    if not path.is_file():
        raise UsageError(f"--store {named}: there is no file {path}; name one, a run folder, or a database URL")
    return path


def copy_store(source: Path, target: Path) -> None:
    """Make `target` of what the store in the file `source` holds; one of version 1 is migrated, `source` stays.

    Raises:
        StoreError: `source` is damaged, or no store.
        StorageError: the disk is full or read-only.
    """
    with storage(target), tempfile.TemporaryDirectory(dir=target.parent, prefix=".copy-") as folder:
        copy = Path(folder) / target.name
        address = f"file:{quote(str(source.absolute()))}?mode=ro"
        try:  # SQLite's own copy: a file that is written to meanwhile is copied whole
            with closing(sqlite3.connect(address, uri=True)) as old, closing(sqlite3.connect(copy)) as new:
                old.backup(new)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{source} cannot be read ({error}); restore a copy, or name another file") from error
        with Store(sqlite_url(copy)) as store, store.transaction(writes=True) as connection:
            for table in (schema.claims, schema.labellers):  # whoever labels there does not label here
                connection.execute(delete(table))
        copy.rename(target)


def absolute_url(url: str) -> str:
    """`url`, with the whole path of the file if it names one, and without a password, which settings must not keep.

    A server's password goes into the environment variable PGPASSWORD. Later processes get it there, or in ~/.pgpass.

    Raises:
        UsageError: it is no URL of a database.
    """
    place, hash_, name = url.partition("#")
    try:
        address, file = make_url(place), sqlite_file(place)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise UsageError(f"--store {plain(place)} is no URL of a database; write for example sqlite:///FILE") from error
    if file is not None:
        return sqlite_url(file) + hash_ + name
    if address.get_backend_name() == "sqlite":
        raise UsageError(f"--store {place} is in memory, where no other program sees it; name a file: sqlite:///FILE")
    if address.password is not None:  # for this process and those that it starts, and not for a file
        os.environ["PGPASSWORD"] = str(address.password)
        address = address._replace(password=None)  # `set` would leave it
    return address.render_as_string() + hash_ + name
