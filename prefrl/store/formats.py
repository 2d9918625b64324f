"""Tables of a dump as files that any tool reads: JSON lines, NumPy archives, Parquet."""

import base64
import json
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrl.store.rows import Columns, Row
from prefrl.store.sizes import arrow, check_npz, read_parquet_table

Reader = Callable[[Path, Columns], list[Row]]
Writer = Callable[[Path, Columns, list[Row]], None]

JSON = ("value", "shown_order")
"""Columns of text that is JSON."""


def is_array(kind: Any) -> bool:
    """Whether a column of this type holds arrays."""
    return isinstance(kind, np.dtype)


def write_jsonl(path: Path, columns: Columns, rows: list[Row]) -> None:
    """One object a line. Arrays are nested lists; those with NaN, which JSON lacks, and JPEGs are base64."""
    with path.open("x", encoding="utf-8") as file:
        for row in rows:
            values = {name: _to_json(name, row.get(name)) for name in columns}
            file.write(json.dumps(values, allow_nan=False) + "\n")


def _to_json(name: str, value: Any) -> Any:
    if name in JSON and value is not None:
        return json.loads(value)
    if isinstance(value, tuple):
        return [base64.b64encode(jpeg).decode() for jpeg in value]
    if not isinstance(value, np.ndarray):
        return value
    if np.isfinite(value).all():
        return value.tolist()
    little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    return {"shape": list(value.shape), "base64": base64.b64encode(little.tobytes()).decode()}


def read_jsonl(path: Path, columns: Columns) -> list[Row]:
    """What `write_jsonl` wrote."""
    with path.open(encoding="utf-8") as file:
        return [_from_json(json.loads(line, parse_constant=_refuse), columns) for line in file]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _from_json(found: dict[str, Any], columns: Columns) -> Row:
    check_columns(found, columns)
    return _with_width({name: _from_value(name, kind, found[name]) for name, kind in columns.items()})


def _from_value(name: str, kind: Any, value: Any) -> Any:
    if name in JSON and value is not None:
        return json.dumps(value)
    if kind is bytes:
        return tuple(base64.b64decode(jpeg, validate=True) for jpeg in value)
    if is_array(kind) and isinstance(value, dict):
        data = base64.b64decode(value["base64"], validate=True)
        return np.frombuffer(data, kind.newbyteorder("<")).reshape(value["shape"]).astype(kind)
    return _cast(name, np.array(value), kind) if is_array(kind) and value is not None else value


