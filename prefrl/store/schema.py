"""The store's tables, and the bytes and checksum that a row is made of."""

import json
import math
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    exists,
)

from prefrl.data.segment import Film, Segment
from prefrl.feedback.answer import Preference
from prefrl.feedback.comparison import CHOICES
from prefrl.feedback.question import Query

SCHEMA_VERSION = 1
metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("crc", BigInteger, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("obs", LargeBinary, nullable=False),  # these four and the two arrays below as `encode` writes them
    Column("actions", LargeBinary, nullable=False),
    Column("absorbing", LargeBinary, nullable=False),
    Column("true_rewards", LargeBinary, nullable=False),
    Column("sim_states", LargeBinary),
    Column("reset_seed", BigInteger),
    Column("replay_actions", LargeBinary),
    Column("start", BigInteger, nullable=False),
    Column("true_return", Float, nullable=False),  # a copy, so that the oracle's scale needs no decoding
    Column("crc", BigInteger, nullable=False),
)

films = Table(  # apart, so that the trainer, which needs no pictures, reads none; older stores lack it
    "films",
    metadata,
    Column("segment_id", ForeignKey(segments.c.id), primary_key=True),
    Column("fps", Float, nullable=False),
    Column("jpegs", LargeBinary, nullable=False),  # as `join` writes them
    Column("crc", BigInteger, nullable=False),
)

