"""The preference store: what was asked, what was answered. Trainer and teachers meet here and nowhere else."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, CompoundSelect, Connection, exists, func, insert, inspect, select, true, update

from prefrl.data.segment import Film, Segment
from prefrl.errors import StoreError
from prefrl.feedback.answer import Preference
from prefrl.feedback.comparison import Choice, target
from prefrl.feedback.question import Query
from prefrl.store import database, schema
from prefrl.store.schema import meta, queries, seal, segments, verify


@dataclass(frozen=True)
class StoreInfo:
    """The environment that a store's segments come from."""

    env_id: str
    env_kwargs: dict[str, Any]
    obs_dim: int
    action_dim: int

    versions: dict[str, str]
    """Package -> version at the time of recording."""

    goal: str | None = None
    """What the agent should do, in words for a person to judge by."""


@dataclass(frozen=True)
class Answer:
    """A teacher's answer on its way to the store, where it becomes a `Preference`."""

    query_id: int

    choice: Choice | None
    """None retracts the preference named by `supersedes`."""

    annotator: str = "oracle"

    submission_id: str = field(default_factory=lambda: uuid4().hex)
    """Makes sending again harmless: one id is one row."""

    supersedes: int | None = None
    """`seq` of the preference of the same query that this one takes the place of."""

    shown_at: float | None = None
    """Unix time in seconds at which the clips were first seen."""

    answered_at: float | None = None
    """Unix time in seconds at which the answer was given."""

    def __post_init__(self) -> None:
        if self.choice is not None:
            target(self.choice)
        elif self.supersedes is None:
            raise ValueError("Answer.choice is None, but Answer.supersedes does not say what is retracted")
        for name in ("shown_at", "answered_at"):
            if not math.isfinite(getattr(self, name) or 0.0):
                raise ValueError(f"Answer.{name} is {getattr(self, name)}, want a finite time")


