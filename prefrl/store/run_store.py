"""Where the store of a run is."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from prefrl.runs.locks import locked
from prefrl.runs.run_dir import RunDir
from prefrl.store.engines import sqlite_file
from prefrl.store.store import Store


def open_store(run: RunDir, *, reads_only: bool = False) -> Store:
    """The store of `run`, made if there is none yet and it is not to be read alone. Errors are those of `Store`."""
    return Store(run.store_url, run.store_run, reads_only=reads_only)


@contextmanager
def held_store(run: RunDir) -> Iterator[None]:
    """Keep other trainers from a file that the run may share with others.

    Raises:
        LockedError: another trainer works with it.
    """
    shared = run.shared_store
    file = None if shared is None else sqlite_file(shared[0])
    with nullcontext() if file is None else locked(file.with_name(f"{file.name}.lock"), file):
        yield


def has_store(run: RunDir) -> bool:
    """Whether the store of `run` is there already; one on a server is there from the start."""
    file = sqlite_file(run.store_url)
    return file is None or file.exists()


def store_identity(run: RunDir) -> tuple[int, int]:
    """What changes when another file takes the place of the store's.

    Raises:
        OSError: it is not there.
    """
    file = sqlite_file(run.store_url)
    if file is None:
        return 0, 0
    stat = file.stat()
    return stat.st_dev, stat.st_ino
