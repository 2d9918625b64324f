"""The demo: an agent learns from preferences; it is compared with a random one, and filmed. Options: `prefrl train`."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from simple_agents import random_returns

from prefrl.cli.doctor import check_rendering
from prefrl.cli.main import guard, parse
from prefrl.config.run import TrainConfig
from prefrl.errors import EnvError
from prefrl.evaluation.evaluate import evaluate
from prefrl.training.loop import train

ENV_ID = "Hopper-v5"
STEPS = 300_000  # of the preset's 500_000: enough to hop, in three fifths of the time
EPISODES = 20


def demo(argv: Sequence[str]) -> int:
    """Train, evaluate, film, and print a table of the result."""
    config = parse(["train", ENV_ID, "--steps", str(STEPS), *argv])
    assert isinstance(config, TrainConfig)
    rendering = check_rendering()
    if rendering.remedy:
        raise EnvError(f"{rendering.found}; {rendering.remedy}")
    run_dir = config.run_dir or free_folder()
    train(config, run_dir)
    video = run_dir / "agent.mp4"
    result = evaluate(run_dir, episodes=EPISODES, video=video)
    at_random = random_returns(config.env_id, config.env_kwargs, config.seed, EPISODES)

    table = Table("agent", "true return", title=f"{ENV_ID}: {config.steps} steps, {config.labels} preferences")
    table.add_row("random", f"{np.mean(at_random):.0f} ± {np.std(at_random):.0f}")
    table.add_row("taught by preferences", f"{result.true_return.mean:.0f} ± {result.true_return.std:.0f}")
    console = Console()
    console.print(table)
    console.print(f"Everything is in {run_dir}; watch {video}", soft_wrap=True)
    return 0


def free_folder() -> Path:
    """The first of runs/demo-1, runs/demo-2, ... that does not exist yet."""
    folders = (Path("runs") / f"demo-{number}" for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


if __name__ == "__main__":
    sys.exit(guard(demo, sys.argv[1:]))
