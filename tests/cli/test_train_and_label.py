"""Train and label in one command: the window in the main process, real keys, a real trainer beside it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import make_answer
from label_bot import Person, said, xvfb

from prefrl.feedback.answer import standing
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store

TRAIN = [sys.executable, "-m", "prefrl", "train", "CartPole-v1", "--teacher", "human", "--label", "--steps", "6000"]
OPTIONS = ["--labels", "12", "--slack", "2", "--rounds", "3", "--explore-steps", "600", "--segment-length", "20"]


@pytest.mark.slow
@pytest.mark.parametrize("leave_early", [False, True])
def test_one_command_trains_and_labels(tmp_path: Path, leave_early: bool) -> None:
    run_dir = tmp_path / "run"
    with xvfb() as (display, _):
        env = {**os.environ, "DISPLAY": display}
        command = [*TRAIN, *OPTIONS, "--run-dir", str(run_dir)]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            while not (run_dir / "preferences.sqlite").exists():
                assert program.poll() is None, program.communicate()
                time.sleep(0.1)
            with Store(RunDir(run_dir).store_url) as store:
                person = Person(store, display)
                while len(person.acknowledged) < (4 if leave_early else 10):
                    assert program.poll() is None, program.communicate()
                    person.answer()
                if leave_early:
                    program.terminate()
                else:
                    while program.poll() is None:  # it trains to its end, and the person leaves
                        subprocess.run(["xdotool", "key", "Escape"], env=env, check=True)
                        time.sleep(0.5)
                out, err = program.communicate()
                kept = {answer.seq: (answer.question.id, said(answer)) for answer in standing(store.answers())}
    assert person.acknowledged.items() <= kept.items()
    assert "Traceback" not in err
    if leave_early:
        assert program.returncode == 143
        assert RunDir(run_dir).open(run_dir)  # neither of the two is at work on it any more
    else:
        assert program.returncode == 0
        assert out.startswith(f"{len(kept)} labels in ")
        assert RunDir(run_dir).metrics()[-1]["num_timesteps"] >= 6000


@contextlib.contextmanager
def running(run_dir: Path, display: str) -> Iterator[tuple[subprocess.Popen[str], Store]]:
    """The command at work, and the store of its run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYGAME")} | {"DISPLAY": display}
    command = [*TRAIN, *OPTIONS, "--run-dir", str(run_dir)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            while not (run_dir / "preferences.sqlite").exists():
                assert program.poll() is None, program.communicate()
                time.sleep(0.1)
            with Store(RunDir(run_dir).store_url) as store:
                yield program, store
        finally:
            program.terminate()


@pytest.mark.slow
@pytest.mark.fault
def test_a_trainer_that_is_killed_is_told_and_the_window_stays(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with xvfb() as (display, _), running(run_dir, display) as (program, store):
        person = Person(store, display)
        while not person.acknowledged:
            person.answer()
        os.kill(int((run_dir / "lock").read_text()), signal.SIGKILL)
        while len(person.acknowledged) < 3:
            person.answer()
        while program.poll() is None:
            subprocess.run(["xdotool", "key", "Escape"], env=person.env, check=True)
            time.sleep(0.5)
        out, err = program.communicate()
    assert program.returncode == 137
    assert out.startswith("3 labels in ")
    assert f"go on with: prefrl resume {run_dir}" in err


@pytest.mark.slow
@pytest.mark.fault
def test_training_goes_on_when_the_display_goes(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    with xvfb() as (display, server), running(run_dir, display) as (program, store):
        person = Person(store, display)
        while not person.acknowledged:
            person.answer()
        server.kill()
        while program.poll() is None:
            store.add_answers([make_answer(question, "left", "Bob") for question in store.pending()])
            time.sleep(0.2)
        out, err = program.communicate()
    assert program.returncode == 0
    assert out.startswith("1 label in ")
    assert f"prefrl label {run_dir}" in err
    assert RunDir(run_dir).metrics()[-1]["num_timesteps"] >= 6000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["CartPol-v1"], 3, "CartPole"),
        (["CartPole-v1", "--labels", "1"], 2, "--labels is 1"),
        (["CartPole-v1", "--run-dir", "."], 2, "exists already"),
    ],
)
def test_a_run_that_cannot_begin_says_why_and_leaves_nothing(
    tmp_path: Path, more: list[str], code: int, said: str
) -> None:
    with xvfb() as (display, _):
        command = [sys.executable, "-m", "prefrl", "train", *more, "--teacher", "human", "--label"]
        root = {"PYTHONPATH": str(Path(__file__).parents[2])}
        env = {**os.environ, "DISPLAY": display, **root}
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("prefrl: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
