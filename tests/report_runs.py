"""Small finished runs, and made-up ones, to report on. Import as `from report_runs import ...`."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from builders import make_query
from small import SMALL

from prefrl.feedback.answer import Preference
from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query
from prefrl.report.gather import Judged, Run
from prefrl.runs.run_dir import RunDir
from prefrl.store.claims import Given
from prefrl.training.loop import train


def trained(folder: Path, **changes: Any) -> RunDir:
    """A finished run of `SMALL`, with `changes`."""
    return train(dataclasses.replace(SMALL, **changes), folder)


def made_up(
    metrics: list[dict[str, Any]] | None = None,
    *,
    judged: Judged | None = None,
    given: dict[str, list[Given]] | None = None,
    preferences: list[Preference] | None = None,
    **changes: Any,
) -> Run:
    """A run of which nothing was run."""
    config = dataclasses.replace(SMALL, **changes)
    found, log = metrics or [], given or {}
    return Run(RunDir(Path("made-up")), "made-up", config, {}, None, found, None, preferences or [], log, judged)


def preference(seq: int, choice: Choice | None, query_id: int | None = None, **changes: Any) -> Preference:
    """An answer to a question of its own, or to that of `query_id`."""
    query = make_query(np.random.default_rng(seq), 4)
    return Preference(seq, Query(query.left, query.right, 100 * seq, id=query_id or seq), choice, **changes)
