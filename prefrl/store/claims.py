"""Who is looking at which question, so that no more people see one than answers are wanted."""

import os
import socket
import time
from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, select, tuple_, update

from prefrl.runs.processes import is_alive
from prefrl.store.schema import claims, is_answered_by, is_pending, labellers, num_answered, questions
from prefrl.store.store import Store

LEASE = 15.0
"""Seconds without a sign of life after which a labeller's claims are free; by the watcher's own monotonic clock."""

BEAT = 4.0
"""Seconds between signs of life."""


class Claims:
    """One labeller's claims on questions.

    A question may be claimed by as many labellers as it still wants answers, one for each annotator, and by none whose
    annotator has answered it. A labeller lives while its `beat` goes up. Whoever watches one that does not for `LEASE`
    seconds frees its claims; those of a process of this machine that is gone are free at once. Should too many see a
    question all the same, the first answers stand. Errors are those of `Store`.
    """

    def __init__(
        self,
        store: Store,
        annotator: str,
        clock: Callable[[], float] = time.monotonic,
        kinds: Collection[str] | None = None,
    ) -> None:
        """Nothing is claimed yet.

        Args:
            store: of the questions.
            annotator: the name that this labeller answers under.
            clock: seconds that never jump.
            kinds: of the questions that this labeller can show; None for all.
        """
        self.kinds = kinds
        self.store, self.annotator, self._clock = store, annotator, clock
        self.holder = f"{socket.gethostname()} {os.getpid()} {uuid4().hex}"
        self._beaten: float | None = None
        self._seen: dict[str, tuple[int, float]] = {}  # holder -> its beat, and when that was first seen

    def claim(self, limit: int, first: Sequence[int] = ()) -> list[int]:
        """The ids of the open questions that are this labeller's, oldest first: those it held, `first`, and more.

        New ones are claimed up to `limit` in all. Call it every second or so; it shows that this labeller lives.
        """
        self._free_the_dead()
        free = self._free().where(questions.c.id.not_in(first))
        mine = select(claims.c.question_id).where(claims.c.holder == self.holder).order_by(claims.c.question_id)
        closed = mine.where(~exists().where(questions.c.id == claims.c.question_id, self._is_wanted))
        # What takes long is looked for before others are kept out; whatever was claimed meanwhile is left out below.
        with self.store.transaction() as connection:
            held = [*connection.scalars(mine)]
            more = [*connection.scalars(free.order_by(questions.c.id).limit(limit))] if len(held) < limit else []
            if not (first or more or self._is_beat_due or connection.scalars(closed).first()):
                return held
        with self.store.transaction(writes=True) as connection:
            self._beat(connection)
            gone = claims.c.question_id.in_(connection.scalars(closed).all())
            connection.execute(delete(claims).where(claims.c.holder == self.holder, gone))
            new = [*connection.scalars(self._free().where(questions.c.id.in_(first)))]
            room = max(0, limit - len(new) - len(connection.scalars(mine).all()))
            new += connection.scalars(free.where(questions.c.id.in_(more)).order_by(questions.c.id).limit(room)).all()
            if new:
                connection.execute(insert(claims), [{"question_id": id, "holder": self.holder} for id in new])
            return [*connection.scalars(mine)]

    @property
    def _is_wanted(self) -> ColumnElement[bool]:
        """Of a question: it wants an answer of this annotator."""
        wanted = self.store.is_ours & is_pending & ~is_answered_by(self.annotator)
        return wanted if self.kinds is None else wanted & questions.c.kind.in_(self.kinds)

    def _free(self) -> Select[int]:
        """Selects the questions that this labeller could claim."""
        return select(questions.c.id).where(self._is_wanted, self._has_room())

    def _has_room(self) -> ColumnElement[bool]:
        """Of a question: another claim may be added, and it may be this labeller's."""
        held = select(func.count()).select_from(claims.join(labellers)).where(claims.c.question_id == questions.c.id)
        # Who has answered is counted as that; the claim goes when its labeller asks again.
        others = held.where(~is_answered_by(labellers.c.annotator)).correlate(questions).scalar_subquery()
        ours = held.where(labellers.c.annotator == self.annotator).correlate(questions).scalar_subquery()
        return (ours == 0) & (num_answered + others < questions.c.wanted)

    def _beat(self, connection: Connection) -> None:
        ours = labellers.c.holder == self.holder
        if connection.scalar(select(labellers.c.beat).where(ours)) is None:  # also when another took us for dead
            values = {"run_id": self.store.run_id(connection), "annotator": self.annotator, "beat": 0}
            connection.execute(insert(labellers).values(holder=self.holder, **values))
        elif not self._is_beat_due:
            return
        else:
            connection.execute(update(labellers).where(ours).values(beat=labellers.c.beat + 1))
        self._beaten = self._clock()

    @property
    def _is_beat_due(self) -> bool:
        return self._beaten is None or self._clock() - self._beaten >= BEAT

    def _free_the_dead(self) -> None:
        with self.store.transaction() as connection:
            others = connection.execute(select(labellers.c.holder, labellers.c.beat).where(self._is_another())).all()
        dead = [(row.holder, row.beat) for row in others if self._is_dead(row.holder, row.beat)]
        if dead:
            with self.store.transaction(writes=True) as connection:
                of_then = tuple_(labellers.c.holder, labellers.c.beat).in_(dead)  # who beats again lives
                connection.execute(delete(labellers).where(of_then))  # claims go with them

    def _is_another(self) -> ColumnElement[bool]:
        """Of a labeller: it works on the same run."""
        same_run = labellers.c.run_id == self.store.number.scalar_subquery()
        return same_run & (labellers.c.holder != self.holder)

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

    def living(self) -> int:
        """How many other labellers are alive; what others claimed is freed. A watcher without claims may ask, too."""
        self._free_the_dead()
        return self.others()

    def others(self) -> int:
        """How many other labellers are at work."""
        with self.store.transaction() as connection:
            return connection.scalar(select(func.count()).select_from(labellers).where(self._is_another())) or 0
