"""Arrays and pictures as the bytes that a row holds."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as bytes, in the format of safetensors: little-endian, C order."""
    return save({name: np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for name, array in arrays.items()})


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that `pack` wrote, as copies of their own.

    Raises:
        ValueError: `data` are none.
    """
    try:
        found: dict[str, NDArray[Any]] = {name: array.copy() for name, array in load(data).items()}
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"arrays cannot be decoded: {error}") from error
    for array in found.values():
        if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
            raise ValueError("arrays cannot be decoded: truth values other than 0 and 1")
    return found


MOST = 2**28
"""Bytes that arrays may take where they are compressed: a stranger's few may unpack to a thousand times as many."""

HEADER = 2**20
"""Bytes that the description of such arrays may take."""


def squeeze(data: bytes) -> bytes | None:
    """What `pack` wrote, compressed; None where that makes it no smaller, or `expand` would not take it."""
    if len(data) > MOST:
        return None
    small = zlib.compress(data, level=1)  # images shrink nearly as far as with level 6, in a third of the time
    return small if len(small) < len(data) else None


def expand(data: bytes) -> bytes:
    """What `squeeze` compressed.

    Raises:
        ValueError: `data` are not whole, or unpack to more than they say, or to more than `MOST`.
    """
    decoder = zlib.decompressobj()
    try:
        head = decoder.decompress(data, 8)
        head += decoder.decompress(decoder.unconsumed_tail, min(HEADER, int.from_bytes(head, "little")) or 1)
        said = len(head) + max(0, *(spec["data_offsets"][1] for spec in json.loads(head[8:]).values()), 0)
        if said > MOST:
            raise ValueError(f"they take {said} bytes, and {MOST} at most are read")
        whole = head + decoder.decompress(decoder.unconsumed_tail, said - len(head) + 1)
        if len(whole) != said or not decoder.eof or decoder.unused_data:
            raise ValueError(f"they say {said} bytes, and hold another number")
    except (zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"arrays cannot be decoded: {error}") from error
    return whole


def join(pictures: Sequence[bytes]) -> bytes:
    """`pictures` as bytes: the length of each (4 bytes, little-endian), 0 if it equals the one before, and itself."""
    parts = []
    for before, picture in zip((b"", *pictures), pictures, strict=False):
        new = b"" if picture == before else picture
        parts += [struct.pack("<I", len(new)), new]
    return b"".join(parts)


def split(data: bytes) -> tuple[bytes, ...]:
    """The pictures that `join` wrote.

    Raises:
        ValueError: `data` are none.
    """
    pictures: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        new, at = data[at + 4 : at + 4 + length], at + 4 + length
        if at > len(data) or not (length or pictures):
            raise ValueError("pictures cannot be decoded")
        pictures.append(new or pictures[-1])
    return tuple(pictures)
