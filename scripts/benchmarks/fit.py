"""Learn rewards from the first answers of finished runs, and see whether they name the better of clips shown later."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tyro.conf import Positional

from benchmarks.csv_rows import append
from prefrl.config.presets import preset
from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import stack
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer, informative
from prefrl.rewards.ensemble import RewardEnsemble, make_ensemble
from prefrl.rewards.fit import fit
from prefrl.rewards.metrics import pearson, preference_accuracy
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.store.run_store import open_store

RESULTS = Path(__file__).parents[1] / "results" / "fit.csv"

Begun = tuple[RewardEnsemble, torch.Generator]
"""An ensemble to learn, and what its fits draw from."""


@dataclass(frozen=True)
class Fit:
    """Compare settings of the reward model on the answers of finished runs: in minutes, and without an agent."""

    runs: Positional[tuple[Path, ...]]
    """Run folders of one environment and one kind of teacher."""

    settings: tuple[str, ...] = ("{}",)
    """Fields of the preset's reward model to set, as JSON, for example '{"members": 3}' '{"bootstrap": true}'."""

    labels: tuple[int, ...] = (20, 40, 60, 100, 200, 400)
    """First answers to learn from; a run with too few is left out."""

    ahead: int = 60
    """Questions that followed; their clips, in other pairs, are what the reward is tried on."""

    warm: bool = False
    """Whether a fit goes on from the one to fewer labels, as in training, in place of beginning anew."""

    fits: int = 2
    """Initialisations of each fit."""

    results: Path = RESULTS
    """CSV file that rows are appended to."""


def compare(what: Fit) -> None:
    """Append a row for each setting and number of labels: means over runs and fits.

    Raises:
        SystemExit: the runs cannot be compared with each other, or none has enough answers.
    """
    torch.set_num_threads(1)
    configs = [RunDir.open(path).config for path in what.runs]
    if len({(config.env_id, config.oracle) for config in configs}) != 1:
        raise SystemExit("the runs are of several environments or teachers; name runs of one only")
    spaces, answers = _spaces(what.runs[0]), [_answers(path) for path in what.runs]
    needed = max(what.labels) + what.ahead
    if all(len(a) < needed for a in answers):
        raise SystemExit(f"no run has {needed} answers; name other runs or lower --labels")
    for words in what.settings:
        model = replace(preset(configs[0].env_id).reward_model, **_fields(words))
        model = preset(configs[0].env_id, reward_model=model).reward_model  # which checks it
        begun: dict[tuple[int, int], Begun] = {}  # by run and seed
        for labels in sorted(what.labels):
            figures = []
            for (i, answered), seed in product(enumerate(answers), range(what.fits)):
                if len(answered) < labels + what.ahead:
                    continue
                if not what.warm or (i, seed) not in begun:
                    begun[i, seed] = begin(spaces, model, seed)
                known, later = answered[:labels], answered[labels : labels + what.ahead]
                figures.append(tried(begun[i, seed], known, later, model, seed))
            agreement, correlation = np.transpose(figures)
            record = {
                "env_id": configs[0].env_id,
                "mistaken": configs[0].oracle.mistake,
                "settings": words,
                "warm": what.warm,
                "labels": labels,
                "ahead": what.ahead,
                "fits": len(figures),
                "agreement": round(float(agreement.mean()), 3),
                "lowest": round(float(agreement.min()), 3),
                "correlation": round(float(correlation.mean()), 3),
                "git_commit": git_commit(),
                "command": shlex.join(["python", *sys.argv]),
            }
            append(what.results, record)
            print(*list(record.values())[:-2], flush=True)


def _spaces(path: Path) -> Spaces:
    with open_store(RunDir.open(path)) as store:
        info = store.info()
    assert info is not None
    return info.spaces


def _answers(path: Path) -> list[Answer]:
    with open_store(RunDir.open(path)) as store:
        return informative(store.answers())


def _fields(words: str) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(words).items()}


def begin(spaces: Spaces, config: RewardConfig, seed: int) -> Begun:
    """An ensemble that has learned nothing."""
    generator = torch.Generator().manual_seed(seed)
    return make_ensemble(config, spaces, generator), generator


def tried(
    begun: Begun, known: Sequence[Answer], later: Sequence[Answer], config: RewardConfig, seed: int
) -> tuple[float, float]:
    """Teach `begun` also `known`. How often it names the truly better of two clips, and its correlation with the truth.

    The clips are those of `later`, paired anew: the pairs that were asked about are those of which the run's own reward
    was least sure. What was answered does not count: it may be mistaken.
    """
    ensemble, generator = begun
    clips = [clip for answer in later for clip in answer.question.segments]
    fit(ensemble, known, config=config, generator=generator)
    order = np.random.default_rng(seed).permutation(len(clips))
    learned = ensemble.returns(stack(clips)).mean(0)[order]
    true = np.array([clip.true_return for clip in clips])[order]
    learned, true = learned[::2] - learned[1::2], true[::2] - true[1::2]
    return preference_accuracy(learned, (np.sign(true) + 1) / 2), pearson(learned, true)
