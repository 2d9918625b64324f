"""Labelling as every front end uses it: a window, a page, a program. See README.md beside this file."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from prefrl.errors import PrefrlError, StorageError
from prefrl.labelling import messages
from prefrl.labelling.actions import OFFERS
from prefrl.labelling.clips import ClipCache, Clips, Source
from prefrl.labelling.session import Session, Showing
from prefrl.labelling.state import Options, State
from prefrl.labelling.summary import Summary
from prefrl.labelling.trainer_status import TrainerWatch
from prefrl.runs.run_dir import RunDir
from prefrl.store.claims import Claims
from prefrl.store.run_store import has_store, open_store, store_identity
from prefrl.store.shown import SHOWN, ShownName, read_shown, shown_path
from prefrl.store.store import Store

INTERVAL, IMPATIENT = 1.0, 0.2
"""Seconds between two looks at the store and the run folder, and before what failed is tried again; and between two
looks while no question is there."""

Job = Callable[[Session], str | None]
"""Something to do, and what to say of it."""


class LabellingService:
    """Lets one person label one run, which need not exist yet.

    A thread of its own works on the store, so that no front end waits for a disk. It does answers and undos in their
    order, each until it succeeds, and keeps `state` fresh in between.
    """

    def __init__(
        self, run_dir: Path, options: Options, rng: np.random.Generator, on_change: Callable[[], None] = lambda: None
    ) -> None:
        """`on_change` is called from other threads whenever `state` has changed, or clips have been drawn."""
        self.run_dir, self.state = run_dir, State()
        self.clips: ClipCache | None = None
        """The clips of the queue; None if none are to be drawn."""

        self._options, self._rng, self._on_change = options, rng, on_change
        if options.clip_size is not None:
            run = RunDir(run_dir)
            source = Source(partial(open_store, run), partial(read_shown, run))
            self.clips = ClipCache(source, size=options.clip_size, on_change=on_change)  # it starts while a run begins
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._asked, self._asking = 0, threading.Lock()
        self._leaving = threading.Event()
        self._store: Store | None = None
        self._session: Session | None = None
        self._watch: TrainerWatch | None = None
        self._identity: object = None
        self._last: int | None = None  # the question before the one on the screen
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether an answer or undo is not done with yet."""
        return self._asked > self.state.jobs_done

    def answer(
        self,
        question_id: int,
        value: Any,
        *,
        shown_at: float | None = None,
        answered_at: float | None = None,
        submission_id: str | None = None,
    ) -> int | None:
        """Have an answer stored: `value` is a JSON value of the question's kind, in terms of the screen.

        `shown_at`, `answered_at`: Unix times in seconds at which the clips were first seen, and the answer was given.
        Sending again with the same `submission_id` is harmless.

        Returns the job's number: it is on disk, or `state.note` says why not, once `state.jobs_done` has reached it.
        None: there is no run yet that could be labelled.
        """
        key = submission_id or uuid4().hex

        def job(session: Session) -> str | None:
            try:
                showing = session.showing(question_id)
                answer = session.read(showing, value, submission_id=key, shown_at=shown_at, answered_at=answered_at)
            except (TypeError, ValueError) as error:  # of the front end; trying again would not help
                return messages.no_answer(str(error))
            return None if session.answer(answer) else messages.NOT_NEEDED

        return self._ask(job)

    def undo(self) -> int | None:
        """Have the last answer taken back, and its question asked again; as `answer`, the job's number."""
        return self._ask(lambda session: messages.took_back(session.undo()))

    def shown(self, name: ShownName) -> Clips | None:
        """The clip of what the agent does "now", did "before" or does "after" the run, for where nothing is asked.

        Ask again at each turn: it is drawn from then on, after the clips of the queue, and `state.shown` tells when
        there is another. Until that one is drawn to its end, the one before stays. None if there is nothing yet.
        """
        version = self.state.shown.get(name)
        return None if version is None or self.clips is None else self.clips.show(name, version)

    def _ask(self, job: Job) -> int | None:
        if self.state.env_id is None:
            return None
        with self._asking:
            self._asked += 1
            self._jobs.put(job)
            return self._asked

    def leave(self) -> Summary | None:
        """Finish, and give back the questions that were not answered; as `summary`.

        An answer or undo that cannot be stored is given up: `is_busy` stays true then, and `state.error` says why.
        """
        self._leaving.set()
        self._jobs.put(None)
        self._thread.join()
        if self.clips is not None:
            self.clips.close()
        return self.summary()

    def summary(self) -> Summary | None:
        """What the session came to so far; None if there was never anything to label."""
        return None if self._session is None else self._session.summary()

    def _work(self) -> None:
        job: Job | None = None
        while not (self._leaving.is_set() and job is None and self._jobs.empty()):
            try:
                session = self._open()
                if session is not None and job is not None:
                    note, job = job(session), None
                    self._publish(session, note=note, error=None, jobs_done=self.state.jobs_done + 1)
                if session is not None:
                    self._refresh(session)
            except Exception as error:  # whatever it was, no front end may freeze without a word
                known = isinstance(error, PrefrlError)
                self._change(error=str(error) if known else f"{type(error).__name__}: {error}")
                if self._leaving.wait(INTERVAL):
                    break  # what cannot be stored now is given up; `leave` says so
                continue
            job = self._next_job()
        self._close()

    def _next_job(self) -> Job | None:
        with suppress(queue.Empty):
            return self._jobs.get(timeout=INTERVAL if self.state.showing is not None else IMPATIENT)
        return None

    def _open(self) -> Session | None:
        """The session, begun once there is a store, and again when another took its place."""
        run = RunDir(self.run_dir)
        if self._session is None and not has_store(run):
            return None
        try:
            identity = store_identity(run)
        except OSError as error:
            raise StorageError(f"{run.store_path} is gone ({error.strerror}); put it back") from error
        if self._session is None or self._identity != identity:
            self._begin()
            self._identity = identity
        return self._session

    def _begin(self) -> None:
        run = RunDir.open(self.run_dir)
        store = open_store(run)
        info = store.info()
        if info is None:
            store.close()
            return
        goal = self._options.goal or info.goal
        if goal is not None and goal != info.goal:
            store.set_goal(goal)
        claims = Claims(store, self._options.annotator, kinds=OFFERS)  # others it could not show
        share, wanted = self._options.repeat_share, run.config.labels
        self._session = Session(claims, rng=self._rng, asked_for=wanted, repeat_share=share)
        if self._store is not None:
            self._store.close()
        self._store, self._watch = store, TrainerWatch(run)
        if self.clips is not None and not run.config.record_frames:  # films need no environment: it may be a robot
            self.clips.warm_up()
        self._change(env_id=info.env_id, goal=goal)

    def _refresh(self, session: Session) -> None:
        assert self._watch is not None
        session.refresh()
        training, others = self._watch.read(), session.claims.others()
        session.asked_for = self._watch.config.labels
        run = RunDir(self.run_dir)
        verdict = run.verdict() if training.is_over else None
        self._publish(session, error=None, training=training, others=others, shown=versions(run), verdict=verdict)

    def _publish(self, session: Session, **changes: object) -> None:
        showings = session.upcoming()
        self._want_clips(showings)
        self._change(showings=showings, pace=session.pace(), can_undo=session.can_undo, **changes)

    def _want_clips(self, showings: tuple[Showing, ...]) -> None:
        before = self.state.showing
        if before is not None and showings[:1] != (before,):
            self._last = before.question_id  # an undo may ask it again
        if self.clips is not None:
            self.clips.want([showing.question_id for showing in showings], keep=self._last)

    def _change(self, **changes: object) -> None:
        before, self.state = self.state, replace(self.state, **changes)  # type: ignore[arg-type]
        if self.state != before:
            self._on_change()

    def _close(self) -> None:
        with suppress(PrefrlError, OSError):
            if self._session is not None and has_store(RunDir(self.run_dir)):
                self._session.leave()
        if self._store is not None:
            self._store.close()


def versions(run: RunDir) -> dict[ShownName, int]:
    """What there is to show beside the questions; a number that changes whenever another takes its place."""
    found: dict[ShownName, int] = {}
    for name in SHOWN:
        with suppress(OSError):
            found[name] = shown_path(run, name).stat().st_mtime_ns
    return found