class Store:
    """Segments, queries and preferences in a database.

    Every method is one transaction, and what it wrote is on disk when it returns. Several processes may use one
    store. All methods raise `StoreError` for a damaged or locked database, and `StorageError` for a disk that is full,
    read-only or gone.
    """

    def __init__(self, url: str) -> None:
        """Open the store at `url`, for example sqlite:///preferences.sqlite, or create it.

        Raises:
            UsageError: `url` is not a database URL, or its driver is not installed.
            StoreError: it is damaged, of another version, or not a store.
            StorageError: the disk is full, read-only or gone.
        """
        self._engine = database.connect(url)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self, writes: bool = False) -> Iterator[Connection]:
        """A transaction of the caller's own, for tables beside those of this class; its errors are explained."""
        engine = self._engine.execution_options(writes=writes)
        with database.explained(engine), engine.begin() as connection:  # what is to be written was checked before
            yield connection

    def info(self) -> StoreInfo | None:
        """The environment that the store was described with; None if it was not yet."""
        with self.transaction() as connection:
            return load_info(connection)

    def describe(self, info: StoreInfo) -> None:
        """Say which environment the segments come from. The first description stays.

        Raises:
            StoreError: the store holds segments of another environment.
        """
        rows = [seal(meta, {"key": key, "value": json.dumps(value)}) for key, value in asdict(info).items()]
        with self.transaction(writes=True) as connection:
            held = load_info(connection)
            if held is None:
                connection.execute(insert(meta), rows)
                return
        for name in ("env_id", "env_kwargs", "obs_dim", "action_dim"):
            ours, theirs = getattr(held, name), getattr(info, name)
            if ours != theirs:
                raise StoreError(
                    f"{database.name(self._engine)} holds another environment: {name} is {ours!r}, not {theirs!r}; "
                    "use another store"
                )

    def add_queries(self, asked: Sequence[Query]) -> list[int]:
        """Ask; the ids of the new queries, in order. A segment object that several of them share is stored once.

        Raises:
            ValueError: a segment holds a value that is not finite.
            StoreError: a segment has other dimensions than the store was described with.
        """
        if not asked:
            return []
        unique = {id(segment): segment for query in asked for segment in (query.left, query.right)}
        self._check_dimensions(list(unique.values()))
        rows = [schema.segment_row(segment) for segment in unique.values()]
        with self.transaction(writes=True) as connection:
            returning = insert(segments).returning(segments.c.id, sort_by_parameter_order=True)
            ids = dict(zip(unique, connection.scalars(returning, rows), strict=True))
            films = [schema.film_row(ids[key], s.film) for key, s in unique.items() if s.film is not None]
            if films:
                schema.films.create(connection, checkfirst=True)  # older stores lack it
                connection.execute(insert(schema.films), films)
            rows = [schema.query_row(query, ids[id(query.left)], ids[id(query.right)]) for query in asked]
            asking = insert(queries).returning(queries.c.id, sort_by_parameter_order=True)
            return list(connection.scalars(asking, rows))

    def _check_dimensions(self, new: Sequence[Segment]) -> None:
        info = self.info()
        for segment in new if info is not None else ():
            assert info is not None
            dims = segment.obs.shape[1], segment.actions.shape[1]
            if dims != (info.obs_dim, info.action_dim):
                raise StoreError(
                    f"{database.name(self._engine)} holds {info.env_id} with obs_dim {info.obs_dim} and action_dim "
                    f"{info.action_dim}, but a segment has {dims[0]} and {dims[1]}; use another store"
                )

    def pending(self, limit: int | None = None) -> list[Query]:
        """The queries that nobody answered and nobody withdrew, oldest first, at most `limit` of them."""
        with self.transaction() as connection:
            oldest = select(queries.c.id).where(schema.is_pending).order_by(queries.c.id).limit(limit)
            found = load_queries(connection, queries.c.id.in_(oldest))
            return [found[id] for id in sorted(found)]

    def query(self, query_id: int) -> Query:
        """The query of that id, whatever became of it; the only way to get recorded pictures, which are large.

        Raises:
            StoreError: there is none.
        """
        with self.transaction() as connection:
            found = load_queries(connection, queries.c.id == query_id, with_films=True)
        if not found:
            raise StoreError(f"{database.name(self._engine)} has no query {query_id}; ask for one that it holds")
        return found[query_id]

    def withdraw(self, query_ids: Sequence[int] | None = None, *, claimed_too: bool = False) -> None:
        """Ask these no longer, or none of those pending; of those that a labeller claimed, only if `claimed_too`."""
        chosen: ColumnElement[bool] = true() if query_ids is None else queries.c.id.in_(query_ids)
        if not claimed_too:
            chosen &= ~exists().where(schema.claims.c.query_id == queries.c.id)
        with self.transaction(writes=True) as connection:
            rows = connection.execute(select(queries).where(chosen, schema.is_pending)).mappings().all()
            for row in rows:
                verify(queries, row)
                values = seal(queries, {**row, "withdrawn_at": time.time()})
                connection.execute(update(queries).where(queries.c.id == row["id"]).values(values))

    def add_answers(self, answers: Sequence[Answer]) -> list[int]:
        """Record answers, all or none; their `seq`s, in order. An answer that was sent before keeps its first `seq`.

        Raises:
            StoreError: a query, or a preference to supersede, is unknown; or that one was superseded already.
        """
        with self.transaction(writes=True) as connection:
            return [self._add_answer(connection, answer) for answer in answers]

    def add_answer_once(self, answer: Answer) -> int | None:
        """Record `answer` and give its `seq`; None, and nothing done, if its query has another one that counts."""
        with self.transaction(writes=True) as connection:
            sent = schema.preferences.c.submission_id == answer.submission_id
            first = exists().where(schema.preferences.c.query_id == answer.query_id, schema.is_effective, ~sent)
            return None if connection.scalar(select(first)) else self._add_answer(connection, answer)

    def _add_answer(self, connection: Connection, answer: Answer) -> int:
        table = schema.preferences
        sent = connection.scalar(select(table.c.seq).where(table.c.submission_id == answer.submission_id))
        if sent is not None:
            return int(sent)
        where = database.name(self._engine)
        if connection.scalar(select(queries.c.id).where(queries.c.id == answer.query_id)) is None:
            raise StoreError(f"{where} has no query {answer.query_id}; answer one that it holds")
        if answer.supersedes is not None:
            old = table.c.seq == answer.supersedes
            if connection.scalar(select(table.c.query_id).where(old)) != answer.query_id:
                raise StoreError(
                    f"{where} has no preference {answer.supersedes} on query {answer.query_id} to supersede"
                )
            if connection.scalar(select(table.c.seq).where(table.c.supersedes == answer.supersedes)) is not None:
                raise StoreError(
                    f"{where}: preference {answer.supersedes} is superseded already; supersede the later one"
                )
        values = asdict(answer)
        for name in ("shown_at", "answered_at"):
            values[name] = None if values[name] is None else float(values[name])
        return int(connection.scalars(insert(table).values(seal(table, values)).returning(table.c.seq)).one())

    def preferences(self, after: int = 0) -> list[Preference]:
        """The preferences with `seq` > `after`, superseded ones and retractions included, in order of `seq`."""
        table = schema.preferences
        with self.transaction() as connection:
            rows = connection.execute(select(table).where(table.c.seq > after).order_by(table.c.seq)).mappings().all()
            asked = load_queries(connection, queries.c.id.in_(select(table.c.query_id).where(table.c.seq > after)))
            return [schema.row_preference(row, asked) for row in rows]

    def watermark(self) -> int:
        """The largest `seq`, or 0."""
        with self.transaction() as connection:
            return connection.scalar(select(func.max(schema.preferences.c.seq))) or 0

    def num_preferences(self) -> int:
        """How many preferences count: neither superseded nor retractions. Skips and ties are among them."""
        counted = select(func.count()).select_from(schema.preferences).where(schema.is_effective)
        with self.transaction() as connection:
            return connection.scalar(counted) or 0

    def num_queries(self) -> int:
        """How many queries were asked, those left out that were withdrawn before they were answered."""
        with self.transaction() as connection:
            return (
                connection.scalar(select(func.count()).where(queries.c.withdrawn_at.is_(None) | schema.is_answered))
                or 0
            )

    def returns(self, limit: int) -> NDArray[np.float64]:
        """(K,) true returns of the last K <= `limit` segments, oldest first; the scale that an oracle judges by."""
        with self.transaction() as connection:
            last = select(segments.c.true_return).order_by(segments.c.id.desc()).limit(limit)
            return np.array(connection.scalars(last).all()[::-1], np.float64)


