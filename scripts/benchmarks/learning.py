"""Train environments x arms x seeds, evaluate each, and keep a row of CSV per run."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.csv_rows import append, rows

RESULTS = Path(__file__).parents[1] / "results" / "learning.csv"
PREFRL = [sys.executable, "-W", "ignore", "-m", "prefrl"]

ARMS = {
    "true": ["--reward", "true"],
    "learned": [],
    **{name: ["--selector", name] for name in ("uniform", "entropy", "kcentre", "disagreement_kcentre")},
    **{f"labels{count}": ["--labels", str(count)] for count in (100, 250, 1000)},
    "mistakes10": ["--oracle.mistake", "0.1"],
    "mistakes20": ["--oracle.mistake", "0.2"],
    **{f"beta{beta}": ["--oracle.beta", str(beta)] for beta in (1, 10)},
    "skips": ["--oracle.skip", "0.1"],
    "ties": ["--oracle.tie", "0.1"],
}
"""Arm -> options. Those of the oracle are the simulated teachers of B-Pref (Lee et al. 2021).

B-Pref's rationality of 1 is for each unit of a clip's return, between 0 and 50 there; ours is for each standard
deviation of recent returns: with 1 a teacher errs in a quarter of random pairs, and 10 comes nearer to B-Pref's.
"""


@dataclass(frozen=True)
class Learning:
    """Train and evaluate environments x arms x seeds; started again, do what is missing."""

    envs: tuple[str, ...] = ("HalfCheetah-v5", "Hopper-v5", "LunarLander-v3", "CartPole-v1", "Pendulum-v1")
    """Gymnasium ids."""

    arms: tuple[str, ...] = ("learned", "true")
    """What is compared; see ARMS in this file. `true` is the same agent paid the true reward."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each environment, arm and seed."""

    options: str = ""
    """More options of `prefrl train` for every run, in one string: --options='--steps 200000'"""

    episodes: int = 20
    """Episodes of each evaluation: deterministic policy, untouched environment."""

    jobs: int = 2
    """Runs at a time."""

    runs: Path = Path("runs/benchmark")
    """Where the run folders go; those with --options in a folder of these."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def learning(what: Learning) -> None:
    """Do what is missing of `what`."""
    missing = jobs_left(what)  # of other options, none: told before the first run takes its minutes
    with ThreadPoolExecutor(what.jobs) as pool:
        list(pool.map(lambda job: one_run(what, *job), missing))


def jobs_left(what: Learning) -> list[tuple[str, int, str]]:
    """Environment, seed and arm of each run that the CSV lacks.

    Raises:
        SystemExit: the CSV has one of them with other options.
    """
    done = {(r["env_id"], r["seed"], r["arm"]): r["command"] for r in rows(what.results)}
    left = []
    for env_id, seed, arm in itertools.product(what.envs, what.seeds, what.arms):
        command = done.get((env_id, str(seed), arm))
        if command is None:
            left.append((env_id, seed, arm))
        elif not command.endswith(shlex.join(train_options(what, seed, arm))):
            raise SystemExit(f"{what.results} has {env_id} {arm} seed {seed} with other options; name other --results")
    return left


def train_options(what: Learning, seed: int, arm: str) -> list[str]:
    """What `prefrl train` is told beside the environment and the folder."""
    return ["--seed", str(seed), *ARMS[arm], *shlex.split(what.options)]


def one_run(what: Learning, env_id: str, seed: int, arm: str) -> None:
    """Train, evaluate and write the row, unless another process has written it meanwhile."""
    if not jobs_left(replace(what, envs=(env_id,), seeds=(seed,), arms=(arm,))):
        return
    of_options = re.sub(r"[^\w.-]+", "_", what.options).strip("_-")  # a folder of their own, or none
    run_dir = what.runs / of_options / f"{env_id}-{arm}-{seed}"
    train = ["train", env_id, "--run-dir", str(run_dir), *train_options(what, seed, arm)]
    resumed = run_dir.exists()
    start = time.monotonic()
    run(["resume", str(run_dir)] if resumed else train)
    wall = time.monotonic() - start
    result = json.loads(run(["evaluate", str(run_dir), "--episodes", str(what.episodes), "--json"]))
    append(what.results, row(run_dir, arm, seed, None if resumed else wall, result, "prefrl " + shlex.join(train)))
    print(f"{env_id} {arm} seed {seed}: {result['true_return']['mean']:.1f}  ({wall:.0f} s)", flush=True)


def run(arguments: list[str]) -> str:
    """Standard output of a prefrl command, run on one thread."""
    return on_one_thread([*PREFRL, *arguments])


def on_one_thread(command: Sequence[str | Path]) -> str:
    """Standard output of a command that runs on one thread.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        shown = " ".join(str(word) for word in command if "\n" not in str(word))  # programs are words too
        raise SystemExit(f"{shown} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def row(run_dir: Path, arm: str, seed: int, wall: float | None, result: dict[str, Any], command: str) -> dict[str, Any]:
    """One line of the CSV: results of a run, and what it takes to repeat it."""
    saved = json.loads((run_dir / "config.json").read_text())
    rounds = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    memory = [s["peak_memory_mb"] for s in rounds if s["num_timesteps"] >= 100_000]
    seconds = {part: sum(s.get(f"seconds/{part}") or 0 for s in rounds) for part in ("fit", "ask")}
    model = result["reward_model"] or {}
    return {
        "env_id": result["env_id"],
        "arm": arm,
        "seed": seed,
        "labels": result["num_preferences"],
        "num_timesteps": result["num_timesteps"],
        "true_return": result["true_return"]["mean"],
        "true_return_std": result["true_return"]["std"],
        "true_return_iqm": result["true_return"]["iqm"],
        "preference_accuracy": model.get("preference_accuracy"),
        "spearman_step": model.get("spearman_step"),
        "spearman_segment": model.get("spearman_segment"),
        "wall_seconds": wall and round(wall, 1),
        "steps_per_second": wall and round(result["num_timesteps"] / wall, 1),
        "fit_and_ask_share": wall and round(sum(seconds.values()) / wall, 4),
        "memory_growth_mb": round(max(memory) - memory[0], 1) if memory and wall else None,
        "git_commit": saved["git_commit"],
        "versions": " ".join(f"{k}={v}" for k, v in saved["versions"].items()),
        "command": command,
    }
