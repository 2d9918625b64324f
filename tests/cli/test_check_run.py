import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from small_runs import SMALL

from prefrl.cli import main as cli
from prefrl.runs.run_dir import RunDir
from prefrl.training.loop import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(SMALL, tmp_path_factory.mktemp("trained") / "run").path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunDir:
    """A run of its own for each test to damage."""
    shutil.copytree(trained, tmp_path / "run")
    return RunDir.open(tmp_path / "run")


def told(run: RunDir, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines that tell of problems."""
    code = cli.main(["doctor", str(run.path)])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[-1] == ("All is whole." if code == 0 else out.splitlines()[-1])
    return code, [line for line in out.splitlines() if line.startswith("PROBLEM")]


def test_a_healthy_run(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(run, capsys) == (0, [])


def test_a_run_that_has_not_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(RunDir.create(tmp_path / "run", SMALL), capsys) == (0, [])


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    assert cli.main(["doctor", str(tmp_path)]) == 2


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("config.json", 2, "its contents do not match its SHA-256"),
        ("checkpoints/*/policy.safetensors", 5, "prefrl resume goes on from step"),
        ("checkpoints/*/manifest.json", 5, "manifest.json is damaged"),
        ("agent.zip", 5, "agent.zip is damaged"),
        ("metrics.jsonl", 5, "metrics.jsonl is damaged"),
        ("tensorboard/*", 5, "tensorboard/events"),
    ],
)
def test_a_changed_digit_is_found(
    name: str, code: int, said: str, run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    file = max(run.path.glob(name))
    data = bytearray(file.read_bytes())
    numbers = re.compile(rb"\d(?!\d)")  # the last digit of one: JSON may have no other that begins with 0
    at = next(numbers.finditer(data, len(data) // 2)).start()
    data[at] ^= 1
    file.write_bytes(data)
    got, [problem] = told(run, capsys)
    assert got == code
    assert said in problem


@pytest.mark.fault
def test_a_damaged_store_tells_what_can_still_be_read(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    file = run.path / "preferences.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("UPDATE segments SET arrays = zeroblob(length(arrays)) WHERE id = 3")
    connection.commit()
    connection.close()
    code, problems = told(run, capsys)
    assert code == 4
    assert "a row of segments does not match its checksum" in problems[0]
    readable = int(re.findall(r"; (\d+) answers and undos in it can still be read", problems[0])[0])
    assert 10 < readable < SMALL.labels  # all but those about that segment
    file.write_bytes(file.read_bytes()[:5000])
    code, problems = told(run, capsys)
    assert code == 4
    assert "can still be read" in problems[0]
    file.unlink()
    code, problems = told(run, capsys)
    assert (code, "missing; restore a copy" in problems[0]) == (4, True)
