"""Begin a store with the answers of another: what `train --store` names."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import delete
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from prefrl.errors import StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.runs.run_dir import STORE_FILE, sqlite_url
from prefrl.store import schema
from prefrl.store.engines import sqlite_file
from prefrl.store.store import Store


def store_file(named: str) -> Path:
    """The file of answers that `named`, a file or a run folder, means.

    Raises:
        UsageError: there is none.
    """
    path = Path(named) / STORE_FILE if Path(named).is_dir() else Path(named)
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
    """`url`, with the whole path of the file if it names one.

    Raises:
        UsageError: it is no URL of a database.
    """
    address, _, name = url.partition("#")
    try:
        file = sqlite_file(address)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"--store {url} is no URL of a database; write for example sqlite:///FILE") from error
    return url if file is None else sqlite_url(file) + (f"#{name}" if name else "")
