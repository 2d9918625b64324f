"""A run can begin with the answers of another store."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from small_runs import SMALL, hashes

from prefrl.config import trust
from prefrl.errors import LockedError, StoreError, UsageError
from prefrl.runs.run_dir import RunDir
from prefrl.store.begin import absolute_url
from prefrl.store.run_store import held_store, open_store
from prefrl.store.store import Store
from prefrl.training.loop import resume, train


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with 20 answers."""
    return train(SMALL, tmp_path_factory.mktemp("given") / "run")


def test_a_run_begins_with_the_answers_of_another_and_asks_for_the_rest(given: RunDir, tmp_path: Path) -> None:
    before = given.store_path.read_bytes()
    for name, store in (("folder", given.path), ("file", given.store_path)):
        run = train(dataclasses.replace(SMALL, labels=26, store=str(store)), tmp_path / name)
        with open_store(given) as old, open_store(run) as new:
            assert [a.words for a in new.answers()][:20] == [a.words for a in old.answers()]
            assert new.num_answers() == 26
        assert [record["num_preferences"] for record in run.metrics()] == [
            20,
            23,
            26,
            26,
        ]  # asked for when the plan comes to more than 20
    assert given.store_path.read_bytes() == before
    assert hashes(run) == hashes(RunDir(tmp_path / "folder"))


def test_with_enough_answers_none_is_asked_for_and_the_first_round_is_paid_by_them(
    given: RunDir, tmp_path: Path
) -> None:
    run = train(dataclasses.replace(SMALL, labels=0, store=str(given.path)), tmp_path / "run")
    with open_store(run) as store:
        assert (store.num_questions(), store.num_answers()) == (20, 20)
    assert run.metrics()[0]["reward/preferences"] > 15  # those that are no ties


def test_being_killed_changes_nothing(given: RunDir, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, labels=26, store=str(given.path))
    run = train(config, tmp_path / "run")
    whole = hashes(run)
    for checkpoint in run.whole_checkpoints()[:2]:
        shutil.rmtree(checkpoint.path)
    resume(run.path)
    assert hashes(run) == whole


def test_a_run_keeps_its_answers_where_the_url_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = train(dataclasses.replace(SMALL, store="sqlite:///all.sqlite"), "a")
    monkeypatch.chdir("/")
    run = RunDir.open(tmp_path / "a")
    assert not run.store_path.exists()
    with Store(f"sqlite:///{tmp_path}/all.sqlite") as store:
        assert store.num_answers() == 20
    resume(run.path, steps="+200", labels="+5")
    second = train(dataclasses.replace(SMALL, store=f"sqlite:///{tmp_path}/all.sqlite", labels=30), tmp_path / "b")
    with open_store(second) as store:
        assert store.num_answers() == 30


def test_a_goal_is_that_of_the_run_whatever_the_store_began_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.sqlite"
    train(dataclasses.replace(SMALL, store=url, goal="one"), tmp_path / "a")
    run = train(dataclasses.replace(SMALL, store=url, goal="two"), tmp_path / "b")
    with open_store(run) as store:
        info = store.info()
    assert info is not None
    assert info.goal == "two"
    with pytest.raises(UsageError, match=r"keeps its answers in sqlite:.*all\.sqlite#main; name this"):
        train(dataclasses.replace(SMALL, store=str(run.path)), tmp_path / "c")


def test_a_strangers_run_does_not_choose_the_database(
    given: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(dataclasses.replace(SMALL, store=f"sqlite:///{tmp_path}/mine.sqlite"), tmp_path / "run")
    monkeypatch.delenv(trust.VARIABLE)
    open_store(run).close()  # noted by the user who named it
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of another user"))
    for use in (open_store, lambda run: resume(run.path)):
        with pytest.raises(
            StoreError, match=r"answers in sqlite:.*mine\.sqlite, which you have not .* set PREFRL_TRUST="
        ):
            use(run)
    monkeypatch.setenv(trust.VARIABLE, run.config.store or "")
    open_store(run).close()


def test_a_file_is_trained_with_by_one_at_a_time(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, store=f"sqlite:///{tmp_path}/C%23/all.sqlite")
    (tmp_path / "C#").mkdir()
    run = train(config, tmp_path / "a")
    assert (tmp_path / "C#" / "all.sqlite").exists()
    with held_store(run), pytest.raises(LockedError, match=r"all\.sqlite is in use by process"):
        train(config, tmp_path / "b")


def test_a_password_is_kept_in_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    assert absolute_url("postgresql+psycopg://me:s%40t@host/x#a") == "postgresql+psycopg://me@host/x#a"
    assert os.environ.pop("PGPASSWORD") == "s@t"


def test_what_cannot_be_begun_with_is_refused_before_anything_is_made(given: RunDir, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no store")
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(given.store_path.read_bytes()[:-9000])
    cases = (
        (SMALL, "nothing", UsageError, "--store nothing: there is no file nothing; name one"),
        (SMALL, str(tmp_path), UsageError, "there is no file .*preferences.sqlite"),
        (SMALL, str(tmp_path / "text"), StoreError, "text cannot be read"),
        (SMALL, str(broken), StoreError, "broken"),
        (dataclasses.replace(SMALL, labels=1), f"sqlite:///{tmp_path}/new.sqlite", UsageError, "--labels is 1"),
        (SMALL, "sqlite://", UsageError, "in memory"),
        (SMALL, "sqlite:///:memory:", UsageError, "in memory"),
        (SMALL, "postgresql+psycopg://h:port/x", UsageError, "no URL of a database"),
        (SMALL, "http://x/y", UsageError, "not a database URL"),
        (dataclasses.replace(SMALL, env_id="CartPole-v1"), str(given.path), StoreError, "holds another environment"),
    )
    found = sorted(os.listdir(tmp_path))
    for config, store, kind, error in cases:
        with pytest.raises(kind, match=error):
            train(dataclasses.replace(config, store=store), tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == found
