"""Back-test the label forecast on finished runs: what half of the answers foretell, against what all of them reached.

    .venv/bin/python scripts/benchmark_forecast.py RUN_DIR...

From a random half of a run's answers it is forecast how many it takes to reach the agreement that the whole learning
curve has at its end; the truth is the number of answers there. Writes scripts/results/forecast.csv.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from csv_rows import write

from prefrl.evaluation.forecast import Point, extrapolate, learning_curve
from prefrl.rewards.fit import usable
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.store.store import Store

RESULTS = Path(__file__).parent / "results" / "forecast.csv"


def back_test(path: Path) -> dict[str, Any]:
    run = RunDir.open(path)
    config = run.config.reward_model
    with Store(run.store_url) as store:
        used = [p for p in usable(store.preferences()) if p.choice != "tie"]
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


def main(paths: list[Path]) -> None:
    torch.set_num_threads(1)
    rows = []
    for path in paths:
        rows.append(back_test(path))
        print(rows[-1], flush=True)
    factors = [row["factor"] for row in rows]
    print(f"median factor {np.median(factors):.2f}; the interval held {sum(r['held'] for r in rows)} of {len(rows)}")
    write(RESULTS, rows)


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
