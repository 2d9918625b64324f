import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import SMALL, hashes

from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import has_store, open_store, store_identity
from prefrl.store.store import Store
from prefrl.training.loop import resume, train


def test_a_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", SMALL)
    assert not has_store(run)
    open_store(run).close()
    assert has_store(run)
    before = store_identity(run)
    run.store_path.rename(tmp_path / "gone")
    with pytest.raises(OSError, match="preferences"):
        store_identity(run)
    open_store(run).close()
    assert store_identity(run) != before


@pytest.mark.fault
def test_runs_share_a_database_on_a_server(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    shared = dataclasses.replace(SMALL, store=url)
    runs = [train(shared, tmp_path / "a"), train(shared, tmp_path / "b")]
    alone = train(SMALL, tmp_path / "alone")
    for run in runs:
        assert has_store(run)
        assert store_identity(run) == store_identity(run)
        with open_store(run) as store:
            assert store.num_answers() == SMALL.labels
    weights = {name: hashes(alone)[name] for name in hashes(alone) if name.startswith("policy")}
    assert weights.items() <= hashes(runs[0]).items()
    resume(runs[1].path, steps="+200", labels="+5")
    with Store(url, "a") as first, Store(url, "b") as second:
        assert (first.num_answers(), second.num_answers()) == (20, 25)
    again = train(dataclasses.replace(SMALL, store=f"{url}#b", labels=25), tmp_path / "c")
    with open_store(again) as store:
        assert store.num_questions() == 25
