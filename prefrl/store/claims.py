"""The part of the store that only labelling needs: who looks at which query, and what each person has answered."""

import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, func, insert, select, update

from prefrl.feedback.comparison import Choice
from prefrl.runs.processes import is_alive
from prefrl.store.schema import claims, is_pending, labellers, meta, preferences, queries, repeats, seal, verify
from prefrl.store.store import Answer, Store

LEASE = 15.0
"""Seconds without a sign of life after which a labeller's claims are free; by the watcher's own monotonic clock."""

BEAT = 4.0
"""Seconds between signs of life."""

BREAK = 120.0
"""Seconds; who takes longer over one answer was away."""


@dataclass(frozen=True)
class Given:
    """One answer of a person: a preference, or the answer to a hidden repeat of its query."""

    seq: int
    """Among the preferences, or among the repeats."""

    query_id: int

    choice: Choice
    """In terms of the query's own sides."""

    shown_at: float | None = None
    answered_at: float | None = None

    is_repeat: bool = False

    swapped: bool = False
    """Whether the screen showed the query's sides exchanged; only a repeat may."""

    @property
    def on_screen(self) -> Choice:
        """The choice in terms of what was left and right on the screen."""
        return exchange(self.choice) if self.swapped else self.choice

    @property
    def seconds(self) -> float | None:
        """How long the answer took; None where unknown, or so long that the person was away."""
        if self.shown_at is None or self.answered_at is None:
            return None
        seconds = self.answered_at - self.shown_at
        return seconds if 0 < seconds < BREAK else None


def exchange(choice: Choice) -> Choice:
    """`choice` with left and right exchanged."""
    return {"left": "right", "right": "left"}.get(choice, choice)  # type: ignore[return-value]


class Desk:
    """Claims on queries, so that each is shown to one labeller at a time, and the log of one annotator's answers.

    A labeller lives while its `beat` goes up. Whoever watches one that does not for `LEASE` seconds frees its claims;
    those of a process of this machine that is gone are free at once. Should two labellers see a query all the same,
    the first answer stands. Errors are those of `Store`.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds that never jump."""
        self.store, self._clock = store, clock
        self.holder = f"{socket.gethostname()} {os.getpid()} {uuid4().hex}"
        self._beaten: float | None = None
        self._seen: dict[str, tuple[int, float]] = {}  # holder -> its beat, and when that was first seen

    def claim(self, limit: int, first: Sequence[int] = ()) -> list[int]:
        """The ids of the open queries that are this labeller's, oldest first: those it held, `first`, and more.

        New ones are claimed up to `limit` in all. Call it every second or so; it shows that this labeller lives.
        """
        with self.store.transaction(writes=True) as connection:
            self._beat(connection)
            self._free_the_dead(connection)
            closed = claims.c.query_id.not_in(select(queries.c.id).where(is_pending))
            connection.execute(delete(claims).where(claims.c.holder == self.holder, closed))
            free = select(queries.c.id).where(is_pending, queries.c.id.not_in(select(claims.c.query_id)))
            mine = select(claims.c.query_id).where(claims.c.holder == self.holder).order_by(claims.c.query_id)
            new = [*connection.scalars(free.where(queries.c.id.in_(first)))]
            room = limit - len(new) - len(connection.scalars(mine).all())
            if room > 0:
                new += connection.scalars(free.where(queries.c.id.not_in(new)).order_by(queries.c.id).limit(room))
            if new:
                connection.execute(insert(claims), [{"query_id": id, "holder": self.holder} for id in new])
            return [*connection.scalars(mine)]

    def _beat(self, connection: Connection) -> None:
        ours = labellers.c.holder == self.holder
        if connection.scalar(select(labellers.c.beat).where(ours)) is None:  # also when another took us for dead
            connection.execute(insert(labellers).values(holder=self.holder, beat=0))
        elif self._beaten is not None and self._clock() - self._beaten < BEAT:
            return
        else:
            connection.execute(update(labellers).where(ours).values(beat=labellers.c.beat + 1))
        self._beaten = self._clock()

    def _free_the_dead(self, connection: Connection) -> None:
        others = connection.execute(select(labellers).where(labellers.c.holder != self.holder)).all()
        dead = [row.holder for row in others if self._is_dead(row.holder, row.beat)]
        if dead:
            connection.execute(delete(labellers).where(labellers.c.holder.in_(dead)))  # claims go with them

    def _is_dead(self, holder: str, beat: int) -> bool:
        host, pid, _ = holder.rsplit(" ", 2)
        if host == socket.gethostname() and not is_alive(int(pid)):
            return True
        last, since = self._seen.get(holder, (None, 0.0))
        if last != beat:
            self._seen[holder] = beat, self._clock()
            return False
        return self._clock() - since > LEASE

    def leave(self) -> None:
        """Give back what is claimed."""
        with self.store.transaction(writes=True) as connection:
            connection.execute(delete(labellers).where(labellers.c.holder == self.holder))

    def others(self) -> int:
        """How many other labellers are at work."""
        with self.store.transaction() as connection:
            found = select(func.count()).select_from(labellers).where(labellers.c.holder != self.holder)
            return connection.scalar(found) or 0

    def add_repeat(self, answer: Answer, swapped: bool) -> int:
        """Record the answer to a hidden repeat, `swapped` on the screen; its `seq`. What was sent before is one row."""
        with self.store.transaction(writes=True) as connection:
            sent = connection.scalar(select(repeats.c.seq).where(repeats.c.submission_id == answer.submission_id))
            if sent is not None:
                return int(sent)
            watermark = connection.scalar(select(func.max(preferences.c.seq))) or 0
            values = seal(repeats, {**asdict(answer), "swapped": swapped, "watermark": watermark})
            return int(connection.scalars(insert(repeats).values(values).returning(repeats.c.seq)).one())

    def log(self, annotator: str) -> list[Given]:
        """What `annotator` answered and did not take back, in the order in which it was given."""
        found: list[tuple[tuple[int, int], Given]] = []
        with self.store.transaction() as connection:
            for table in (preferences, repeats):
                rows = connection.execute(select(table).where(table.c.annotator == annotator)).mappings().all()
                superseded = {row["supersedes"] for row in rows}
                for row in rows:
                    verify(table, row)
                    if row["choice"] is not None and row["seq"] not in superseded:
                        place = row.get("watermark", row["seq"])
                        found.append(((place, int(table is repeats)), _given(row, table is repeats)))
        return [given for _, given in sorted(found, key=lambda item: (*item[0], item[1].seq))]

    def set_goal(self, goal: str) -> None:
        """Store with the run what the agent should do, in words for a person to judge by."""
        values = seal(meta, {"key": "goal", "value": json.dumps(goal)})
        with self.store.transaction(writes=True) as connection:
            connection.execute(update(meta).where(meta.c.key == "goal").values(values))


def _given(row: Any, is_repeat: bool) -> Given:
    sides = (is_repeat, row["swapped"] if is_repeat else False)
    return Given(row["seq"], row["query_id"], row["choice"], row["shown_at"], row["answered_at"], *sides)
