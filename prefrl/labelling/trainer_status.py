"""How far the training is that runs beside the labelling, as the run folder shows it."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefrl.config.run import TrainConfig
from prefrl.runs.processes import is_alive
from prefrl.runs.run_dir import RunDir

ACCURACY = "reward/held_out_accuracy"


@dataclass(frozen=True)
class Training:
    """How far a training is."""

    steps: int
    """Environment steps that the run wants in all."""

    num_timesteps: int = 0
    """Environment steps taken by the end of the last round."""

    agreement: float | None = None
    """Share of held-out answers that the learned reward agrees with, at the last fit; None before it."""

    is_running: bool = False
    """Whether a trainer of this machine is working on the folder."""

    next_clips: float | None = None
    """Seconds until the trainer is likely to ask again; None if unknown."""

    held_out: int | None = None
    """How many held-out answers `agreement` is a share of; None if unknown."""

    @property
    def is_over(self) -> bool:
        """Whether all steps are taken."""
        return self.num_timesteps >= self.steps


class TrainerWatch:
    """Reads a run folder, and its metrics only after they changed."""

    def __init__(self, run: RunDir) -> None:
        self._run, self._config, self._dated = run, run.config, _stamp(run.path / "config.json")
        self._stamp: tuple[int, int] | None = None
        self._records: list[dict[str, Any]] = []

    def read(self) -> Training:
        """How far the training is now; what is missing or damaged is left out."""
        steps = self.config.steps
        try:
            stat = self._run.metrics_path.stat()
            if (stat.st_mtime_ns, stat.st_size) != self._stamp:
                self._records = [record for record in self._run.metrics() if isinstance(record, dict)]
                self._stamp = stat.st_mtime_ns, stat.st_size
        except OSError:
            return Training(steps, is_running=self._is_running())
        return summarise(self._records, steps, time.time() - stat.st_mtime, self._is_running())

    @property
    def config(self) -> TrainConfig:
        """What the run is to do now: a finished run may be given more."""
        dated = _stamp(self._run.path / "config.json")
        if dated is not None and dated != self._dated:
            self._config, self._dated = self._run.config, dated
        return self._config

    def _is_running(self) -> bool:
        try:
            return is_alive(int((self._run.path / "lock").read_text()))
        except (OSError, ValueError):
            return False


def _stamp(file: Path) -> int | None:
    """When `file` was last written; None if it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def summarise(records: list[dict[str, Any]], steps: int, age: float, is_running: bool) -> Training:
    """What the `records` of metrics.jsonl show, the last of which is `age` seconds old.

    The trainer asks after each round, so the next clips come when a round as long as the last one is over.
    """
    taken = _last(records, "num_timesteps")
    length = sum(_number(value) or 0.0 for key, value in (records[-1] if records else {}).items() if _is_work(key))
    left = None if not is_running or length <= 0 else max(1.0, length - max(0.0, age))
    agreement = _last(records, ACCURACY)
    fitted = [record for record in records if _number(record.get(ACCURACY)) is not None]
    held_out = _last(fitted[-1:], "reward/held_out_decided")
    return Training(steps, int(taken or 0), agreement, is_running, left, None if held_out is None else int(held_out))


def _last(records: list[dict[str, Any]], key: str) -> float | None:
    return next((n for record in reversed(records) if (n := _number(record.get(key))) is not None), None)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _is_work(key: str) -> bool:
    return key.startswith("seconds/") and "wait" not in key and not key.endswith("/explore")
