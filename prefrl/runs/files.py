"""Files that are on disk when a function returns, and an error for the user when they cannot be."""

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prefrl.errors import StorageError


def atomic_write(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, on disk when this returns; whenever the process dies, it is old or new.

    Raises:
        StorageError: the disk is full, read-only or gone; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with storage(path):
        try:
            write(temporary, data)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which reads or writes `path`, into a StorageError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{path} cannot be used ({reason}); check free space and permissions") from error


def write(path: Path, data: bytes) -> None:
    """Write a new file, on disk when this returns."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Put renames within `folder` on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sealed(values: Mapping[str, Any]) -> bytes:
    """`values` as JSON, with a SHA-256 that `unsealed` looks at.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps({"sha256": _digest(values), **values}, indent=2).encode()


def unsealed(data: bytes) -> dict[str, Any]:
    """What `sealed` wrote.

    Raises:
        ValueError: it is damaged.
    """
    values: Any = None
    with suppress(ValueError, RecursionError):
        values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("its contents are no JSON object")
    if values.pop("sha256", None) != _digest(values):
        raise ValueError("its contents do not match its SHA-256")
    return values


def _digest(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode())


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def json_values(value: Any) -> Any:
    """`value` with numpy's numbers as Python's, tuples as lists, and null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
