"""Tables of a dump as files that any tool reads: JSON lines, NumPy archives, Parquet."""

import base64
import json
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrl.errors import UsageError
from prefrl.store.rows import Row, columns
from prefrl.store.schema import ARRAYS

Reader = Callable[[Path, str], list[Row]]
Writer = Callable[[Path, str, list[Row]], None]


def write_jsonl(path: Path, table: str, rows: list[Row]) -> None:
    """One object a line. Arrays are nested lists; those with NaN, which JSON lacks, and JPEGs are base64."""
    with path.open("x", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({name: _to_json(value) for name, value in row.items()}, allow_nan=False) + "\n")


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [base64.b64encode(jpeg).decode() for jpeg in value]
    if not isinstance(value, np.ndarray):
        return value
    if np.isfinite(value).all():
        return value.tolist()
    little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    return {"shape": list(value.shape), "base64": base64.b64encode(little.tobytes()).decode()}


def read_jsonl(path: Path, table: str) -> list[Row]:
    """What `write_jsonl` wrote."""
    kinds = columns(table)
    with path.open(encoding="utf-8") as file:
        return [_from_json(json.loads(line), kinds) for line in file]


def _from_json(found: dict[str, Any], kinds: dict[str, type]) -> Row:
    row = {name: found[name] for name in kinds}
    for name in row.keys() & ARRAYS.keys():
        value, dtype = row[name], np.dtype(ARRAYS[name]).newbyteorder("<")
        if isinstance(value, dict):
            data = base64.b64decode(value["base64"], validate=True)
            row[name] = np.frombuffer(data, dtype).reshape(value["shape"]).astype(ARRAYS[name])
        elif value is not None:
            row[name] = np.array(value, ARRAYS[name])
    if "jpegs" in row:
        row["jpegs"] = tuple(base64.b64decode(jpeg, validate=True) for jpeg in row["jpegs"])
    return _with_width(row)


def _with_width(row: Row) -> Row:
    """A list of no actions does not tell how wide they are."""
    if row.get("replay_actions") is not None and not len(row["replay_actions"]):
        row["replay_actions"] = row["actions"][:0]
    return row


