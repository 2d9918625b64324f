"""A person's whole way: the window and the trainer in processes of their own, real keys, and both killed in between."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from label_bot import KEYS, Person, better, said, xvfb

from prefrl.errors import StoreError
from prefrl.evaluation.evaluate import evaluate
from prefrl.feedback.answer import standing
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store

PREFRL = [sys.executable, "-W", "ignore", "-m", "prefrl"]
LABELS = 160
TRAIN = ["Hopper-v5", "--teacher", "human", "--steps", "100000", "--labels", str(LABELS), "--slack", "8", "--seed", "5"]
RANDOM_RETURN = 20.0
"""About what Hopper-v5 gives for random actions."""


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
    window = ["label", str(run_dir), "--repeat-share", "0", "--clip-size", "128"]  # large ones take long to draw
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
            given = store.answers()
    assert trainers[-1].returncode == 0
    assert (len(windows), len(trainers)) == (3, 3)
    kept = {answer.seq: (answer.question.id, said(answer)) for answer in given}
    assert person.acknowledged.items() <= kept.items()
    counted = standing(given)
    assert (
        LABELS - 8 <= len(counted) == len({answer.question.id for answer in given})
    )  # each once, whatever was taken back
    right = [KEYS.get(answer.words) == better(answer.question) for answer in counted]
    assert sum(right) >= 0.95 * len(right)
    assert evaluate(run_dir, episodes=5).true_return.mean > 5 * RANDOM_RETURN
