"""Learn rewards from the first answers of finished runs, and see whether they name the better side of the next."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from csv_rows import append
from numpy.typing import NDArray
from tyro.conf import Positional

from prefrl.config import RewardConfig
from prefrl.fit import fit, make_ensemble, usable
from prefrl.metrics import iqm
from prefrl.run_dir import RunDir, git_commit
from prefrl.segments import stack
from prefrl.store import Store
from prefrl.types import Preference

RESULTS = Path(__file__).parent / "results" / "fit.csv"


@dataclass(frozen=True)
class Fit:
    """Compare settings of the reward model on the stores of finished runs, in minutes and without an agent."""

    runs: Positional[tuple[Path, ...]]
    """Run folders of one environment."""

    settings: tuple[str, ...] = ("{}",)
    """Fields of the reward model to set, as JSON, for example '{"members": 3}' '{"members": 7}'."""

    labels: tuple[int, ...] = (20, 40, 60, 100, 200, 400)
    """First answers to learn from; a number that is too high for a run is left out there."""

    ahead: int = 60
    """Questions that followed, and that the reward is tried on."""

    fits: int = 2
    """Initialisations of each fit."""

    results: Path = RESULTS
    """CSV file that rows are appended to."""


def compare(what: Fit) -> None:
    """Append a row for each setting and number of labels: means over runs and fits."""
    torch.set_num_threads(1)
    runs = [RunDir.open(path) for path in what.runs]
    for words in what.settings:
        for labels in what.labels:
            figures = []
            for run in runs:
                with Store(run.store_url) as store:
                    answers = usable(store.preferences())
                config = replace(run.config.reward_model, **_fields(words))
                if len(answers) >= labels + what.ahead:
                    some = answers[:labels], answers[labels : labels + what.ahead]
                    figures += [tried(*some, config, seed) for seed in range(what.fits)]
            if figures:
                record = row(what, words, labels, figures)
                append(what.results, record)
                print(*record.values(), flush=True)


def _fields(words: str) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(words).items()}


def tried(known: Sequence[Preference], new: Sequence[Preference], config: RewardConfig, seed: int) -> NDArray[Any]:
    """(2,) Share of pairs `new` whose truly better side a reward learned from `known` names, and its correlation with
    the true difference of returns. What was answered does not count: it may be mistaken."""
    generator = torch.Generator().manual_seed(seed)
    segment = known[0].query.left
    ensemble = make_ensemble(config, segment.obs.shape[1], segment.actions.shape[1], generator)
    fit(ensemble, known, config=config, generator=generator)
    sides = [[getattr(p.query, side) for p in new] for side in ("left", "right")]
    left, right = (ensemble.returns(*stack(side)).mean(0) for side in sides)
    true = np.array([p.query.left.true_return - p.query.right.true_return for p in new])
    decided = true != 0
    right_sides = np.sign(left - right)[decided] == np.sign(true)[decided]
    return np.array([right_sides.mean(), np.corrcoef(left - right, true)[0, 1]])


def row(what: Fit, words: str, labels: int, figures: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """One line of the results."""
    agreement, correlation = np.transpose(figures)
    first = RunDir.open(what.runs[0])
    return {
        "env_id": first.config.env_id,
        "mistaken": first.config.oracle.mistake,
        "settings": words,
        "labels": labels,
        "fits": len(figures),
        "agreement": round(float(agreement.mean()), 3),
        "agreement_iqm": round(iqm(agreement), 3),
        "lowest": round(float(agreement.min()), 3),
        "correlation": round(float(correlation.mean()), 3),
        "git_commit": git_commit(),
        "command": f"python scripts/benchmark.py fit {' '.join(map(os.fspath, what.runs))} "
        f"--settings '{words}' --labels {labels}",
    }
