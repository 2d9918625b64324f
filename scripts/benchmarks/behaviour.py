"""Measure what trained agents do, by the figures in their environments' `info`: flips, speeds, ..."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tyro.conf import Positional

from benchmarks.csv_rows import append
from prefrl.environments.make import make_env
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.training.learner import Learner

RESULTS = Path(__file__).parents[1] / "results" / "behaviour.csv"
TASTES = "smooth", "fast", "drift"
COUNTS = "flips", "turns"  # running totals, of which the last says all


@dataclass(frozen=True)
class Behaviour:
    """Measure what trained agents do, by the figures in their environments' `info`: flips, speeds, ...

    A driver is also scored by the tastes that it was not taught: that shows how different the agents are.
    """

    run_dirs: Positional[tuple[Path, ...]]
    """Folders of runs."""

    episodes: int = 20
    """Episodes to watch each for."""

    seed: int = 1_000_000
    """Seed of the first episode; the next ones follow."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def behaviour(asked: Behaviour) -> None:
    """Print and append a row for each figure of each run."""
    for run_dir in asked.run_dirs:
        for figure, (mean, std) in watch(RunDir.open(run_dir), asked.episodes, asked.seed).items():
            print(f"{run_dir}: {figure} {mean:.2f} +- {std:.2f}", flush=True)
            record = {"run": run_dir.name, "figure": figure, "mean": round(mean, 3), "std": round(std, 3)}
            append(asked.results, {**record, "episodes": asked.episodes, "git_commit": git_commit()})


def watch(run: RunDir, episodes: int, seed: int) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over episodes of the figures of a run's agent."""
    learner = Learner(run.config)
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        raise SystemExit(f"{run.path} has no checkpoint yet")
    learner.restore(checkpoint)
    tastes = TASTES if "taste" in run.config.env_kwargs else (None,)
    figures: dict[str, list[float]] = {}
    for taste, episode in itertools.product(tastes, range(episodes)):
        kwargs = {**run.config.env_kwargs, **({} if taste is None else {"taste": taste})}
        env = make_env(run.config.env_id, kwargs)
        infos, true_return = play(env, learner, seed + episode)
        env.close()
        figures.setdefault(f"return by {taste}" if taste else "return", []).append(true_return)
        if taste in (None, TASTES[0]):  # the same actions, whoever scores them
            for name, values in numbers(infos).items():
                figures.setdefault(name, []).append(values[-1] if name in COUNTS else float(np.mean(values)))
    return {name: (float(np.mean(values)), float(np.std(values))) for name, values in figures.items()}


def play(env: gym.Env[Any, Any], learner: Learner, seed: int) -> tuple[list[dict[str, Any]], float]:
    """The infos and the true return of an episode of the deterministic policy."""
    obs, _ = env.reset(seed=seed)
    infos, true_return, done = [], 0.0, False
    while not done:
        obs, reward, terminated, truncated, info = env.step(learner.algorithm.act(np.asarray(obs)[None])[0])
        infos.append(info)
        true_return, done = true_return + float(reward), terminated or truncated
    return infos, true_return


def numbers(infos: list[dict[str, Any]]) -> dict[str, list[float]]:
    """What is a number in every one of `infos`."""
    names = [name for name, value in infos[0].items() if isinstance(value, int | float | bool | np.number)]
    return {name: [float(info[name]) for info in infos] for name in names}
