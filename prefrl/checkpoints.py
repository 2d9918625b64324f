"""Checkpoints: folders of files that are written whole, checked by their hashes, and never pickled."""

import hashlib
import json
import re
import shutil
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefrl import files as disk
from prefrl.errors import CheckpointError
from prefrl.files import storage, sync

KEEP = 3
"""Checkpoints kept in a run folder."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were all whole when it was looked at."""

    path: Path

    num_timesteps: int
    """Environment steps that the agent had trained for."""

    state: dict[str, Any]
    """What the trainer noted beside the files, as JSON values."""

    hashes: dict[str, str]
    """Name of each file -> its SHA-256."""

    def read(self, name: str) -> bytes:
        """The contents of a file of the checkpoint.

        Raises:
            CheckpointError: there is no such file, or it is damaged.
        """
        try:
            data = (self.path / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{self.path / name} cannot be read ({error.strerror})") from error
        if self.hashes.get(name) != _sha256(data):
            raise CheckpointError(f"{self.path / name} is damaged (its SHA-256 is not the one in manifest.json)")
        return data


def write(folder: Path, num_timesteps: int, files: Mapping[str, bytes], state: Mapping[str, Any]) -> None:
    """Add a checkpoint, whole or not at all, and remove all but the last three.

    It becomes the latest: one of more timesteps is of a future that a resumed run has left, and is removed.

    Raises:
        StorageError: the disk is full, read-only or gone; the checkpoints before are untouched.
    """
    for name in files:
        if name == "manifest.json" or not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"a checkpoint cannot hold a file named {name!r}")
    temporary, target = folder / f".{uuid.uuid4().hex}.tmp", folder / f"{num_timesteps:09d}"
    manifest = {
        "num_timesteps": num_timesteps,
        "state": dict(state),
        "files": {name: {"sha256": _sha256(data), "size": len(data)} for name, data in files.items()},
    }
    files = {**files, "manifest.json": json.dumps({"sha256": _digest(manifest), **manifest}, indent=2).encode()}
    with storage(target):
        for leftover in folder.glob(".*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            for name, data in files.items():
                disk.write(temporary / name, data)
            sync(temporary)
            if target.exists():
                _remove(target.with_suffix(".old"))
                target.rename(target.with_suffix(".old"))  # still found if this process is killed here
            temporary.rename(target)
            sync(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _prune(folder, target)


def latest(folder: Path) -> Checkpoint | None:
    """The latest checkpoint that is whole, each damaged one being warned of; None if none was ever written.

    Raises:
        CheckpointError: there are checkpoints, but all are damaged.
    """
    found = _paths(folder)
    for path in found:
        try:
            return _load(path)
        except CheckpointError as error:
            warnings.warn(f"{error}; trying the checkpoint before", stacklevel=3)
    if found:
        raise CheckpointError(f"{folder} holds no checkpoint that is whole; restore a copy")
    return None


def _load(path: Path) -> Checkpoint:
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_bytes())
        whole = manifest.pop("sha256") == _digest(manifest) and manifest["num_timesteps"] == int(path.stem)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} is damaged ({error})") from error
    if not whole:
        raise CheckpointError(f"{file} is damaged (its contents do not match its SHA-256 or its folder)")
    hashes = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    checkpoint = Checkpoint(path, manifest["num_timesteps"], manifest["state"], hashes)
    for name in hashes:
        checkpoint.read(name)
    return checkpoint


def _prune(folder: Path, newest: Path) -> None:
    found = _paths(folder)
    kept = [path for path in found[found.index(newest) :] if path.suffix != ".old"][:KEEP]
    for path in set(found) - set(kept):
        _remove(path)


def _remove(path: Path) -> None:
    """Remove a checkpoint in such a way that one half removed does not look damaged."""
    if path.exists():
        doomed = path.with_name(f".{uuid.uuid4().hex}.tmp")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _paths(folder: Path) -> list[Path]:
    """Checkpoint folders, latest first; after each the one that it replaced, if that is there still."""
    found = [p for p in folder.glob("*") if re.fullmatch(r"\d{9,}(\.old)?", p.name)]
    return sorted(found, key=lambda path: (int(path.stem), path.suffix == ""), reverse=True)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest(manifest: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(manifest, sort_keys=True, allow_nan=False).encode())
