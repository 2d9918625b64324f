"""Answers out of a store and into another: an open format, and back without a loss."""

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np

from prefrl.config.formats import StoreFormat
from prefrl.data.spaces import Spaces
from prefrl.errors import StoreError, UsageError
from prefrl.runs.files import storage
from prefrl.runs.run_dir import STORE_FILE, RunDir, sqlite_url, versions
from prefrl.store import rows as dump
from prefrl.store import salvage, version1
from prefrl.store.engines import sqlite_file
from prefrl.store.formats import FORMATS, check_columns
from prefrl.store.migrations import RUN
from prefrl.store.rows import Dump
from prefrl.store.run_store import has_store
from prefrl.store.store import Store, StoreInfo
from prefrl.store.validate import check

NAME, VERSION = "prefrl preferences", 2


def open_store(path: Path) -> Store:
    """The store of a run folder, or in a file, to be read alone.

    Raises:
        UsageError: there is none.
        StoreError: it is damaged.
    """
    url, run = _store_at(path)
    return Store(url, run, reads_only=True)


def _store_at(path: Path) -> tuple[str, str]:
    """The URL of the store of a run folder, or in a file, and what the run is called there."""
    if path.is_file():
        return sqlite_url(path), RUN
    run = RunDir.open(path)
    if not has_store(run):
        raise UsageError(f"{path} has no {STORE_FILE} yet; let it train for a moment")
    return run.store_url, run.store_run


def export(source: Path, form: StoreFormat, folder: Path, *, salvaged: bool = False) -> dict[str, int]:
    """Write all answers of `source`, a run folder or a store's file, as files in a new `folder`.

    `minari` writes the trajectories of the segments alone, as a Minari data set. With `salvaged`, what is whole of a
    damaged store is written, if there is anything.

    Returns:
        The number of rows of each table.

    Raises:
        UsageError: unknown format, one whose package is not installed, or `folder` exists.
        StoreError: the store is damaged, and not to be `salvaged`, or nothing in it is whole.
    """
    if form not in get_args(StoreFormat):
        raise UsageError(f"--format is {form!r}; choose one of {', '.join(get_args(StoreFormat))}")
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
    url, _ = _store_at(source)
    if sqlite_file(url) is None:
        raise UsageError(f"the store of {source} is on a server, which keeps it whole; export it without --salvage")
    held = salvage.read(url)
    if not any(held.rows.values()):
        raise StoreError(f"nothing in {sqlite_file(url)} can be read; restore a copy")
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
    obs, model = (columns(held.rows["segments"]) for columns in (dump.obs_columns, dump.model_columns))
    for table, rows in held.rows.items():
        write(folder / f"{table}.{form}", dump.columns(table, obs | model), rows)
    head = {
        "format": NAME,
        "version": VERSION,
        "files": form,
        "written_by": versions()["prefrl"],
        "environment": None if held.info is None else {**vars(held.info), "spaces": held.info.spaces.to_json()},
        "observations": {column: str(dtype) for column, dtype in obs.items()},
        "model": {column: str(dtype) for column, dtype in model.items()},
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
    with _explained(folder):
        check(held)
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
            tables = {name: version1.columns(name) for name in version1.TABLES}
            rows = version1.upgrade(_tables(folder, head, tables, optional=("films", "repeats")))
            return Dump(environment and version1.make_info(environment), rows)
        named = {**head["observations"], **head.get("model", {})}
        obs = {column: _type(column, dtype) for column, dtype in named.items()}
        rows = _tables(folder, head, {name: dump.columns(name, obs) for name in dump.TABLES})
        info = environment and StoreInfo(**{**environment, "spaces": Spaces.from_json(environment["spaces"])})
        return Dump(info, rows)


def _type(column: str, dtype: str) -> np.dtype[Any]:
    if not (dump.is_obs(column) or dump.is_of_model(column)) or np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{column} of {dtype} is neither an observation nor of a model")
    return np.dtype(dtype)


def _tables(
    folder: Path, head: dict[str, Any], tables: dict[str, dump.Columns], optional: Sequence[str] = ()
) -> dict[str, list[dump.Row]]:
    form, (_, read) = head["files"], FORMATS[head["files"]]
    check_columns({*head["rows"], *optional}, tables)
    rows: dict[str, list[dump.Row]] = {name: [] for name in tables}
    for name, count in head["rows"].items():
        rows[name] = read(folder / f"{name}.{form}", tables[name])
        if len(rows[name]) != count:
            raise ValueError(f"{name}.{form} has {len(rows[name])} rows, and meta.json says {count}")
    return rows


def _head(folder: Path) -> dict[str, Any]:
    try:
        head: Any = json.loads((folder / "meta.json").read_bytes())
    except OSError:
        head = None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{folder}/meta.json cannot be read ({type(error).__name__}); export it again") from error
    if not isinstance(head, dict) or head.get("format") != NAME:
        raise UsageError(f"{folder} is no export: it has no meta.json of prefrl; name a folder that prefrl export made")
    if head.get("version") not in (1, VERSION):
        raise StoreError(
            f"{folder} has format version {head.get('version')}, and this prefrl reads versions 1 to {VERSION}; "
            "use the prefrl that wrote it"
        )
    return head


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn whatever a file of others makes a reader raise into an error of `folder`."""
    try:
        yield
    except UsageError:  # a package is missing
        raise
    except Exception as error:
        bare = isinstance(error, ValueError | OSError | StoreError)
        said = str(error) if bare else f"{type(error).__name__}: {error}"
        raise StoreError(f"{folder} cannot be imported ({said}); export it again") from error
