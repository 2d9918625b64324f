"""What a person sees while a run goes on, and what is written down about it."""

import math
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self, get_args

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.data.text import from_here, plain, shell
from prefrl.errors import StorageError, Terminated
from prefrl.runs.files import json_values
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.alarms import Alarm, Kind, raised
from prefrl.training.best_agent import Trial
from prefrl.training.learner import Learner
from prefrl.training.loggers import make_logger


class Progress:
    """A progress line on a terminal (plain lines elsewhere), metrics.jsonl and TensorBoard, all from one record."""

    def __init__(self, config: TrainConfig, run: RunDir) -> None:
        self.config, self.run = config, run
        self.where = from_here(run.path)  # as whoever started this sees it, wherever an environment goes
        self.console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
        self.bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(plain(config.env_id), total=config.steps, news="")
        self.logger = make_logger(config, run)
        self.seconds: dict[str, float] = defaultdict(float)
        self.learned: dict[str, Any] = {}
        self.signals: dict[str, float] = {}
        self.history = run.metrics()
        self.waiting = False
        self.stopped = False
        """Whether a callback has ended training before its time."""

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.bar.stop()
        self.logger.close()
        if error is None and not self.stopped:
            self._print(f"{self.where} is trained; next: prefrl evaluate {shell(self.where)}")
        elif error is None or issubclass(error, KeyboardInterrupt | Terminated | StorageError):
            self._print(f"{self.where} stopped; go on with: prefrl resume {shell(self.where)}")

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add the wall time of the block to `part` of this round's record."""
        start = time.monotonic()
        yield
        self.seconds[part] += time.monotonic() - start

    def on_rollout(self, num_timesteps: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=min(num_timesteps, self.config.steps))

    def on_wait(self, missing: int) -> None:
        """Say that a person's answers are missing, and how they are given."""
        answers, them = ("1 answer", "it") if missing == 1 else (f"{missing} answers", "them")
        self._say_that_it_waits(f"waiting for {answers}; give {them} with: prefrl label {shell(self.where)}")

    def on_last(self, missing: int) -> None:
        """Say that training waits for the last answers, since somebody is there to give them."""
        answers = "the last answer" if missing == 1 else f"the last {missing} answers"
        self._say_that_it_waits(f"waiting for {answers}, as long as somebody gives answers")

    def _say_that_it_waits(self, news: str) -> None:
        if not self.console.is_terminal and not self.waiting:
            self._print(news)
        self.waiting = True
        self.bar.update(self.task, news=plain(news))

    def note(self, store: Store, fitted: Mapping[str, float | None]) -> None:
        """Remember what the last fit achieved, by the names of `FitMetrics`."""
        self.waiting = False
        self.learned = {"num_preferences": store.num_answers()}
        self.learned |= {f"reward/{key}": value for key, value in fitted.items()}

    def go_on(self, store: Store, round_index: int, fitted: Mapping[str, float | None]) -> None:
        """Remember what a run that is resumed after `round` knew then; before 0.3, `fitted` was not kept."""
        self.note(store, fitted)
        self.history = [record for record in self.history if record["round"] <= round_index]
        last = self.history[-1] if self.history else {}
        self.learned = {key: value for key, value in last.items() if key.startswith("reward/")} | self.learned

    def observe(self, signals: Mapping[str, float]) -> None:
        """Keep `signals` for this round's record, and for the alarms that they give rise to."""
        self.signals |= signals

    def end_round(self, round_index: int, learner: Learner, episodes: list[Episode]) -> None:
        """Write the round's record, and show it."""
        finished = [e for e in episodes if e.finished]
        returns, lengths = [e.true_return for e in finished], [len(e.actions) for e in finished]
        steps = sum(len(e.actions) for e in episodes)
        record = json_values(
            {
                "round": round_index,
                "num_timesteps": learner.num_timesteps,
                **self.learned,
                **self.signals,
                "true_return": float(np.mean(returns)) if returns else None,
                "true_reward": float(np.concatenate([e.true_rewards for e in episodes]).mean()),
                "episode_length": float(np.mean(lengths)) if lengths else None,
                "episodes": len(finished),
                "bad_steps": learner.recorder.bad_steps,
                "peak_memory_mb": peak_memory_mb(),
                "steps_per_second": steps / sum(self.seconds.values()),
                **{f"seconds/{part}": seconds for part, seconds in self.seconds.items()},
            }
        )
        self.seconds.clear()
        self.signals.clear()
        self.history.append(record)
        alarms = raised(self.history, self.config.steps)
        record["alarms"] = [asdict(alarm) for alarm in alarms]
        self.run.append_metrics(record)
        self._log(record)
        self._warn(alarms)
        self._show(record, alarms)

    @contextmanager
    def trying(self, news: str = "trying the last agents") -> Iterator[None]:
        """Say during the block why the bar stands still at its end."""
        (task,) = self.bar.tasks
        before = task.fields["news"]
        self.bar.update(self.task, news=news)
        try:
            yield
        finally:
            self.bar.update(self.task, news=before)

    def tried(self, trial: Trial) -> None:
        """Say which of the last agents the run leaves behind."""
        earned = ", ".join(f"{value:.1f} (step {steps})" for steps, value in trial.earned.items())
        self.say(f"the last agents earned {earned} by their reward; that of step {trial.best} is kept")

    def say(self, news: str) -> None:
        """Print a line."""
        self._print(f"{self.config.env_id}  {news}")

    def _print(self, line: str) -> None:
        self.console.print(plain(line), soft_wrap=True)

    def _log(self, record: dict[str, Any]) -> None:
        numbers = {key: value for key, value in record.items() if isinstance(value, int | float)}
        numbers |= {f"alarms/{kind}": 0 for kind in get_args(Kind)}
        numbers |= {f"alarms/{alarm['kind']}": 1 for alarm in record["alarms"]}
        for key, value in numbers.items():
            self.logger.record(key if "/" in key else f"run/{key}", value)
        self.logger.dump(record["num_timesteps"])

    def _warn(self, alarms: list[Alarm]) -> None:
        """Say in full what is wrong, once each time that it begins."""
        before = {alarm["kind"] for record in self.history[-2:-1] for alarm in record.get("alarms", [])}
        for alarm in alarms:
            if alarm.kind not in before:
                self.say(f"ALARM {alarm.title}: {alarm.message}")

    def _show(self, record: dict[str, Any], alarms: list[Alarm]) -> None:
        news = f"labels {record.get('num_preferences', 0)}"
        agreement, true_return = record.get("reward/held_out_accuracy"), record["true_return"]
        if agreement is not None and math.isfinite(agreement):
            news += f"  held-out agreement {agreement:.0%}"
        if true_return is not None and math.isfinite(true_return):
            news += f"  true return {true_return:.1f}"
        if alarms:
            news += f"  ALARM {', '.join(alarm.title for alarm in alarms)}"
        self.bar.update(self.task, completed=min(record["num_timesteps"], self.config.steps), news=news)
        if not self.console.is_terminal:
            left = self.config.steps - record["num_timesteps"]
            eta = max(0.0, left) / record["steps_per_second"]
            self.say(
                f"step {record['num_timesteps']}/{self.config.steps}  {news}"
                f"  {record['steps_per_second']:.0f} steps/s  ETA {eta:.0f} s"
            )


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere
