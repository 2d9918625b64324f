import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from prefrl.config.run import TrainConfig
from prefrl.runs.run_dir import RunDir
from prefrl.training.loggers import check_installed, make_logger

CONFIG = TrainConfig("MoveRight-v0")


def test_what_is_recorded_is_in_tensorboard(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", CONFIG)
    logger = make_logger(CONFIG, run)
    logger.record("reward/held_out_accuracy", 0.75)
    logger.dump(100)
    logger.close()
    events = EventAccumulator(str(run.tensorboard)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("reward/held_out_accuracy")] == [(100, 0.75)]


def test_weights_and_biases_gets_the_same_by_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = dataclasses.replace(CONFIG, wandb="a-project")
    check_installed(config)
    run = RunDir.create(tmp_path / "run", config)
    logger = make_logger(config, run)
    logger.record("reward/held_out_accuracy", np.float32(0.75))
    logger.record("run/words", "left out")
    logger.dump(100)
    logger.close()
    (written,) = (run.path / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 60
    while b"held_out_accuracy" not in (data := written.read_bytes()):  # another process writes it
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert b"0.75" in data
    assert b"left out" not in data
    assert (run.path / "tensorboard").is_dir()


def test_a_logger_that_is_not_installed_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    code = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, package=None: None if name == 'wandb' else found(name, package)\n"
        "from prefrl.cli.main import main\n"
        "sys.exit(main(['train', 'CartPole-v1', '--wandb', 'a-project']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'prefrl[wandb]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
