"""What agents earn that have learned nothing."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from simple_agents import idle_returns, random_returns

from benchmarks.csv_rows import write
from prefrl.runs.run_dir import git_commit

RESULTS = Path(__file__).parents[1] / "results" / "floor.csv"


@dataclass(frozen=True)
class Floor:
    """Act at random, and not at all: where returns are negative, the table's shares begin at the better of the two."""

    envs: tuple[str, ...] = ("Pendulum-v1", "Reacher-v5")
    """Gymnasium ids."""

    episodes: int = 100
    """Episodes of each kind."""

    results: Path = RESULTS
    """CSV file; it is written anew."""


def floor(what: Floor) -> None:
    """Print and write a row for each environment."""
    records = []
    for env_id in what.envs:
        at_random, idle = (f(env_id, {}, seed=0, episodes=what.episodes) for f in (random_returns, idle_returns))
        record = {
            "env_id": env_id,
            "episodes": what.episodes,
            "at_random": round(float(np.mean(at_random)), 1),
            "idle": round(float(np.mean(idle)), 1),
            "git_commit": git_commit(),
            "command": shlex.join(["python", *sys.argv]),
        }
        print(*list(record.values())[:-2], flush=True)
        records.append(record)
    write(what.results, records)
