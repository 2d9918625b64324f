"""The thread that works on the store, on real run folders."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from labelling import record_queries

from prefrl.config.run import TrainConfig
from prefrl.labelling.service import Clerk, Options
from prefrl.labelling.session import Reply
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store, StoreInfo


def wait_for(true: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def create(path: Path) -> RunDir:
    run = RunDir.create(path, TrainConfig(env_id="CartPole-v1", labels=3))
    with Store(run.store_url) as store:
        store.describe(StoreInfo("CartPole-v1", {}, 4, 2, {}))
        store.add_queries(record_queries(3))
    return run


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Clerk]:
    clerk = Clerk(tmp_path / "run", Options("Ada"), np.random.default_rng(0), lambda: None)
    yield clerk
    clerk.leave()


def test_undo_before_there_is_a_run_does_not_stand_in_the_way_of_answers(clerk: Clerk, tmp_path: Path) -> None:
    clerk.undo()
    assert not clerk.is_busy
    run = create(tmp_path / "run")
    wait_for(lambda: clerk.state.showings)
    clerk.answer(clerk.state.showings[0], Reply("left"))
    wait_for(lambda: not clerk.is_busy)
    with Store(run.store_url) as store:
        assert [p.choice for p in store.preferences()] == ["left"]


@pytest.mark.fault
def test_records_of_the_training_that_make_no_sense_do_not_stop_the_labelling(clerk: Clerk, tmp_path: Path) -> None:
    run = create(tmp_path / "run")
    run.metrics_path.write_text('5\n{"num_timesteps": "many", "seconds/fit": [], "reward/held_out_accuracy": NaN}\n')
    wait_for(lambda: clerk.state.showings)
    clerk.answer(clerk.state.showings[0], Reply("left"))
    wait_for(lambda: not clerk.is_busy)
    assert (clerk.state.error, clerk.state.training.num_timesteps, clerk.state.training.agreement) == (None, 0, None)


@pytest.mark.fault
def test_an_error_that_nobody_foresaw_is_told_and_tried_again(clerk: Clerk, tmp_path: Path) -> None:
    run = create(tmp_path / "run")
    run.metrics_path.write_text("[" * 100_000 + "\n")
    wait_for(lambda: clerk.state.error)
    assert str(clerk.state.error).startswith("RecursionError: ")
    run.metrics_path.write_text("")
    wait_for(lambda: clerk.state.error is None)
    clerk.answer(clerk.state.showings[0], Reply("left"))
    wait_for(lambda: not clerk.is_busy)


@pytest.mark.fault
def test_what_could_not_be_stored_is_known_when_the_person_leaves(clerk: Clerk, tmp_path: Path) -> None:
    create(tmp_path / "run")
    wait_for(lambda: clerk.state.showings)
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    clerk.answer(clerk.state.showings[0], Reply("left"))
    wait_for(lambda: clerk.state.error)
    clerk.leave()
    assert clerk.is_busy
    assert "preferences.sqlite is gone" in str(clerk.state.error)
    with Store(RunDir(tmp_path / "elsewhere").store_url) as store:
        assert store.preferences() == []
