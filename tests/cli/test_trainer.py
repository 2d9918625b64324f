"""The trainer that a window starts."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from small import SMALL

from prefrl.config.saved import to_json
from prefrl.runs.run_dir import RunDir


def test_it_trains_what_it_reads(tmp_path: Path) -> None:
    config = replace(SMALL, env_id="CartPole-v1", run_dir=tmp_path / "run")
    command = [sys.executable, "-m", "prefrl.cli.trainer"]
    done = subprocess.run(command, input=json.dumps(to_json(config)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert RunDir(tmp_path / "run").config == config
    again = subprocess.run(command, input=json.dumps(to_json(config)), capture_output=True, text=True, timeout=60)
    assert again.returncode == 2
    assert again.stderr.startswith("prefrl: error: ")
