"""What an agent earns that acts at random."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from csv_rows import append

from prefrl.environments import make_env
from prefrl.run_dir import git_commit

RESULTS = Path(__file__).parent / "results" / "chance.csv"


@dataclass(frozen=True)
class Chance:
    """Act at random: where returns are negative, the table's shares begin there."""

    envs: tuple[str, ...] = ("Pendulum-v1", "Reacher-v5")
    """Gymnasium ids."""

    episodes: int = 100
    """Episodes in each."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def chance(what: Chance) -> None:
    """Print and append a row for each environment."""
    for env_id in what.envs:
        returns = random_returns(env_id, {}, seed=0, episodes=what.episodes)
        record = {
            "env_id": env_id,
            "episodes": what.episodes,
            "true_return": round(float(np.mean(returns)), 1),
            "true_return_std": round(float(np.std(returns)), 1),
            "git_commit": git_commit(),
            "command": shlex.join(["python", *sys.argv]),
        }
        print(f"{env_id}: {record['true_return']} ± {record['true_return_std']}")
        append(what.results, record)


def random_returns(env_id: str, env_kwargs: Mapping[str, Any], seed: int, episodes: int) -> list[float]:
    """True returns of `episodes` episodes, the first of them reset with `seed`."""
    env = make_env(env_id, dict(env_kwargs))
    env.action_space.seed(seed)
    returns = []
    for episode in range(episodes):
        env.reset(seed=seed + episode)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, done = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns
