"""Try the label forecast on finished runs: forecast from half of the answers what all of them reached."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tyro.conf import Positional

from benchmarks.csv_rows import write
from prefrl.evaluation.forecast import Point, extrapolate, learning_curve
from prefrl.feedback.answer import informative
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.store.run_store import open_store

RESULTS = Path(__file__).parents[1] / "results" / "forecast.csv"


@dataclass(frozen=True)
class Forecast:
    """Try the label forecast on finished runs: forecast from half of the answers what all of them reached.

    A random half of a run's answers forecasts how many it takes to reach the agreement at the end of the whole learning
    curve. The truth is the number of answers there.
    """

    runs: Positional[tuple[Path, ...]]
    """Run folders."""

    results: Path = RESULTS
    """CSV file; it is written anew."""


def back_test(path: Path) -> dict[str, Any]:
    run = RunDir.open(path)
    config = run.config.reward_model
    with open_store(run) as store:
        used = [answer for answer in informative(store.answers()) if answer.is_decided]
    whole = learning_curve(used, config, np.random.default_rng(0))
    some = np.random.default_rng(1).permutation(len(used))[: len(used) // 2]
    half = learning_curve([used[i] for i in some], config, np.random.default_rng(2))
    command = shlex.join(["python", *sys.argv])
    return {"run": path.name, **judge(whole, half), "git_commit": git_commit(), "command": command}


def judge(whole: list[Point], half: list[Point]) -> dict[str, Any]:
    """The forecast from `half` of what `whole` reached; its error is the factor that it is off by."""
    now, end = half[-1], whole[-1]
    goal = min(0.99, max(0.51, end.right / end.decided))
    found = extrapolate(half, now.labels, goal)
    total, low, high = (now.labels + more for more in (found.more, *found.ci95))
    return {
        "labels": now.labels,
        "agreement": round(now.right / now.decided, 3),
        "goal": round(goal, 3),
        "took": end.labels,
        "forecast": total,
        "low": low,
        "high": high,
        "factor": round(max(total / end.labels, end.labels / total), 2),
        "held": low <= end.labels <= high,
    }


def forecast(what: Forecast) -> None:
    """Print and write a row for each run."""
    torch.set_num_threads(1)
    rows = []
    for path in what.runs:
        rows.append(back_test(path))
        print(rows[-1], flush=True)
    factors = [row["factor"] for row in rows]
    print(f"median factor {np.median(factors):.2f}; the interval held {sum(r['held'] for r in rows)} of {len(rows)}")
    write(what.results, rows)
