"""A thread that works on the store, so that a window never waits for a disk: it stores, claims and looks at the run."""

import getpass
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prefrl.errors import PrefrlError, StorageError, UsageError
from prefrl.labelling.session import Pace, Reply, Session, Showing, Summary
from prefrl.labelling.trainer_status import Training, TrainingWatch
from prefrl.runs.run_dir import RunDir
from prefrl.store.claims import Desk
from prefrl.store.store import Store

INTERVAL = 1.0
"""Seconds between two looks at the store and the run folder, and before what failed is tried again."""


@dataclass(frozen=True)
class Options:
    """How to label."""

    annotator: str
    """Who the store says answered."""

    goal: str | None = None
    """What the agent should do; stored with the run. None leaves the stored one."""

    repeat_share: float = 0.05
    """Share of the queries shown that are hidden repeats."""

    def __post_init__(self) -> None:
        if not 0 <= self.repeat_share < 1:
            raise UsageError(f"--repeat-share is {self.repeat_share}; give a number from 0 to below 1")


@dataclass(frozen=True)
class State:
    """All that a front end shows, as it was a moment ago."""

    env_id: str | None = None
    """None while there is no store to label yet."""

    goal: str | None = None
    showings: tuple[Showing, ...] = ()
    pace: Pace | None = None
    training: Training | None = None
    others: int = 0
    can_undo: bool = False

    error: str | None = None
    """Why the last piece of work failed; it is being tried again."""

    note: str | None = None
    """What came of the last answer or undo, in words, where that needs saying."""

    jobs_done: int = 0
    """Counts answers and undos that are done with."""


class Clerk:
    """Does answers and undos in order, each until it succeeds, and keeps `state` fresh in between."""

    def __init__(
        self, run_dir: Path, options: Options, rng: np.random.Generator, on_change: Callable[[], None]
    ) -> None:
        """`on_change` is called from the clerk's thread whenever `state` changed."""
        self.state = State()
        self._run_dir, self._options, self._rng, self._on_change = run_dir, options, rng, on_change
        self._jobs: queue.SimpleQueue[Callable[[Session], str | None] | None] = queue.SimpleQueue()
        self._asked = 0
        self._leaving = threading.Event()
        self._store: Store | None = None
        self._session: Session | None = None
        self._watch: TrainingWatch | None = None
        self._file: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def store_url(self) -> str:
        return RunDir(self._run_dir).store_url

    @property
    def is_busy(self) -> bool:
        """Whether an answer or undo is not done with yet."""
        return self._asked > self.state.jobs_done

    def answer(self, showing: Showing, reply: Reply) -> None:
        """Have the reply stored."""

        def job(session: Session) -> str | None:
            return None if session.answer(showing, reply) else "Somebody else was faster; yours was not needed"

        self._ask(job)

    def undo(self) -> None:
        """Have the last answer taken back."""

        def job(session: Session) -> str:
            choice = session.undo()
            names = {"skip": "can't tell", None: ""}
            return "There is nothing to take back" if choice is None else f"Took back: {names.get(choice, choice)}"

        self._ask(job)

    def _ask(self, job: Callable[[Session], str | None]) -> None:
        if self.state.env_id is None:
            return  # there is no run yet that it could be done to
        self._asked += 1
        self._jobs.put(job)

    def leave(self) -> Summary | None:
        """Finish, and give back what is not answered; the sitting's summary, None if nothing was ever shown.

        An answer or undo that cannot be stored is given up: `is_busy` stays true then, and `state.error` says why.
        """
        self._leaving.set()
        self._jobs.put(None)
        self._thread.join()
        return self.summary()

    def summary(self) -> Summary | None:
        """What the sitting came to so far."""
        return None if self._session is None else self._session.summary()

    def _work(self) -> None:
        job: Callable[[Session], str | None] | None = None
        while not (self._leaving.is_set() and job is None and self._jobs.empty()):
            try:
                session = self._open()
                if session is not None and job is not None:
                    note, job = job(session), None
                    self._publish(session, note=note, error=None, jobs_done=self.state.jobs_done + 1)
                if session is not None:
                    self._refresh(session)
            except Exception as error:  # whatever it was, the window must not freeze without a word
                known = isinstance(error, PrefrlError)
                self._change(error=str(error) if known else f"{type(error).__name__}: {error}")
                if self._leaving.wait(INTERVAL):
                    break  # what cannot be stored is not; `leave` says so
                continue
            job = self._next_job()
        self._close()

    def _next_job(self) -> Callable[[Session], str | None] | None:
        with suppress(queue.Empty):
            return self._jobs.get(timeout=INTERVAL)
        return None

    def _open(self) -> Session | None:
        """The session, begun when there is a store, and again when its file was replaced."""
        file = self._run_dir / "preferences.sqlite"
        try:
            stat = file.stat()
        except OSError as error:
            if self._session is None:
                return None
            raise StorageError(f"{file} is gone ({error.strerror}); put it back") from error
        if self._session is None or self._file != (stat.st_dev, stat.st_ino):
            self._begin()
            self._file = stat.st_dev, stat.st_ino
        return self._session

    def _begin(self) -> None:
        run = RunDir.open(self._run_dir)
        store = Store(run.store_url)
        info = store.info()
        if info is None:
            store.close()
            return
        desk = Desk(store)
        goal = self._options.goal or info.goal
        if goal is not None and goal != info.goal:
            desk.set_goal(goal)
        asked_for = run.config.labels
        name, share = self._options.annotator, self._options.repeat_share
        self._session = Session(desk, name, rng=self._rng, asked_for=asked_for, repeat_share=share)
        if self._store is not None:
            self._store.close()
        self._store, self._watch = store, TrainingWatch(run)
        self._change(env_id=info.env_id, goal=goal)

    def _refresh(self, session: Session) -> None:
        assert self._watch is not None
        session.refresh()
        self._publish(session, error=None, training=self._watch.read(), others=session.desk.others())

    def _publish(self, session: Session, **changes: object) -> None:
        self._change(showings=session.upcoming(), pace=session.pace(), can_undo=session.can_undo, **changes)

    def _change(self, **changes: object) -> None:
        before, self.state = self.state, replace(self.state, **changes)  # type: ignore[arg-type]
        if self.state != before:
            self._on_change()

    def _close(self) -> None:
        with suppress(PrefrlError):
            if self._session is not None and os.path.exists(self._run_dir):
                self._session.leave()
        if self._store is not None:
            self._store.close()


def user_name() -> str:
    """Whose login it is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return "person"
