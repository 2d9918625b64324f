"""Put a store of today in the place of one of version 1, whose file is kept beside it as it was."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, make_url

from prefrl.runs.files import atomic_write, storage, sync
from prefrl.store import load, rows, version1
from prefrl.store.engines import explained, make_engine, make_tables, version
from prefrl.store.schema import runs, seal

FROM = "1"
"""The version that can be migrated."""

KEPT = ".v1"
"""What the name of a file that is kept has before its ending."""

RUN = "main"
"""What the run of a file is called."""


def migrate(url: str, path: Path) -> Engine:
    """An engine for the store in the file `path`, which is of today's version when this returns.

    The old file is kept as `kept_as(path)`. Whenever the process dies, `path` is a whole store, old or new. Where
    nothing can be written, or `path` is such a file that was kept, the engine is for a copy in memory, which refuses to
    be changed.

    Raises:
        StoreError: the old store is damaged, or another process is writing to it.
        StorageError: the disk is full or gone.
    """
    if not os.access(path.parent, os.W_OK) or path.stem.endswith(KEPT):
        return in_memory(url)
    with storage(path), _alone(path):
        old = make_engine(url)
        try:
            # Its writers are kept out until their file has another name; SQLite lets nobody write to one that moved.
            with explained(old), old.execution_options(writes=True).begin() as connection:
                if version(connection) == FROM:  # else another process was faster
                    _replace(connection, url, path)
        finally:
            old.dispose()
    return make_engine(url)


def kept_as(path: Path) -> Path:
    """Where a store of version 1 that was at `path` is kept."""
    return path.with_name(f"{path.stem}{KEPT}{path.suffix}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process migrates the store at `path`. The kernel lets go of the lock if this one dies."""
    sidecar = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = os.open(sidecar, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), sidecar.stat()):
                break
        os.close(descriptor)  # who had the lock before has deleted the file
    try:
        yield
    finally:
        sidecar.unlink(missing_ok=True)
        os.close(descriptor)


def _replace(old: Connection, url: str, path: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    leftovers = new, Path(f"{new}-journal")
    for leftover in leftovers:  # of a migration that was killed
        leftover.unlink(missing_ok=True)
    try:
        engine = make_engine(make_url(url).set(database=str(new)).render_as_string(hide_password=False))
        try:
            _copy(old, engine)
        finally:
            engine.dispose()
        _keep(old, path, kept_as(path))
        _hand_on_rights(path, new)
        new.replace(path)
        sync(path.parent)
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


def _copy(old: Connection, new: Engine) -> None:
    make_tables(new)
    info, held = version1.read_info(old), version1.upgrade(version1.read(old))
    with new.execution_options(writes=True).begin() as connection:
        values = {"name": RUN} | ({} if info is None else load.info_values(info))
        run_id = connection.scalars(insert(runs).values(seal(runs, values)).returning(runs.c.id)).one()
        rows.fill(connection, int(run_id), held)


def _hand_on_rights(path: Path, new: Path) -> None:
    """Let those use the file `new` who may use the one at `path`."""
    old = path.stat()
    with suppress(OSError):  # only root may give files away
        os.chown(new, old.st_uid, old.st_gid)
    new.chmod(old.st_mode & 0o777)


def _keep(old: Connection, path: Path, name: Path) -> None:
    """Give the file at `path`, which `old` has locked, a second name."""
    if name.exists() and not name.samefile(path):  # from another store that lay here; it is nobody's to delete
        name = next(n for k in range(2, 1000) if not (n := name.with_name(f"{name.stem}-{k}{name.suffix}")).exists())
    if name.exists():
        return
    try:
        os.link(path, name)
    except OSError:  # no hard links on this file system
        # Not by opening the file: to close it again would give back all locks that this process has on it.
        atomic_write(name, old.connection.driver_connection.serialize())  # type: ignore[union-attr]


def in_memory(url: str) -> Engine:
    """An engine for a copy of the store at `url`, which is of version 1; the copy refuses to be changed.

    Raises:
        StoreError: the old store is damaged.
    """
    old, new = make_engine(url), make_engine("sqlite://")
    try:
        with explained(old), old.begin() as connection:
            _copy(connection, new)
    finally:
        old.dispose()
    with new.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    return new
