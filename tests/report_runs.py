"""Small finished runs, and made-up ones, to report on. Import as `from report_runs import ...`."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from builders import make_answer, make_question
from small import SMALL

from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Preferred
from prefrl.report.gather import Judged, Run
from prefrl.runs.run_dir import RunDir
from prefrl.training.loop import train


def trained(folder: Path, **changes: Any) -> RunDir:
    """A finished run of `SMALL`, with `changes`."""
    return train(dataclasses.replace(SMALL, **changes), folder)


def made_up(
    metrics: list[dict[str, Any]] | None = None,
    *,
    judged: Judged | None = None,
    by_annotator: dict[str, list[Answer]] | None = None,
    answers: list[Answer] | None = None,
    **changes: Any,
) -> Run:
    """A run of which nothing was run."""
    config = dataclasses.replace(SMALL, **changes)
    found, theirs = metrics or [], by_annotator or {}
    return Run(RunDir(Path("made-up")), "made-up", config, {}, None, found, None, answers or [], theirs, judged)


def answer(seq: int, preferred: Preferred | None, question_id: int | None = None, **changes: Any) -> Answer:
    """An answer to a question of its own, or to that of `question_id`."""
    question = make_question(np.random.default_rng(seq), 4, num_timesteps=100 * seq, id=question_id or seq)
    return make_answer(question, preferred, seq=seq, **changes)


def timed(seq: int, question_id: int, preferred: Preferred, shown: float, answered: float, **changes: Any) -> Answer:
    """An answer of which it is known how long it took."""
    return answer(seq, preferred, question_id, shown_at=shown, answered_at=answered, **changes)