queries = Table(
    "queries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("left_id", ForeignKey(segments.c.id), nullable=False, index=True),
    Column("right_id", ForeignKey(segments.c.id), nullable=False, index=True),
    Column("num_timesteps", BigInteger, nullable=False),
    Column("swapped", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),  # Unix time in seconds, as are all times
    Column("withdrawn_at", Float),
    Column("crc", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

preferences = Table(
    "preferences",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("submission_id", Text, nullable=False, unique=True),
    Column("query_id", ForeignKey(queries.c.id), nullable=False, index=True),
    Column("annotator", Text, nullable=False),
    Column("choice", Text, CheckConstraint(f"choice IN {CHOICES}")),
    Column("supersedes", ForeignKey("preferences.seq"), unique=True),
    Column("shown_at", Float),
    Column("answered_at", Float),
    Column("crc", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

repeats = Table(  # answers to queries that were shown again, for the annotator's consistency; never learned from
    "repeats",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("submission_id", Text, nullable=False, unique=True),
    Column("query_id", ForeignKey(queries.c.id), nullable=False, index=True),
    Column("annotator", Text, nullable=False),
    Column("swapped", Boolean, nullable=False),  # whether the screen showed the query's sides exchanged
    Column("choice", Text, CheckConstraint(f"choice IN {CHOICES}")),  # in terms of the query's sides; None retracts
    Column("supersedes", ForeignKey("repeats.seq"), unique=True),
    Column("watermark", BigInteger, nullable=False),  # the largest seq of a preference by then
    Column("shown_at", Float),
    Column("answered_at", Float),
    Column("crc", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

labellers = Table(  # who labels just now; of no worth later, so without a checksum
    "labellers",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),  # counts up while the labeller lives: no clock, so none can jump
)

claims = Table(
    "claims",
    metadata,
    Column("query_id", ForeignKey(queries.c.id), primary_key=True),
    Column("holder", ForeignKey(labellers.c.holder, ondelete="CASCADE"), nullable=False, index=True),
)

_later = preferences.alias("later")
is_effective = preferences.c.choice.is_not(None) & ~exists().where(_later.c.supersedes == preferences.c.seq)
"""Of a preference: it counts, neither superseded nor a retraction."""

is_answered = exists().where(preferences.c.query_id == queries.c.id, is_effective)
is_pending = queries.c.withdrawn_at.is_(None) & ~is_answered
"""Of a query."""

for _table in (preferences, repeats):
    for _verb in ("UPDATE", "DELETE"):
        _trigger = DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER {_table.name}_no_{_verb.lower()} BEFORE {_verb} ON {_table.name} "
            "BEGIN SELECT RAISE(ABORT, 'answers are never changed'); END"
        )
        event.listen(_table, "after_create", _trigger.execute_if(dialect="sqlite"))


def seal(table: Table, values: Mapping[Any, Any]) -> dict[str, Any]:
    """`values` of a row of `table`, with the checksum that `verify` looks at: SQLite itself has none."""
    return {**values, "crc": _crc(table, values)}


def verify(table: Table, values: Mapping[Any, Any]) -> None:
    """Raise ValueError unless `values` are those that were sealed."""
    if values["crc"] != _crc(table, values):
        raise ValueError(f"a row of {table.name} does not match its checksum")


def _crc(table: Table, values: Mapping[Any, Any]) -> int:
    crc = 0
    for column in table.columns:
        if column.name not in ("id", "seq", "crc"):  # the database numbers rows; its indexes tell if a number changed
            value = values.get(column.name)
            value = value + 0.0 if isinstance(value, float) else value  # SQLite stores -0.0 as 0.0
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            crc = zlib.crc32(data, zlib.crc32(struct.pack("<Q", len(data)), crc))
    return crc


def encode(array: NDArray[Any]) -> bytes:
    """`array` as bytes: its type (two letters), number of axes (one byte), shape (8 bytes each), elements.

    All little-endian, C order.
    """
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return struct.pack(f"<2sB{data.ndim}Q", data.dtype.str[1:].encode(), data.ndim, *array.shape) + data.tobytes()


def decode(data: bytes, dtype: type[np.generic]) -> NDArray[Any]:
    """The array that `encode` wrote, as a copy of its own.

    Raises:
        ValueError: `data` are not such an array with elements of type `dtype`.
    """
    stored = np.dtype(dtype).newbyteorder("<")
    try:
        code, ndim = struct.unpack_from("<2sB", data)
        shape = struct.unpack_from(f"<{ndim}Q", data, 3)
        elements = memoryview(data)[3 + 8 * ndim :]
        if code.decode() != stored.str[1:] or len(elements) != math.prod(shape) * stored.itemsize:
            raise ValueError(f"type {code!r} and shape {shape} with {len(elements)} bytes, want type {stored.str[1:]}")
        array = np.frombuffer(elements, stored).reshape(shape).astype(dtype)
    except (ValueError, OverflowError, struct.error) as error:
        raise ValueError(f"an array cannot be decoded: {error}") from error
    if dtype is np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError("an array cannot be decoded: truth values other than 0 and 1")
    return array


def segment_row(segment: Segment) -> dict[str, Any]:
    """The sealed row that `row_segment` reads back.

    Raises:
        ValueError: a value of `segment` is infinite or not a number; those must reach neither person nor network.
    """
    values: dict[str, Any] = {"reset_seed": None if segment.reset_seed is None else int(segment.reset_seed)}
    for field in ("obs", "actions", "true_rewards"):
        if not np.isfinite(getattr(segment, field)).all():
            raise ValueError(f"Segment.{field} holds a value that is not finite")
    for field in ARRAYS:
        array = getattr(segment, field)
        values[field] = None if array is None else encode(array)
    return seal(segments, {**values, "start": int(segment.start), "true_return": segment.true_return})


def row_segment(row: Mapping[Any, Any], film: Film | None = None) -> Segment:
    """The segment of a row, with what belongs to it of another.

    Raises:
        ValueError: the row is damaged.
    """
    verify(segments, row)
    arrays = {field: None if row[field] is None else decode(row[field], kind) for field, kind in ARRAYS.items()}
    return Segment(**arrays, reset_seed=row["reset_seed"], start=row["start"], film=film)  # type: ignore[arg-type]


ARRAYS: dict[str, type[np.generic]] = {
    "obs": np.float32,
    "actions": np.float32,
    "absorbing": np.bool_,
    "true_rewards": np.float32,
    "sim_states": np.float64,
    "replay_actions": np.float32,
}
"""Arrays of a segment, by the type of their elements; the first four are always there."""


def film_row(segment_id: int, film: Film) -> dict[str, Any]:
    """The sealed row that `row_film` reads back."""
    return seal(films, {"segment_id": segment_id, "fps": float(film.fps), "jpegs": join(film.jpegs)})


def row_film(row: Mapping[Any, Any]) -> Film:
    """The pictures of a row.

    Raises:
        ValueError: the row is damaged.
    """
    verify(films, row)
    return Film(split(row["jpegs"]), row["fps"])


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


def query_row(query: Query, left_id: int, right_id: int) -> dict[str, Any]:
    """The sealed row of a query that is asked now, about the segments of these rows."""
    sides = {"left_id": left_id, "right_id": right_id, "swapped": bool(query.swapped)}
    return seal(queries, {**sides, "num_timesteps": int(query.num_timesteps), "created_at": time.time()})


def row_preference(row: Mapping[Any, Any], asked: Mapping[int, Query]) -> Preference:
    """The preference of a row; `asked` maps the ids of queries to them.

    Raises:
        ValueError: the row is damaged, or its query is missing.
    """
    verify(preferences, row)
    if row["query_id"] not in asked:
        raise ValueError(f"query {row['query_id']} of preference {row['seq']} is missing")
    fields = ("seq", "choice", "annotator", "supersedes", "shown_at", "answered_at")
    return Preference(query=asked[row["query_id"]], **{name: row[name] for name in fields})
