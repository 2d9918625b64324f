"""Train and label in one command: the window in this process, the trainer in another."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from prefrl.config.run import TrainConfig
from prefrl.data.text import shell
from prefrl.labelling.window.app import label
from prefrl.labelling.window.display import require_display
from prefrl.training.loop import create


def train_and_label(config: TrainConfig) -> int:
    """Open the labelling window on a new run that trains meanwhile; the trainer's exit code.

    Either may end first. When the window is closed, or its display is gone, the trainer goes on with the answers that
    it has, and waits for more.
    """
    require_display()
    run = create(config)
    trainer = subprocess.Popen([sys.executable, "-m", "prefrl", "resume", str(run.path)])
    threading.Thread(target=trainer.wait, daemon=True).start()  # else it would look alive after its end
    try:
        label(run.path, on_lost=lambda: _finish(trainer, run.path))
    except BaseException:  # Ctrl-C and SIGTERM too: no trainer is left behind
        _stop(trainer)
        raise
    return _finish(trainer, run.path)


def _finish(trainer: subprocess.Popen[bytes], run_dir: Path) -> int:
    """Wait for the trainer's end; its exit code, as a shell would give it."""
    try:
        if trainer.poll() is None:
            print(
                f"Training goes on; open the window again with: prefrl label {shell(run_dir)}",
                file=sys.stderr,
                flush=True,
            )
        code = trainer.wait()
    except BaseException:
        _stop(trainer)
        raise
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):  # the process that watches it, or the trainer itself
        print(f"the trainer was killed; go on with: prefrl resume {shell(run_dir)}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def _stop(trainer: subprocess.Popen[bytes]) -> None:
    trainer.terminate()
    trainer.wait()
