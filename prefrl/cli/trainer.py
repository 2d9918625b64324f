"""The trainer beside a window: `python -m prefrl.cli.trainer` reads the settings of a new run from standard input."""

import json
import sys

from prefrl.cli.main import guard
from prefrl.config.run import TrainConfig
from prefrl.config.saved import from_json
from prefrl.watchdog import watch


def main() -> int:
    """Train; the exit code."""
    config = from_json(json.load(sys.stdin))
    return guard(lambda _: watch(lambda: guard(lambda _: _train(config), [])), [])


def _train(config: TrainConfig) -> int:
    from prefrl.training.loop import train  # here, as it loads torch: what watches needs none

    train(config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
