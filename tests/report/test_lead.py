import dataclasses
import shlex
from pathlib import Path
from typing import Any

from report_runs import made_up, trained

from prefrl.config.teachers import OracleConfig
from prefrl.data.verdict import Level, Verdict
from prefrl.report.gather import Run, gather
from prefrl.report.lead import lead
from prefrl.rewards.foresight import Foresight
from prefrl.rewards.verdict import verdict
from prefrl.runs.run_dir import RunDir

DONE: list[dict[str, Any]] = [{"num_timesteps": 10**6, "true_return": 1.0}]


def ended(folder: Path, level: Level, metrics: list[dict[str, Any]] = DONE, **changes: Any) -> Run:
    """A run with a verdict, in a folder that exists."""
    (folder / "run").mkdir(exist_ok=True)
    run = made_up(metrics, **changes)
    return dataclasses.replace(run, run_dir=RunDir(folder / "run"), verdict=Verdict(level, "Said."))


def test_contradictory_answers_are_mended_before_anything_else(tmp_path: Path) -> None:
    """In a folder that is free, in the same environment."""
    (tmp_path / "run-2").mkdir()
    config: dict[str, Any] = {"teacher": "human", "env_kwargs": {"size": 3, "name": "a b"}}
    for metrics in ([], DONE):
        found = lead(ended(tmp_path, "bad", metrics, **config))
        assert found.then.startswith("Agree on one goal")
        words = shlex.split(found.command)
        start = words.index("--env-kwargs")
        assert words[start : start + 6] == ["--env-kwargs", "size", "3", "name", "a b", "--algorithm"]
        assert words[words.index("--run-dir") + 1] == str(tmp_path / "run-3")
        assert words[-4:] == ["--teacher", "human", "--goal", "..."]


def test_an_oracle_is_not_told_to_agree(tmp_path: Path) -> None:
    mistaken = lead(ended(tmp_path, "bad", oracle=OracleConfig(mistake=0.5)))
    assert mistaken.command.endswith("--oracle.mistake 0")
    assert lead(ended(tmp_path, "bad")).command == f"prefrl resume {tmp_path}/run --labels +100"


def test_a_run_that_has_not_finished_goes_on(tmp_path: Path) -> None:
    assert lead(ended(tmp_path, "unknown", [])).command == f"prefrl resume {tmp_path}/run"
    assert lead(ended(tmp_path, "unknown")).command == f"prefrl resume {tmp_path}/run --labels +50"


def test_nothing_acts_in_an_environment_whose_frames_were_recorded(tmp_path: Path) -> None:
    """It may be a robot."""
    run = gather(trained(tmp_path / "run").path, "run")
    for file in (tmp_path / "run" / "shown").glob("*"):
        file.unlink()
    assert lead(run).video is not None
    robot = dataclasses.replace(run, config=dataclasses.replace(run.config, record_frames=True))
    assert lead(robot).missing == "Nothing of it was recorded"


def test_figures_are_told_in_plain_words() -> None:
    run = dataclasses.replace(made_up(), verdict=verdict(Foresight(37, 0, 37, 34, 1e-6)))
    assert lead(run).trust.startswith(
        "Of 37 answers, 34 (92%) were predicted from the others; guessing would get half (95 % interval 79% to 97%)."
    )
