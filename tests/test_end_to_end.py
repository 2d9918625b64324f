"""A person's whole way: the window and the trainer in processes of their own, real keys, and both killed in between."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from labelling import xvfb
from sqlalchemy import select

from prefrl import schema
from prefrl.errors import StoreError
from prefrl.evaluate import evaluate
from prefrl.run_dir import RunDir
from prefrl.store import Store
from prefrl.types import Query, effective

PREFRL = [sys.executable, "-W", "ignore", "-m", "prefrl"]
LABELS = 160
TRAIN = ["Hopper-v5", "--teacher", "human", "--steps", "100000", "--labels", str(LABELS), "--slack", "8", "--seed", "5"]
RANDOM_RETURN = 20.0
"""About what Hopper-v5 gives for random actions."""


class Person:
    """Looks at the query in the window, as the store has it, and presses the key for the better clip."""

    def __init__(self, store: Store, display: str) -> None:
        self.store, self.env = store, {**os.environ, "DISPLAY": display}
        self.acknowledged: dict[int, tuple[int | None, str | None]] = {}
        """What was answered, by the number that the store gave it."""

    def shown(self) -> Query | None:
        """The query in the window: the first of those that it has claimed."""
        with self.store.transaction() as connection:
            claimed = set(connection.scalars(select(schema.claims.c.query_id)))
        return min((q for q in self.store.pending() if q.id in claimed), key=lambda q: q.id or 0, default=None)

    def answer(self) -> None:
        """Answer one query, if the window shows any; press again where it asks whether one is sure."""
        query, before = self.shown(), self.store.num_preferences()
        if query is None:
            time.sleep(0.1)
            return
        key = "Left" if query.left.true_return > query.right.true_return else "Right"
        for _ in range(6):
            subprocess.run(["xdotool", "key", key], env=self.env, check=True)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                if self.store.num_preferences() > before:
                    last = self.store.preferences()[-1]
                    self.acknowledged[last.seq] = last.query.id, last.choice
                    return
                time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start prefrl in a process that does not outlive the test."""
    with ExitStack() as stack:

        def start(*arguments: str, **env: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([*PREFRL, *arguments], env={**os.environ, **env}, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.slow
@pytest.mark.fault
def test_a_person_teaches_a_hopper_while_programs_die(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    run_dir = tmp_path / "hopper"
    window = ["label", str(run_dir), "--repeat-share", "0"]
    with xvfb() as (display, _):
        windows = [start(*window, DISPLAY=display)]  # before there is a run
        trainers = [start("train", *TRAIN, "--run-dir", str(run_dir))]
        while not (run_dir / "preferences.sqlite").exists():
            assert trainers[0].poll() is None
            time.sleep(0.1)
        with Store(RunDir(run_dir).store_url) as store:
            person = Person(store, display)
            while trainers[-1].poll() is None:
                answers = len(person.acknowledged)
                if answers >= 40 * len(windows) and len(windows) < 3:
                    windows[-1].kill()
                    windows.append(start(*window, DISPLAY=display))
                if answers >= 60 * len(trainers) and len(trainers) < 3:
                    trainers[-1].kill()
                    trainers[-1].wait()
                    trainers.append(start("resume", str(run_dir)))
                try:
                    person.answer()
                except StoreError:  # both programs are busy with it
                    time.sleep(0.1)
            given = store.preferences()
    assert trainers[-1].returncode == 0
    assert (len(windows), len(trainers)) == (3, 3)
    kept = {p.seq: (p.query.id, p.choice) for p in given}
    assert person.acknowledged.items() <= kept.items()
    assert LABELS - 8 <= len(effective(given)) == len({p.query.id for p in given}) == len(given)
    right = [(p.query.left.true_return > p.query.right.true_return) == (p.choice == "left") for p in given]
    assert sum(right) >= 0.95 * len(right)
    assert evaluate(run_dir, episodes=5).true_return.mean > 5 * RANDOM_RETURN
