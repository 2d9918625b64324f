"""What scripts/faults.py breaks, in the numbers that there is time for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "faults.py"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("damage", 50),
        pytest.param("damage", 1000, marks=pytest.mark.long),
        pytest.param("resume", 10, marks=pytest.mark.long),
        pytest.param("answers", 50, marks=pytest.mark.long),
        pytest.param("guards", 1, marks=pytest.mark.long),
    ],
)
def test_no_fault_gets_by(what: str, count: int) -> None:
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SCRIPT), what, "--count", str(count)]
    done = subprocess.run(command, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{what}: ")
