"""Train on answers that are right, by chance or wrong in a tenth, and see what is said of the rewards learned."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.csv_rows import append, rows
from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.config.teachers import OracleConfig
from prefrl.rewards.verdict import figures, judged
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.training.loop import train

RESULTS = Path(__file__).parents[1] / "results" / "verdict.csv"
STEPS = {
    "CartPole-v1": 20_000,
    "Pendulum-v1": 30_000,
    "Hopper-v5": 40_000,
    "HalfCheetah-v5": 40_000,
    "LunarLander-v3": 40_000,
}
LABELS = (60, 150)  # of each run's first and second seed
TEACHERS = {"right": 0.0, "random": 0.5, "tenth": 0.1}
"""Name -> share of answers that are the opposite of what the oracle means."""


@dataclass(frozen=True)
class Verdicts:
    """Count how many rewards learned from right and from random answers are called good, doubtful and bad.

    Each of five environments has a run of 60 and one of 150 labels with right answers, as many with random ones, and
    one of 150 with a tenth of them wrong. Takes half an hour on one core.
    """

    runs: Path = Path("runs/verdict")
    """Where the run folders go; a finished run is taken as it is."""

    first_seed: int = 10
    """Seed of the runs of 60 labels; those of 150 have the next."""

    results: Path = RESULTS
    """CSV file that rows are appended to; a run that has one is left out."""


def cases(first_seed: int) -> Iterator[tuple[str, str, TrainConfig]]:
    """Name, teacher and settings of each run."""
    for (place, labels), (teacher, mistake), (env_id, steps) in product(
        enumerate(LABELS), TEACHERS.items(), STEPS.items()
    ):
        if teacher != "tenth" or place == 1:
            seed, oracle = first_seed + place, OracleConfig(mistake=mistake)
            yield (
                f"{env_id}-{teacher}-{labels}-{seed}",
                teacher,
                preset(env_id, steps=steps, labels=labels, seed=seed, oracle=oracle),
            )


def row(name: str, teacher: str, run: RunDir) -> dict[str, Any]:
    """What is said of the run's reward, judged anew."""
    config = run.config
    with open_store(run) as store:
        answers = store.answers()
    began = time.process_time()
    said = judged(answers, config.reward_model)
    found = figures(said)
    assert found is not None
    kept = run.verdict()
    return {
        "run": name,
        "env_id": config.env_id,
        "teacher": teacher,
        "steps": config.steps,
        "labels": config.labels,
        "seed": config.seed,
        "level": said.level,
        "right": found.right,
        "decided": found.decided,
        "chance": f"{found.chance:.1e}",
        "varied_clips": f"{found.order_share:.3f}",
        "same_as_trainer": kept is not None and kept.sentence == said.sentence,
        "cpu_seconds": f"{time.process_time() - began:.1f}",
        "git_commit": json.loads((run.path / "config.json").read_text())["git_commit"],
        "command": shlex.join(["python", *sys.argv]),
    }


def verdicts(what: Verdicts) -> None:
    """Make the runs and rows that are missing, and print how often each level is given to each teacher."""
    torch.set_num_threads(1)
    done = {record["run"] for record in rows(what.results)}
    for name, teacher, config in cases(what.first_seed):
        if name not in done:
            path = what.runs / name
            run = RunDir.open(path) if (path / "verdict.json").exists() else train(config, path)
            append(what.results, row(name, teacher, run))
    for teacher in TEACHERS:
        levels = [record["level"] for record in rows(what.results) if record["teacher"] == teacher]
        print(teacher, {level: levels.count(level) for level in sorted(set(levels))})
