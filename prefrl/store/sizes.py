"""How much memory a file of others takes once it is read: small files can hold gigabytes of the same number."""

import json
import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from prefrl.errors import UsageError

FREE, TIMES = 192 * 2**20, 200
"""Bytes that any file may take, and how many times its own size more: images of games shrink to a hundredth, and flat
colours, which textures may have, to a thousandth."""


def most(path: Path) -> int:
    """Bytes that the file at `path` may take."""
    return FREE + TIMES * path.stat().st_size


def check_npz(path: Path) -> None:
    """Raise ValueError unless each array of the archive at `path` is as long as it says, and all fit in memory."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check(path, sum(member.file_size for member in members))
        if len({member.filename for member in members}) < len(members):
            raise ValueError(f"{path.name} holds an array twice")
        for member in members:
            with archive.open(member) as file:
                described = _array_bytes(file)
            if described != member.file_size:
                raise ValueError(f"{member.filename} of {path.name} has {member.file_size} bytes, want {described}")


def _array_bytes(file: IO[bytes]) -> int:
    """How long the file of an array is, as its head has it."""
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file)
    else:
        shape, _, dtype = npy.read_array_header_2_0(file)
    if dtype.hasobject:
        raise ValueError("an array holds objects")
    return file.tell() + math.prod(shape) * int(np.dtype(dtype).itemsize)


def read_parquet_table(path: Path) -> Any:
    """The table in the Parquet file at `path`.

    Raises:
        ValueError: it takes too much memory.
    """
    pa = arrow()
    with pa.parquet.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        widths = [_width(file.schema.column(i)) for i in range(len(file.schema))]
        chunks = [(group.column(i), widths[i]) for group in groups for i in range(group.num_columns)]
        _check(path, sum(max(int(c.total_uncompressed_size), width * int(c.num_values)) for c, width in chunks))
        batches, taken = [], 0
        for batch in file.iter_batches(batch_size=256):
            taken += batch.nbytes
            _check(path, taken)
            batches.append(batch)
        return pa.Table.from_batches(batches, file.schema_arrow)


def _width(column: Any) -> int:
    """Bytes that a value of a column takes in memory, however often it repeats itself in the file."""
    kind = json.loads(column.logical_type.to_json())
    if kind.get("Type") == "Int":
        return int(kind["bitWidth"]) // 8
    return {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}.get(column.physical_type, 8)


def _check(path: Path, taken: int) -> None:
    if taken > most(path):
        here = f"{path.name} holds {taken / 2**20:.0f} MB in {path.stat().st_size / 2**20:.1f} MB"
        raise ValueError(f"{here}, more than behaviour can be compressed")


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
