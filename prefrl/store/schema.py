"""The store's tables, and the values and checksum that a row is made of."""

import json
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    distinct,
    exists,
    func,
    select,
)

from prefrl.data.segment import Film, Segment
from prefrl.store import blobs
from prefrl.store.triggers import protect

SCHEMA_VERSION = 2
metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("crc", BigInteger, nullable=False),
)

runs = Table(  # a file holds one, a server many
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("env_id", Text),  # this and the rest are empty until the run is described
    Column("env_kwargs", Text),  # JSON, as are the next and the last
    Column("spaces", Text),
    Column("goal", Text),
    Column("versions", Text),
    Column("crc", BigInteger, nullable=False),
)

annotators = Table(
    "annotators",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text),  # what gives the answers; None where it is not known
    Column("token_hash", Text),  # of what lets somebody answer under this name; None: nothing is asked for
    Column("crc", BigInteger, nullable=False),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False, index=True),
    Column("arrays", LargeBinary, nullable=False),  # as `blobs.pack` writes them, by the names of `segment_arrays`
    Column("compressed", Boolean, nullable=False),  # whether `blobs.squeeze` made them smaller
    Column("reset_seed", BigInteger),
    Column("start", BigInteger, nullable=False),
    Column("true_return", Float, nullable=False),  # a copy, so that the oracle's scale needs no decoding
    Column("crc", BigInteger, nullable=False),
)

films = Table(  # apart, so that the trainer, which needs no pictures, reads none
    "films",
    metadata,
    Column("segment_id", ForeignKey(segments.c.id), primary_key=True),
    Column("fps", Float, nullable=False),
    Column("jpegs", LargeBinary, nullable=False),  # as `blobs.join` writes them
    Column("crc", BigInteger, nullable=False),
)

