"""What the run folder shows, from records by hand and from real processes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from label_bot import Run

from prefrl.labelling.trainer_status import TrainerWatch, Training, summarise
from prefrl.runs.processes import is_alive


def test_the_next_clips_come_when_a_round_as_long_as_the_last_one_is_over() -> None:
    records = [
        {"num_timesteps": 500, "reward/held_out_accuracy": 0.75, "seconds/train": 9.0, "seconds/explore": 5.0}
        | {"reward/held_out_decided": 12},
        {"num_timesteps": 900, "seconds/train": 20.0, "seconds/fit": 4.0, "seconds/wait": 100.0},
    ]
    assert summarise(records, 1000, 10.0, is_running=True) == Training(1000, 900, 0.75, True, 14.0, 12)
    assert summarise(records, 1000, 99.0, is_running=True).next_clips == 1.0
    assert summarise(records, 1000, 10.0, is_running=False).next_clips is None
    assert summarise([], 1000, 10.0, is_running=True) == Training(1000, is_running=True)


def test_a_finished_run_may_be_given_more_to_do(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create(2)
    run.metrics_path.write_text('{"num_timesteps": 1000}\n')
    run.write_config(replace(run.config, steps=1000))
    watch = TrainerWatch(run)
    assert watch.read().is_over
    run.write_config(replace(run.config, steps=2000, labels=5))
    assert (watch.read().is_over, watch.read().steps, watch.config.labels) == (False, 2000, 5)
    (run.path / "config.json").unlink()
    assert watch.read().steps == 2000


def test_a_process_is_alive_until_it_ends() -> None:
    assert is_alive(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert is_alive(process.pid)
        process.kill()
        process.wait()
        assert not is_alive(process.pid)
    assert not is_alive(2**40)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_process_that_nobody_has_waited_for_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended, and still has its number
        assert not is_alive(process.pid)