def load_info(connection: Connection) -> StoreInfo | None:
    """What `describe` wrote."""
    values = {}
    for row in connection.execute(select(meta)).mappings():
        verify(meta, row)
        values[row["key"]] = json.loads(row["value"])
    values.pop("schema_version", None)
    return StoreInfo(**values) if values else None


def load_queries(connection: Connection, condition: ColumnElement[bool], with_films: bool = False) -> dict[int, Query]:
    """id -> query; each segment is decoded once."""
    rows = connection.execute(select(queries).where(condition)).mappings().all()
    ids = select(queries.c.left_id).where(condition).union(select(queries.c.right_id).where(condition))
    films = _load_films(connection, ids) if with_films else {}
    found = connection.execute(select(segments).where(segments.c.id.in_(ids))).mappings()
    sides = {row["id"]: schema.row_segment(row, films.get(row["id"])) for row in found}
    asked = {}
    for row in rows:
        verify(queries, row)
        if not {row["left_id"], row["right_id"]} <= sides.keys():
            raise ValueError(f"a segment of query {row['id']} is missing")
        left, right = sides[row["left_id"]], sides[row["right_id"]]
        asked[row["id"]] = Query(left, right, row["num_timesteps"], row["swapped"], row["id"])
    return asked


def _load_films(connection: Connection, ids: CompoundSelect[Any]) -> dict[int, Film]:
    """Segment id -> film."""
    if not inspect(connection).has_table(schema.films.name):
        return {}
    rows = connection.execute(select(schema.films).where(schema.films.c.segment_id.in_(ids))).mappings()
    return {row["segment_id"]: schema.row_film(row) for row in rows}
