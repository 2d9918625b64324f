"""Train and label in one command: the window in this process, the trainer in another."""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from prefrl.config.run import TrainConfig
from prefrl.config.saved import to_json
from prefrl.config.trust import trust
from prefrl.data.text import from_here, shell
from prefrl.labelling.window.app import label
from prefrl.labelling.window.display import require_display
from prefrl.runs.new_path import new_path, require_new


def train_and_label(config: TrainConfig) -> int:
    """Open the labelling window on a new run that trains meanwhile; the trainer's exit code.

    The window opens at once, and closes if the run cannot begin. Either may end first. When the window is closed, or
    its display is gone, the trainer goes on with the answers that it has, and waits for more.
    """
    require_display()
    trust(config.env_id)
    run_dir = new_path(config).absolute()
    require_new(run_dir)  # else the window would show what is there
    trainer = _start(replace(config, run_dir=run_dir))
    threading.Thread(target=trainer.wait, daemon=True).start()  # else it would look alive after its end
    try:
        label(
            run_dir,
            on_lost=lambda: _finish(trainer, run_dir),
            is_over=lambda: trainer.poll() is not None and not run_dir.exists(),
            starts=lambda: trainer.poll() is None,
        )
    except BaseException:  # Ctrl-C and SIGTERM too: no trainer is left behind
        _stop(trainer)
        raise
    return _finish(trainer, run_dir)


def _start(config: TrainConfig) -> subprocess.Popen[bytes]:
    """The trainer, which says itself why the run cannot begin."""
    trainer = subprocess.Popen([sys.executable, "-m", "prefrl.cli.trainer"], stdin=subprocess.PIPE)
    assert trainer.stdin is not None
    with trainer.stdin as pipe:
        pipe.write(json.dumps(to_json(config)).encode())
    return trainer


def _finish(trainer: subprocess.Popen[bytes], run_dir: Path) -> int:
    """Wait for the trainer's end; its exit code, as a shell would give it."""
    try:
        if trainer.poll() is None:
            print(
                f"Training goes on; open the window again with: prefrl label {shell(from_here(run_dir))}",
                file=sys.stderr,
                flush=True,
            )
        code = trainer.wait()
    except BaseException:
        _stop(trainer)
        raise
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):  # the process that watches it, or the trainer itself
        print(f"the trainer was killed; go on with: prefrl resume {shell(from_here(run_dir))}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def _stop(trainer: subprocess.Popen[bytes]) -> None:
    trainer.terminate()
    trainer.wait()