def _cast(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """`array` of numbers as JSON has them, with elements of type `dtype`, which must hold them."""
    if array.size and not np.can_cast(array.dtype, dtype, "same_kind" if dtype.kind == "f" else "unsafe"):
        raise ValueError(f"{name} has elements of type {array.dtype}, want {dtype}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite, which is refused later
        made = array.astype(dtype)
    if dtype.kind != "f" and array.size and (array.dtype.kind not in "biu" or not np.array_equal(made, array)):
        raise ValueError(f"{name} has elements that are no {dtype}")
    return made


def check_columns(found: Iterable[str], columns: Iterable[str]) -> None:
    """Raise ValueError unless `found` are these `columns`."""
    missing, more = {*columns} - {*found}, {*found} - {*columns}
    if missing or more:
        what = (
            f"lacks {', '.join(map(repr, sorted(missing)))}" if missing else f"has {', '.join(map(repr, sorted(more)))}"
        )
        raise ValueError(f"a row {what}; its columns are {', '.join(columns)}")


def _with_width(row: Row) -> Row:
    """A list of no actions does not tell how wide they are."""
    if row.get("replay_actions") is not None and not len(row["replay_actions"]):
        row["replay_actions"] = row["actions"][:0]
    return row


def write_npz(path: Path, columns: Columns, rows: list[Row]) -> None:
    """One array a column, rows along its first axis.

    Arrays of different shapes, or none in some rows, are flattened into `NAME.values`, and `NAME.shapes` has their
    shapes, -1 for none. Where other values are missing, `NAME.missing` is true.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind in columns.items():
        values = [row.get(name) for row in rows]
        if is_array(kind):
            arrays |= _stacked(name, values, kind)
        elif kind is bytes:
            jpegs = [np.frombuffer(jpeg, np.uint8) for film in values for jpeg in film or ()]
            arrays |= _ragged(name, jpegs, np.dtype(np.uint8))
            arrays[f"{name}.counts"] = np.array([len(film or ()) for film in values], np.int64)
        else:
            arrays[name] = np.array([kind() if value is None else value for value in values], _scalar(kind))
            if None in values:
                arrays[f"{name}.missing"] = np.array([value is None for value in values])
    with path.open("xb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _scalar(kind: type) -> Any:
    return {int: np.int64, float: np.float64, bool: np.bool_, str: np.str_}[kind]


def _stacked(name: str, values: list[NDArray[Any] | None], dtype: np.dtype[Any]) -> dict[str, NDArray[Any]]:
    there = [value for value in values if value is not None]
    if there and len(there) == len(values) and len({value.shape for value in there}) == 1:
        return {name: np.stack(there).astype(dtype, copy=False)}
    return _ragged(name, values, dtype)


def _ragged(name: str, values: Sequence[NDArray[Any] | None], dtype: np.dtype[Any]) -> dict[str, NDArray[Any]]:
    ndim = max((value.ndim for value in values if value is not None), default=1)
    shapes = [(-1,) * ndim if value is None else value.shape for value in values]
    flat = [np.zeros(0, dtype), *(value.ravel() for value in values if value is not None)]
    return {f"{name}.values": np.concatenate(flat), f"{name}.shapes": np.array(shapes, np.int64).reshape(-1, ndim)}


def read_npz(path: Path, columns: Columns) -> list[Row]:
    """What `write_npz` wrote."""
    check_npz(path)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    check_columns({_of(name, columns) for name in found}, columns)
    count = len(found[next(iter(columns))])  # each table begins with a number
    lists = {name: _column(found, name, kind) for name, kind in columns.items()}
    if any(len(values) != count for values in lists.values()):
        raise ValueError("its columns have different lengths")
    return [{name: lists[name][i] for name in columns} for i in range(count)]


def _of(name: str, columns: Columns) -> str:
    """The column that an array of an archive belongs to."""
    column, _, part = name.rpartition(".")
    return column if name not in columns and part in ("values", "shapes", "missing", "counts") else name


def _column(found: dict[str, NDArray[Any]], name: str, kind: Any) -> list[Any]:
    if is_array(kind):
        return _unravel(found, name, kind) if f"{name}.values" in found else [*_typed(name, found[name], kind)]
    if kind is bytes:
        jpegs = [jpeg.tobytes() for jpeg in _unravel(found, name, np.dtype(np.uint8)) if jpeg is not None]
        counts = found[f"{name}.counts"].tolist()
        if min(counts, default=0) < 0 or sum(counts) != len(jpegs):
            raise ValueError(f"{name} has other pictures than it counts")
        return [tuple(jpegs[start:stop]) for start, stop in pairwise(accumulate(counts, initial=0))]
    if found[name].dtype.kind not in {int: "iu", float: "f", bool: "b", str: "U"}[kind]:
        raise ValueError(f"{name} has elements of type {found[name].dtype}")
    values = found[name].tolist()
    missing = found[f"{name}.missing"].tolist() if f"{name}.missing" in found else [False] * len(values)
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _typed(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if array.dtype.newbyteorder("=") != dtype:
        raise ValueError(f"{name} has elements of type {array.dtype}, want {dtype}")
    return array.astype(dtype, copy=False)


def _unravel(found: dict[str, NDArray[Any]], name: str, dtype: np.dtype[Any]) -> list[NDArray[Any] | None]:
    flat, shapes = _typed(name, found[f"{name}.values"], dtype), found[f"{name}.shapes"]
    there: NDArray[np.bool_] = np.all(shapes >= 0, axis=1)
    ends = accumulate(np.where(there, shapes.prod(axis=1), 0).tolist(), initial=0)
    arrays = [flat[start:stop] for start, stop in pairwise(ends)]
    return [arrays[i].reshape(shapes[i]).copy() if there[i] else None for i in range(len(arrays))]


def write_parquet(path: Path, columns: Columns, rows: list[Row]) -> None:
    """One column each; arrays as lists (of lists) of numbers, JPEGs as a list of binaries."""
    pa = arrow()
    made = {}
    for name, kind in columns.items():
        values = [row.get(name) for row in rows]
        if is_array(kind):
            made[name] = _to_lists(values, kind)
        elif kind is bytes:
            made[name] = pa.array([list(film or ()) for film in values], pa.list_(pa.binary()))
        else:
            types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
            made[name] = pa.array(values, types[kind])
    pa.parquet.write_table(pa.table(made), path, compression="zstd")


def _to_lists(arrays: list[NDArray[Any] | None], dtype: np.dtype[Any]) -> Any:
    """A column of lists, nested as deep as the arrays have axes."""
    pa = arrow()
    there = [array for array in arrays if array is not None]
    made = pa.array(np.concatenate([np.zeros(0, dtype), *(array.ravel() for array in there)]))
    for axis in range(max((array.ndim for array in there), default=2) - 1, 0, -1):
        lengths = [np.full(math.prod(array.shape[:axis]), array.shape[axis]) for array in there]
        ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *lengths]))
        made = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), made)
    starts = accumulate((0 if array is None else len(array) for array in arrays), initial=0)
    offsets = [None if array is None else start for array, start in zip([*arrays, made], starts, strict=True)]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), made)


def read_parquet(path: Path, columns: Columns) -> list[Row]:
    """What `write_parquet` wrote."""
    found = read_parquet_table(path)
    check_columns(found.column_names, columns)
    lists: dict[str, list[Any]] = {}
    for name, kind in columns.items():
        if is_array(kind):
            lists[name] = _from_lists(found[name].combine_chunks(), kind)
        else:
            values = found[name].to_pylist()
            lists[name] = [tuple(film) for film in values] if kind is bytes else values
    return [_with_width({name: lists[name][i] for name in columns}) for i in range(len(found))]


def _from_lists(column: Any, dtype: np.dtype[Any]) -> list[NDArray[Any] | None]:
    """The arrays of a column of lists, each nested as deep as the others and as long as its neighbours."""
    counts = [len(cell) if cell.is_valid else None for cell in column]
    rows = inner = column.flatten()
    shape: list[int] = []
    while hasattr(inner, "offsets"):
        widths = np.diff(inner.offsets.to_numpy())
        if len(widths) and np.ptp(widths):
            raise ValueError("the rows of an array have different lengths")
        shape.append(int(widths[0]) if len(widths) else 0)
        inner = inner.flatten()
    if inner.null_count:
        raise ValueError("an array lacks elements")
    flat = inner.to_numpy(zero_copy_only=False)
    if not np.can_cast(flat.dtype, dtype, "same_kind"):
        raise ValueError(f"an array has elements of type {flat.dtype}, want {dtype}")
    stacked = flat.reshape(len(rows), *shape)
    parts = zip(counts, pairwise(accumulate((count or 0 for count in counts), initial=0)), strict=True)
    return [None if count is None else stacked[start:stop].astype(dtype) for count, (start, stop) in parts]


FORMATS: dict[str, tuple[Writer, Reader]] = {
    "jsonl": (write_jsonl, read_jsonl),
    "npz": (write_npz, read_npz),
    "parquet": (write_parquet, read_parquet),
}
"""Name of a format, which is also how its files end -> how a table is written and read."""
