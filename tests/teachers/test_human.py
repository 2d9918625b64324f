"""A person as the teacher: a real trainer in a process of its own, answers through the store from this one."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders import make_answer, make_question

from prefrl.config.run import TrainConfig
from prefrl.errors import EnvError
from prefrl.feedback.answer import standing
from prefrl.feedback.comparison import Preferred
from prefrl.feedback.question import Question
from prefrl.runs.run_dir import RunDir
from prefrl.store.claims import Claims
from prefrl.store.store import Store
from prefrl.teachers.human import wait_for_answers, wait_while_somebody_answers
from prefrl.training.loop import train

TRAIN = [sys.executable, "-m", "prefrl", "train", "CartPole-v1", "--teacher", "human", "--steps", "6000"]
OPTIONS = ["--labels", "24", "--slack", "4", "--rounds", "3", "--explore-steps", "600", "--segment-length", "20"]


def store_of(run_dir: Path, trainer: subprocess.Popen[str]) -> Store:
    while not (run_dir / "preferences.sqlite").exists():
        assert trainer.poll() is None, trainer.communicate()
        time.sleep(0.05)
    return Store(RunDir(run_dir).store_url)


def better(question: Question) -> Preferred:
    left, right = question.segments
    return "right" if right.true_return > left.true_return else "left"


def answer(store: Store, count: int) -> int:
    """Answer `count` pending questions, or as many as there are, the way a person who looks at the poles would."""
    asked = store.pending(limit=count)
    store.add_answers([make_answer(question, better(question), "ann") for question in asked])
    return len(asked)


@pytest.mark.slow
def test_training_waits_for_a_person_and_uses_each_answer_once(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    command = [*TRAIN, *OPTIONS, "--run-dir", str(run_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as trainer:
        store = store_of(run_dir, trainer)
        while not store.pending(limit=1):
            time.sleep(0.05)
        time.sleep(1.5)
        assert RunDir(run_dir).metrics() == []  # it waits: nothing was answered
        while trainer.poll() is None:
            if not answer(store, 2):
                time.sleep(0.05)
        told = trainer.communicate()[1]
    assert trainer.returncode == 0, told
    assert "waiting for" in told
    assert f"prefrl label {run_dir}" in told
    assert store.pending() == []  # nobody is asked for what nothing is learned from any more
    counted = standing(store.answers())
    assert 20 <= len(counted) <= 24  # a person may be `slack` behind, and is never asked for more
    assert len({p.question.id for p in counted}) == len(counted)
    last = RunDir(run_dir).metrics()[-1]
    assert last["num_preferences"] >= 16
    assert RunDir(run_dir).metrics()[0]["seconds/wait"] > 1


@pytest.mark.filterwarnings("ignore:.*render_mode='rgb_array'.*:UserWarning")  # Gymnasium's own word on it
def test_an_environment_that_cannot_be_shown_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    config = TrainConfig("toy_envs:Counter-v0", teacher="human", steps=40_000, labels=20, segment_length=10)
    with pytest.raises(EnvError):
        train(config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_cannot_be_replayed_is_refused_and_the_remedy_named(tmp_path: Path) -> None:
    config = TrainConfig("toy_envs:Windy-v0", teacher="human", steps=40_000, labels=20, segment_length=10)
    with pytest.raises(EnvError, match=r"does not repeat itself .* add --record-frames"):
        train(config, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_waiting_ends_with_the_last_answer_needed(tmp_path: Path) -> None:
    missing: list[int] = []
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        wait_for_answers(store, 0, missing.append)
    assert missing == []


def test_the_last_answers_are_waited_for_as_long_as_somebody_gives_them(url: str) -> None:
    missing: list[int] = []
    with Store(url) as store:
        asked = store.add_questions([make_question(np.random.default_rng(0)) for _ in range(3)])
        ada = Claims(store, "Ada")
        ada.claim(4)

        def on_wait(count: int) -> None:
            missing.append(count)
            question = store.question(asked[3 - count])
            store.add_answers([make_answer(question, "left", "Ada")])

        wait_while_somebody_answers(store, 3, on_wait)
        assert store.num_answers() == 3
    assert missing == [3, 2, 1]


@pytest.mark.parametrize("presence", ["nobody", "left", "died", "idle"])
def test_the_last_answers_are_not_waited_for_where_nobody_gives_them(url: str, presence: str) -> None:
    with Store(url) as store:
        store.add_questions([make_question(np.random.default_rng(0)) for _ in range(3)])
        if presence == "died":
            code = f"""if True:
                from prefrl.store.claims import Claims
                from prefrl.store.store import Store
                Claims(Store({url!r}), "Bob").claim(4)"""
            subprocess.run([sys.executable, "-c", code], check=True)
        elif presence != "nobody":
            ada = Claims(store, "Ada")
            ada.claim(4)
            if presence == "left":
                ada.leave()
        start = time.monotonic()
        wait_while_somebody_answers(store, 3, lambda _: None, idle=1.0)
        assert (time.monotonic() - start > 1) == (presence == "idle")
        assert len(store.pending()) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="a niceness of its own for each thread")
def test_training_steps_back_once() -> None:
    nice = "os.getpriority(os.PRIO_PROCESS, 0)"
    code = f"""if True:
        import os, threading
        from prefrl.teachers.human import step_back
        before = {nice}
        step_back(), step_back()
        found = []
        thread = threading.Thread(target=lambda: found.append({nice}))
        thread.start(), thread.join()
        print(max(before, 10) == {nice} == found[0])"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
