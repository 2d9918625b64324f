"""Answers out of a store and into another: an open format, and back without a loss."""

import json
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from prefrl.data.spaces import Spaces
from prefrl.errors import StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.runs.run_dir import RunDir, sqlite_url, versions
from prefrl.store import rows as dump
from prefrl.store import salvage, version1
from prefrl.store.formats import FORMATS
from prefrl.store.rows import Dump
from prefrl.store.store import Store, StoreInfo

Format = Literal["jsonl", "npz", "parquet", "minari"]
NAME, VERSION = "prefrl preferences", 2


def open_store(path: Path) -> Store:
    """The store of a run folder, or in a file. Errors are those of `store_file` and `Store`."""
    return Store(sqlite_url(store_file(path)))


def store_file(path: Path) -> Path:
    """`path` itself if it is a file, or the store's file in the run folder at `path`.

    Raises:
        UsageError: there is none.
    """
    if path.is_file():
        return path
    file = RunDir.open(path).path / "preferences.sqlite"
    if not file.is_file():
        raise UsageError(f"{path} has no preferences.sqlite yet; let it train for a moment")
    return file


def export(source: Path, form: Format, folder: Path, *, salvaged: bool = False) -> dict[str, int]:
    """Write all answers of `source`, a run folder or a store's file, as files in a new `folder`.

    `minari` writes the trajectories of the segments alone, as a Minari data set. With `salvaged`, what is whole of a
    damaged store is written, if there is anything.

    Returns:
        The number of rows of each table.

    Raises:
        UsageError: unknown format, one whose package is not installed, or `folder` exists.
        StoreError: the store is damaged, and not to be `salvaged`, or nothing in it is whole.
    """
    if form not in get_args(Format):
        raise UsageError(f"--format is {form!r}; choose one of {', '.join(get_args(Format))}")
    if folder.exists():
        raise UsageError(f"{folder} exists already; name another --output")
    held = _salvaged(source) if salvaged else _held(source)
    with _whole(folder) as unfinished:
        if form == "minari":
            from prefrl.store import minari as trajectories

            trajectories.write(unfinished, held)
        else:
            _write(unfinished, form, held)
    return {table: len(rows) for table, rows in held.rows.items()}


def _salvaged(source: Path) -> Dump:
    held = salvage.read(sqlite_url(store_file(source)))
    if not any(held.rows.values()):
        raise StoreError(f"nothing in {store_file(source)} can be read; restore a copy")
    return held


def _held(source: Path) -> Dump:
    try:
        with open_store(source) as store:
            return dump.read(store)
    except StoreError as error:
        raise StoreError(f"{error}, or export what is whole of it: --salvage") from error


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when it is complete."""
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    with storage(folder):
        try:
            unfinished.mkdir(parents=True)
            yield unfinished
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _write(folder: Path, form: str, held: Dump) -> None:
    write, _ = FORMATS[form]
    obs = dump.obs_columns(held.rows["segments"])
    for table, rows in held.rows.items():
        write(folder / f"{table}.{form}", dump.columns(table, obs), rows)
    head = {
        "format": NAME,
        "version": VERSION,
        "files": form,
        "written_by": versions()["prefrl"],
        "environment": None if held.info is None else {**vars(held.info), "spaces": held.info.spaces.to_json()},
        "observations": {column: str(dtype) for column, dtype in obs.items()},
        "rows": {table: len(rows) for table, rows in held.rows.items()},
    }
    (folder / "meta.json").write_text(json.dumps(head, indent=2), encoding="utf-8")


def import_(folder: Path, store: Path) -> dict[str, int]:
    """Make a new store, in the file `store`, of what `export` wrote into `folder`; the number of rows of each table.

    Raises:
        UsageError: `store` exists, or `folder` is no export.
        StoreError: a file of it is damaged or missing.
    """
    if store.exists():
        raise UsageError(f"{store} exists already; name a new file")
    held = _read(folder)
    unfinished = store.with_name(f".{store.name}.{uuid.uuid4().hex}")
    try:
        with storage(store):
            store.parent.mkdir(parents=True, exist_ok=True)
        with _explained(folder), Store(sqlite_url(unfinished)) as new:
            dump.write(new, held)
        with storage(store):
            unfinished.rename(store)
    finally:
        for leftover in (unfinished, Path(f"{unfinished}-journal")):
            leftover.unlink(missing_ok=True)
    return {table: len(rows) for table, rows in held.rows.items()}


def _read(folder: Path) -> Dump:
    head = _head(folder)
    with _explained(folder):
        environment = head["environment"]
        if head["version"] == 1:
            rows = version1.upgrade(_tables(folder, head, {name: version1.columns(name) for name in version1.TABLES}))
            return Dump(environment and version1.make_info(environment), rows)
        obs = {column: _obs_type(column, dtype) for column, dtype in head["observations"].items()}
        rows = _tables(folder, head, {name: dump.columns(name, obs) for name in dump.TABLES})
        info = environment and StoreInfo(**{**environment, "spaces": Spaces.from_json(environment["spaces"])})
        return Dump(info, rows)


def _obs_type(column: str, dtype: str) -> np.dtype[Any]:
    if not dump.is_obs(column) or np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{column} of {dtype} is no observation")
    return np.dtype(dtype)


def _tables(folder: Path, head: dict[str, Any], tables: dict[str, dump.Columns]) -> dict[str, list[dump.Row]]:
    form, (_, read) = head["files"], FORMATS[head["files"]]
    rows: dict[str, list[dump.Row]] = {name: [] for name in tables}
    for name, count in head["rows"].items():
        rows[name] = read(folder / f"{name}.{form}", tables[name])
        if len(rows[name]) != count:
            raise ValueError(f"{name}.{form} has {len(rows[name])} rows, and meta.json says {count}")
    return rows


def _head(folder: Path) -> dict[str, Any]:
    try:
        head: dict[str, Any] = json.loads((folder / "meta.json").read_bytes())
        known = head["format"] == NAME
    except (OSError, ValueError, LookupError, TypeError):
        known = False
    if not known:
        raise UsageError(f"{folder} is no export: it has no meta.json of prefrl; name a folder that prefrl export made")
    if head["version"] not in (1, VERSION):
        raise StoreError(
            f"{folder} has format version {head['version']}, and this prefrl reads versions 1 to {VERSION}; "
            "use the prefrl that wrote it"
        )
    return head


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes a reader raise into an error of `folder`."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile, StoreError) as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else str(error)
        raise StoreError(f"{folder} cannot be imported ({said}); export it again") from error