questions = Table(
    "questions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # a key of `feedback.kinds.KINDS`
    Column("wanted", Integer, nullable=False),  # how many annotators shall answer it
    Column("num_timesteps", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),  # Unix time in seconds, as are all times
    Column("withdrawn_at", Float),
    Column("crc", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

question_segments = Table(
    "question_segments",
    metadata,
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
    Column("place", Integer, primary_key=True),  # from 0, in the order of `Question.segments`
    Column("segment_id", ForeignKey(segments.c.id), nullable=False, index=True),
    Column("crc", BigInteger, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("submission_id", Text, nullable=False, unique=True),
    Column("question_id", ForeignKey(questions.c.id), nullable=False, index=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, index=True),
    Column("value", Text),  # JSON as the question's kind writes it; None takes back the answer that it replaces
    Column("is_repeat", Boolean, nullable=False),
    Column("shown_order", Text),  # JSON; None for the question's own order
    Column("replaces", ForeignKey("answers.seq"), unique=True),
    Column("shown_at", Float),
    Column("answered_at", Float),
    Column("crc", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
protect(answers)

labellers = Table(  # who labels just now; of no worth later, so without a checksum
    "labellers",
    metadata,
    Column("holder", Text, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False),
    Column("annotator", Text, nullable=False),  # a name; who has not answered yet is not among the annotators
    Column("beat", BigInteger, nullable=False),  # counts up while the labeller lives: no clock, so none can jump
)

claims = Table(
    "claims",
    metadata,
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
    Column("holder", ForeignKey(labellers.c.holder, ondelete="CASCADE"), primary_key=True, index=True),
)

_later = answers.alias("later")
counts = answers.c.value.is_not(None) & ~exists().where(_later.c.replaces == answers.c.seq)
"""Of an answer, repeats too: neither replaced by a later one nor taking one back."""

is_standing = counts & ~answers.c.is_repeat
"""Of an answer: it counts. `feedback.answer.standing` decides it, and this says the same."""

has_answer = exists().where(answers.c.question_id == questions.c.id, is_standing)
"""Of a question."""

num_answered = (
    select(func.count(distinct(answers.c.annotator_id)))
    .where(answers.c.question_id == questions.c.id, is_standing)
    .correlate(questions)
    .scalar_subquery()
)
"""Of a question: how many annotators answered it."""

is_pending = questions.c.withdrawn_at.is_(None) & (
    ~has_answer | ((questions.c.wanted > 1) & (num_answered < questions.c.wanted))  # the first alone is found sooner
)
"""Of a question: it wants more answers."""


def is_answered_by(annotator: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Of a question."""
    theirs = exists().select_from(answers.join(annotators)).where(annotators.c.name == annotator, is_standing)
    return theirs.where(answers.c.question_id == questions.c.id).correlate(questions, labellers)


def seal(table: Table, values: Mapping[Any, Any]) -> dict[str, Any]:
    """`values` of a row of `table`, with the checksum that `verify` looks at: SQLite itself has none."""
    whole = {**dict.fromkeys(_sealed(table)), **values}
    return {**whole, "crc": _crc(table, whole)}


def verify(table: Table, values: Mapping[Any, Any]) -> None:
    """Raise ValueError unless `values` are those that were sealed."""
    if values["crc"] != _crc(table, values):
        raise ValueError(f"a row of {table.name} does not match its checksum")


def _crc(table: Table, values: Mapping[Any, Any]) -> int:
    blobs: list[bytes] = []
    others: list[Any] = []
    for name in _sealed(table):
        value = values[name]
        if isinstance(value, bytes):
            blobs.append(value)
            value = [len(value)]
        others.append(value + 0.0 if isinstance(value, float) else value)  # SQLite stores -0.0 as 0.0
    crc = zlib.crc32(json.dumps(others).encode())
    for data in blobs:
        crc = zlib.crc32(data, crc)
    return crc


@cache
def _sealed(table: Table) -> tuple[str, ...]:
    """The columns that checksums are of: the database numbers rows, and its indexes tell if a number changed."""
    return tuple(column.name for column in table.columns if column.name not in ("id", "seq", "crc"))


def segment_row(segment: Segment, run_id: int) -> dict[str, Any]:
    """The sealed row that `row_segment` reads back. Errors are those of `segment_values`."""
    return seal(segments, {"run_id": run_id, **segment_values(segment)})


def segment_values(segment: Segment) -> dict[str, Any]:
    """What a row holds of `segment`.

    Raises:
        ValueError: a value of `segment` is infinite or not a number; those must reach neither person nor network.
    """
    arrays = segment_arrays(segment)
    for name, array in arrays.items():
        if name not in MAY_BE_ANYTHING and not name.startswith(MODEL) and not np.isfinite(array).all():
            raise ValueError(f"Segment.{name} holds a value that is not finite")
    data = blobs.pack(arrays)
    squeezed = (*segment.obs.values(), *(segment.model or {}).values())
    small = blobs.squeeze(data) if any(_pays(array) for array in squeezed) else None
    return {
        "arrays": data if small is None else small,
        "compressed": small is not None,
        "reset_seed": None if segment.reset_seed is None else int(segment.reset_seed),
        "start": int(segment.start),
        "true_return": segment.true_return,
    }


MAY_BE_ANYTHING = ("sim_states", "replay_actions")
"""Arrays that simulators alone read, as are those of `MODEL`."""

MODEL = "model/"
"""Before the name of an array of the simulator's model."""


def _pays(obs: np.ndarray[Any, Any]) -> bool:
    """Whether compression does: images repeat themselves, measured numbers do not."""
    return obs.ndim > 2 or obs.dtype == np.uint8


def segment_arrays(segment: Segment) -> dict[str, Any]:
    """The arrays of `segment` by the names that they are stored under."""
    others = {name: getattr(segment, name) for name in ("actions", "absorbing", "true_rewards", *MAY_BE_ANYTHING)}
    named = {f"obs/{name}": array for name, array in segment.obs.items()} | others
    named |= {f"{MODEL}{name}": array for name, array in (segment.model or {}).items()}
    return {name: array for name, array in named.items() if array is not None}


def row_arrays(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The arrays of a row by the names of `segment_arrays`.

    Raises:
        ValueError: the row is damaged.
    """
    verify(segments, row)
    return blobs.unpack(blobs.expand(row["arrays"]) if row["compressed"] else row["arrays"])


def row_segment(row: Mapping[Any, Any], film: Film | None = None) -> Segment:
    """The segment of a row, with what belongs to it of another.

    Raises:
        ValueError: the row is damaged.
    """
    return make_segment(row_arrays(row), row["reset_seed"], row["start"], film)


def make_segment(arrays: Mapping[str, Any], reset_seed: int | None, start: int, film: Film | None = None) -> Segment:
    """The segment of `arrays` by the names of `segment_arrays`.

    Raises:
        ValueError: they are not those of a segment.
    """
    obs = {name.removeprefix("obs/"): array for name, array in arrays.items() if name.startswith("obs/")}
    model = {name.removeprefix(MODEL): array for name, array in arrays.items() if name.startswith(MODEL)}
    others = {name: array for name, array in arrays.items() if not name.startswith(("obs/", MODEL))}
    return Segment(obs=obs, **others, model=model or None, reset_seed=reset_seed, start=start, film=film)


def film_row(segment_id: int, film: Film) -> dict[str, Any]:
    """The sealed row that `row_film` reads back."""
    return seal(films, {"segment_id": segment_id, "fps": float(film.fps), "jpegs": blobs.join(film.jpegs)})


def row_film(row: Mapping[Any, Any]) -> Film:
    """The pictures of a row.

    Raises:
        ValueError: the row is damaged.
    """
    verify(films, row)
    return Film(blobs.split(row["jpegs"]), row["fps"])
