"""A run that was made before there were kinds of feedback, rounds and version 2 of the store, half done.

`tests/data_files/version1_run.tar.xz` was made by commit ece3c02: CartPole-v1, nets of 8 and 4 units, 12 answers of the
oracle, stopped after 2 of 3 spans. Then a person, alice, answered, took an answer back, gave another, skipped, and
answered a hidden repeat; a question stays open, and another was withdrawn.
"""

import json
import tarfile
from pathlib import Path

import pytest

from prefrl.cli.check_run import checkup
from prefrl.evaluation.evaluate import evaluate
from prefrl.report.page import report
from prefrl.runs.run_dir import RunDir
from prefrl.store.export import export
from prefrl.training.loop import resume

ARCHIVE = Path(__file__).parent / "data_files" / "version1_run.tar.xz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "version1_run"


def test_its_settings_and_records_are_read_by_the_names_of_today(path: Path) -> None:
    run = RunDir.open(path)
    assert (run.config.rounds, run.config.labels, run.config.seed) == (4, 12, 7)
    assert [record["round"] for record in run.metrics()] == [1, 2]
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    assert checkpoint.state["round"] == 2


def test_it_goes_on_and_learns_from_what_the_person_said(path: Path) -> None:
    before = RunDir.open(path).latest_checkpoint()
    assert before is not None
    run = resume(path)
    after = run.latest_checkpoint()
    assert after is not None
    assert (after.state["round"], after.num_timesteps) == (3, 4004)
    assert after.state["watermark"] > before.state["watermark"] == 12
    assert run.metrics()[-1]["num_preferences"] == 15
    assert checkup(path) == 0


def test_it_is_evaluated(path: Path) -> None:
    found = evaluate(path, episodes=2)
    assert (found.num_timesteps, found.num_preferences) == (2692, 14)
    assert found.true_return.mean > 8
    assert found.reward_model is not None


def test_it_is_reported_on(path: Path, tmp_path: Path) -> None:
    page = report([path], tmp_path / "report.html").read_text()
    assert "keep the pole up" in page
    assert "alice" in page


def test_it_is_exported(path: Path, tmp_path: Path) -> None:
    rows = export(path, "jsonl", tmp_path / "exported")
    assert (rows["questions"], rows["answers"], rows["films"]) == (16, 19, 1)
    told = [json.loads(line) for line in (tmp_path / "exported" / "answers.jsonl").read_text().splitlines()]
    assert sum(row["is_repeat"] for row in told) == 3
