"""Train and label in one command: the window in this process, the trainer in one beside it."""

import subprocess
import sys

from prefrl.config import TrainConfig
from prefrl.label.display import require_display
from prefrl.label.window import label
from prefrl.train import create


def train_and_label(config: TrainConfig) -> int:
    """Open the labelling window on a new run that trains meanwhile; the trainer's exit code.

    Either may end first. When the window is closed, training goes on with the answers it has, and waits for more.
    """
    require_display()
    run = create(config)
    trainer = subprocess.Popen([sys.executable, "-m", "prefrl", "resume", str(run.path)])
    try:
        label(run.path)
        if trainer.poll() is None:
            print(f"Training goes on; open the window again with: prefrl label {run.path}", file=sys.stderr)
        return trainer.wait()
    except BaseException:  # Ctrl-C and SIGTERM too: nothing is left behind
        trainer.terminate()
        trainer.wait()
        raise
