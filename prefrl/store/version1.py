"""Stores and exports of version 1: pairs alone, one plain observation, two tables of answers."""

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    select,
)

from prefrl.data.spaces import Spaces
from prefrl.store import blobs
from prefrl.store.info import StoreInfo

Row = dict[str, Any]

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("crc", BigInteger),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("obs", LargeBinary),
    Column("actions", LargeBinary),
    Column("absorbing", LargeBinary),
    Column("true_rewards", LargeBinary),
    Column("sim_states", LargeBinary),
    Column("reset_seed", BigInteger),
    Column("replay_actions", LargeBinary),
    Column("start", BigInteger),
    Column("true_return", Float),
    Column("crc", BigInteger),
)

films = Table(
    "films",
    metadata,
    Column("segment_id", Integer, primary_key=True),
    Column("fps", Float),
    Column("jpegs", LargeBinary),
    Column("crc", BigInteger),
)

queries = Table(
    "queries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("left_id", Integer),
    Column("right_id", Integer),
    Column("num_timesteps", BigInteger),
    Column("swapped", Boolean),
    Column("created_at", Float),
    Column("withdrawn_at", Float),
    Column("crc", BigInteger),
)

preferences = Table(
    "preferences",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("submission_id", Text),
    Column("query_id", Integer),
    Column("annotator", Text),
    Column("choice", Text),
    Column("supersedes", Integer),
    Column("shown_at", Float),
    Column("answered_at", Float),
    Column("crc", BigInteger),
)

repeats = Table(
    "repeats",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("submission_id", Text),
    Column("query_id", Integer),
    Column("annotator", Text),
    Column("swapped", Boolean),
    Column("choice", Text),
    Column("supersedes", Integer),
    Column("watermark", BigInteger),
    Column("shown_at", Float),
    Column("answered_at", Float),
    Column("crc", BigInteger),
)

TABLES = {table.name: table for table in (segments, films, queries, preferences, repeats)}

ARRAYS: dict[str, type[np.generic]] = {
    "obs": np.float32,
    "actions": np.float32,
    "absorbing": np.bool_,
    "true_rewards": np.float32,
    "sim_states": np.float64,
    "replay_actions": np.float32,
}
"""Arrays of a segment, by the type of their elements."""


def columns(table: str) -> dict[str, Any]:
    """Column -> the type of its values, as `rows.columns` gives it."""
    kinds: dict[str, Any] = {c.name: c.type.python_type for c in TABLES[table].columns if c.name != "crc"}
    if table != "segments":
        return kinds
    arrays = {name: np.dtype(kind) for name, kind in ARRAYS.items()}
    return {"id": int, **arrays} | {name: kind for name, kind in kinds.items() if name not in arrays}


def read(connection: Connection) -> dict[str, list[Row]]:
    """All rows of a store of version 1, as `upgrade` takes them.

    Raises:
        ValueError: one is damaged.
    """
    there = inspect(connection)
    return {
        name: [plain(table, row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
        if there.has_table(name)  # the first stores had neither films nor repeats
        else []
        for name, table in TABLES.items()
    }


def plain(table: Table, row: Mapping[Any, Any]) -> Row:
    """The row of `table` as plain values.

    Raises:
        ValueError: it is damaged.
    """
    verify(table, row)
    values = {name: row[name] for name in columns(table.name)}
    if table is segments:
        return values | {k: None if values[k] is None else decode(values[k], kind) for k, kind in ARRAYS.items()}
    return values | {"jpegs": blobs.split(values["jpegs"])} if table is films else values


def verify(table: Table, values: Mapping[Any, Any]) -> None:
    """Raise ValueError unless `values` match their checksum."""
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


def read_info(connection: Connection) -> StoreInfo | None:
    """What the store said of its environment."""
    rows = connection.execute(select(meta)).mappings().all()
    for row in rows:
        verify(meta, row)
    values = {row["key"]: json.loads(row["value"]) for row in rows if row["key"] != "schema_version"}
    return make_info(values) if values else None


def make_info(values: Mapping[str, Any]) -> StoreInfo:
    """The description of an environment by the names of version 1."""
    spaces = Spaces.vectors(values["obs_dim"], values["action_dim"])
    return StoreInfo(values["env_id"], values["env_kwargs"], spaces, values["versions"], values.get("goal"))


def upgrade(old: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows of version 1 as those of version 2.

    Preferences and queries keep their numbers, by which runs know what they learned from. Repeats are numbered on
    after the preferences. Whether the selection had exchanged the sides of a query is left out: nothing needed it.
    """
    given = [*old["preferences"], *old["repeats"]]
    names = {name: number for number, name in enumerate(dict.fromkeys(row["annotator"] for row in given), 1)}
    return {
        "annotators": [{"id": number, "name": name, "kind": None} for name, number in names.items()],
        "segments": old["segments"],
        "films": old["films"],
        "questions": [_question(row) for row in old["queries"]],
        "question_segments": [
            {"question_id": row["id"], "place": place, "segment_id": row[side]}
            for row in old["queries"]
            for place, side in enumerate(("left_id", "right_id"))
        ],
        "answers": _answers(old["preferences"], old["repeats"], names),
    }


def _question(row: Row) -> Row:
    kept = {name: row[name] for name in ("num_timesteps", "created_at", "withdrawn_at")}
    return {"id": row["id"], "kind": "comparison", "wanted": 1, **kept}


def _answers(given: list[Row], repeated: list[Row], names: Mapping[str, int]) -> list[Row]:
    last = max((row["seq"] for row in given), default=0)
    numbers = {row["seq"]: number for number, row in enumerate(repeated, last + 1)}
    sent = {row["submission_id"] for row in given}
    made = [_answer(row, names) for row in given]
    for row in repeated:
        was = row["submission_id"]
        changed = {
            "seq": numbers[row["seq"]],
            "submission_id": f"{was} again" if was in sent else was,  # each table had its own
            "supersedes": row["supersedes"] and numbers.get(row["supersedes"], -row["supersedes"]),  # < 0: it is lost
        }
        shown = {"is_repeat": True, "shown_order": "[1, 0]" if row["swapped"] else None}
        made.append(_answer({**row, **changed}, names) | shown)
    return made


def _answer(row: Row, names: Mapping[str, int]) -> Row:
    return {
        "seq": row["seq"],
        "submission_id": row["submission_id"],
        "question_id": row["query_id"],
        "annotator_id": names[row["annotator"]],
        "value": None if row["choice"] is None else json.dumps(row["choice"]),
        "is_repeat": False,
        "shown_order": None,
        "replaces": row["supersedes"],
        "shown_at": row["shown_at"],
        "answered_at": row["answered_at"],
    }


def decode(data: bytes, dtype: type[np.generic]) -> NDArray[Any]:
    """An array from its type (two letters), number of axes (one byte), shape (8 bytes each) and elements.

    All little-endian, C order.

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