def write_npz(path: Path, table: str, rows: list[Row]) -> None:
    """One array a column, rows along its first axis.

    Arrays of different shapes, or none in some rows, are flattened into `NAME.values`, and `NAME.shapes` has their
    shapes, -1 for none. Where other values are missing, `NAME.missing` is true.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind in columns(table).items():
        values = [row[name] for row in rows]
        if name in ARRAYS:
            arrays |= _stacked(name, values)
        elif kind is bytes:
            jpegs = [np.frombuffer(jpeg, np.uint8) for film in values for jpeg in film]
            arrays |= _ragged(name, jpegs, np.uint8)
            arrays[f"{name}.counts"] = np.array([len(film) for film in values], np.int64)
        else:
            arrays[name] = np.array([kind() if value is None else value for value in values], _scalar(kind))
            if None in values:
                arrays[f"{name}.missing"] = np.array([value is None for value in values])
    with path.open("xb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _scalar(kind: type) -> Any:
    return {int: np.int64, float: np.float64, bool: np.bool_, str: np.str_}[kind]


def _stacked(name: str, values: list[NDArray[Any] | None]) -> dict[str, NDArray[Any]]:
    there = [value for value in values if value is not None]
    if there and len(there) == len(values) and len({value.shape for value in there}) == 1:
        return {name: np.stack(there)}
    return _ragged(name, values, ARRAYS[name])


def _ragged(name: str, values: Sequence[NDArray[Any] | None], dtype: type[np.generic]) -> dict[str, NDArray[Any]]:
    ndim = max((value.ndim for value in values if value is not None), default=1)
    shapes = [(-1,) * ndim if value is None else value.shape for value in values]
    flat = [np.zeros(0, dtype), *(value.ravel() for value in values if value is not None)]
    return {f"{name}.values": np.concatenate(flat), f"{name}.shapes": np.array(shapes, np.int64).reshape(-1, ndim)}


def read_npz(path: Path, table: str) -> list[Row]:
    """What `write_npz` wrote."""
    kinds = columns(table)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    count = len(found[next(iter(kinds))])  # each table begins with the numbers of its rows
    lists = {name: _column(found, name, kind) for name, kind in kinds.items()}
    if any(len(values) != count for values in lists.values()):
        raise ValueError("its columns have different lengths")
    return [{name: lists[name][i] for name in kinds} for i in range(count)]


def _column(found: dict[str, NDArray[Any]], name: str, kind: type) -> list[Any]:
    if name in ARRAYS:
        return _unravel(found, name) if f"{name}.values" in found else [a.astype(ARRAYS[name]) for a in found[name]]
    if kind is bytes:
        jpegs = [jpeg.tobytes() for jpeg in _unravel(found, name) if jpeg is not None]
        ends = accumulate(found[f"{name}.counts"].tolist(), initial=0)
        return [tuple(jpegs[start:stop]) for start, stop in pairwise(ends)]
    values = found[name].astype(_scalar(kind), casting="same_kind").tolist()
    missing = found[f"{name}.missing"].tolist() if f"{name}.missing" in found else [False] * len(values)
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _unravel(found: dict[str, NDArray[Any]], name: str) -> list[NDArray[Any] | None]:
    flat, shapes = found[f"{name}.values"], found[f"{name}.shapes"]
    there: NDArray[np.bool_] = np.all(shapes >= 0, axis=1)
    ends = accumulate(np.where(there, shapes.prod(axis=1), 0).tolist(), initial=0)
    arrays = [flat[start:stop] for start, stop in pairwise(ends)]
    return [arrays[i].reshape(shapes[i]).copy() if there[i] else None for i in range(len(arrays))]


def write_parquet(path: Path, table: str, rows: list[Row]) -> None:
    """One column each; arrays as lists (of lists) of numbers, JPEGs as a list of binaries."""
    pa = arrow()
    made = {}
    for name, kind in columns(table).items():
        if name in ARRAYS:
            cells = [None if row[name] is None else list(row[name]) for row in rows]
            made[name] = pa.array(cells, _list_type(name))
        elif kind is bytes:
            made[name] = pa.array([list(row[name]) for row in rows], pa.list_(pa.binary()))
        else:
            types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
            made[name] = pa.array([row[name] for row in rows], types[kind])
    pa.parquet.write_table(pa.table(made), path, compression="zstd")


def _list_type(name: str) -> Any:
    pa = arrow()
    element = pa.list_(pa.from_numpy_dtype(np.dtype(ARRAYS[name])))
    return element if name in ("absorbing", "true_rewards") else pa.list_(element)


def read_parquet(path: Path, table: str) -> list[Row]:
    """What `write_parquet` wrote."""
    found, kinds = arrow().parquet.read_table(path), columns(table)
    lists: dict[str, list[Any]] = {}
    for name, kind in kinds.items():
        if name in ARRAYS:
            lists[name] = _from_lists(found[name].cast(_list_type(name)).combine_chunks(), ARRAYS[name])
        else:
            values = found[name].to_pylist()
            lists[name] = [tuple(film) for film in values] if kind is bytes else values
    return [_with_width({name: lists[name][i] for name in kinds}) for i in range(len(found))]


def _from_lists(column: Any, dtype: type[np.generic]) -> list[NDArray[Any] | None]:
    """The arrays of a column of lists, or of lists of equally long lists."""
    counts = [len(cell) if cell.is_valid else None for cell in column]
    inner = column.flatten()
    nested = hasattr(inner, "flatten") and hasattr(inner, "offsets")
    widths = np.diff(inner.offsets.to_numpy()) if nested else np.ones(len(inner), np.int64)
    if len(widths) and np.ptp(widths):
        raise ValueError("the rows of an array have different lengths")
    flat = (inner.flatten() if nested else inner).to_numpy(zero_copy_only=False)
    rows = flat.reshape(len(inner), -1) if nested and len(inner) else flat
    ends = accumulate((count or 0 for count in counts), initial=0)
    parts = zip(counts, pairwise(ends), strict=True)
    return [None if count is None else rows[start:stop].astype(dtype) for count, (start, stop) in parts]


def arrow() -> Any:
    """The pyarrow module.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(f"Parquet needs pyarrow ({error}); try: pip install 'prefrl[parquet]'") from error
    return pyarrow


FORMATS: dict[str, tuple[Writer, Reader]] = {
    "jsonl": (write_jsonl, read_jsonl),
    "npz": (write_npz, read_npz),
    "parquet": (write_parquet, read_parquet),
}
"""Name of a format, which is also how its files end -> how a table is written and read."""
