"""Where the store of a run is."""

from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store


def open_store(run: RunDir) -> Store:
    """The store of `run`, made if there is none yet. Errors are those of `Store`."""
    return Store(run.store_url)


def has_store(run: RunDir) -> bool:
    """Whether the store of `run` is there already."""
    return run.store_path.exists()


def store_identity(run: RunDir) -> tuple[int, int]:
    """What changes when another file takes the place of the store's.

    Raises:
        OSError: it is not there.
    """
    stat = run.store_path.stat()
    return stat.st_dev, stat.st_ino
