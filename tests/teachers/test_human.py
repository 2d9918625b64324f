"""A person as the teacher: a real trainer in a process of its own, answers through the store from this one."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import make_answer

from prefrl.config.run import TrainConfig
from prefrl.errors import EnvError
from prefrl.feedback.answer import standing
from prefrl.feedback.comparison import Preferred
from prefrl.feedback.question import Question
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.teachers.human import wait_for_answers
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
