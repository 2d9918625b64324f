"""Checkpoints: folders of files that are written whole, checked by their hashes, and never pickled."""

import re
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefrl.errors import CheckpointError
from prefrl.runs import files as disk
from prefrl.runs.files import sealed, sha256, storage, sync, unsealed

KEEP = 3
"""Checkpoints kept in a run folder."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were all whole when it was looked at."""

    path: Path

    num_timesteps: int
    """Environment steps that the run had trained for."""

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
        if self.hashes.get(name) != sha256(data):
            raise CheckpointError(f"{self.path / name} is damaged (its SHA-256 is not the one in manifest.json)")
        return data

    def require(self, wanted: Mapping[str, Any]) -> None:
        """See that the trainer noted these values.

        Raises:
            CheckpointError: one of them differs.
        """
        for name, value in wanted.items():
            noted = self.state.get(name)
            if noted == value:
                continue
            if name == "format":
                raise CheckpointError(
                    f"{self.path} was written by another version of prefrl (format {noted!r}, this one reads "
                    f"{value!r}); go on with that version, or train anew"
                )
            raise CheckpointError(
                f"{self.path} is of another run: its {name} is {noted!r}, not {value!r}; restore a copy"
            )


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
        "files": {name: {"sha256": sha256(data), "size": len(data)} for name, data in files.items()},
    }
    files = {**files, "manifest.json": sealed(manifest)}
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
    checkpoint = next(whole(folder), None)
    if checkpoint is None and _paths(folder):
        raise CheckpointError(f"{folder} holds no checkpoint that is whole; restore a copy")
    return checkpoint


def whole(folder: Path) -> Iterator[Checkpoint]:
    """The checkpoints that are whole, latest first; each damaged one before the one that is asked for is warned of."""
    for path in _paths(folder):
        try:
            yield _load(path)
        except CheckpointError as error:
            warnings.warn(f"{error}; trying the checkpoint before", stacklevel=3)


def _load(path: Path) -> Checkpoint:
    file = path / "manifest.json"
    try:
        manifest = unsealed(file.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CheckpointError(f"{file} is damaged ({error})") from error
    if manifest["num_timesteps"] != int(path.stem):
        raise CheckpointError(f"{file} is damaged (it belongs into another folder than {path.name})")
    hashes = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    state = dict(manifest["state"])
    if "span" in state:  # what a round was called before 0.2
        state["round"] = state.pop("span")
    checkpoint = Checkpoint(path, manifest["num_timesteps"], state, hashes)
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
