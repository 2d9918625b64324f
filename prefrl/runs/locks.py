"""Locks that the kernel lets go of whenever the process that holds them ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from prefrl.errors import LockedError
from prefrl.runs.files import storage


@contextlib.contextmanager
def locked(file: Path, what: Path) -> Iterator[None]:
    """Hold the lock `file`, which tells the process that has it and keeps others from `what`.

    Raises:
        LockedError: another process has it.
    """
    with storage(file):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with storage(file):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                pid = os.read(descriptor, 32).decode(errors="replace").strip() or "?"
                raise LockedError(f"{what} is in use by process {pid}; wait, or stop it: kill {pid}") from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)  # the process may live on, and does not train any more
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough where a forked worker has it open too
    finally:
        os.close(descriptor)
