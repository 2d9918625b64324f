"""Show that each alarm fires on a run with its fault, and that none fires on ten healthy runs."""

import dataclasses
import json
import shlex
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces

from benchmarks.csv_rows import write
from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.training.learner import Learner
from prefrl.training.loop import resume, train

RESULTS = Path(__file__).parents[1] / "results" / "alarms.csv"
Choose = Callable[[int, Question], Preferred]
"""What is better, given how many answers were given before, and the question."""

HEALTHY = [
    ("CartPole-v1", 0, {"steps": 50_000}),
    ("CartPole-v1", 1, {"steps": 50_000}),
    ("Pendulum-v1", 0, {"steps": 100_000}),
    ("Pendulum-v1", 1, {"steps": 100_000}),
    ("Hopper-v5", 0, {"steps": 150_000}),
    ("Hopper-v5", 1, {"steps": 150_000}),
    ("HalfCheetah-v5", 0, {"steps": 150_000}),
    ("LunarLander-v3", 0, {"steps": 150_000}),
    ("InvertedDoublePendulum-v5", 0, {"steps": 150_000}),
    ("InvertedPendulum-v5", 0, {"steps": 50_000}),
]


@dataclass(frozen=True)
class Alarms:
    """Show that each alarm fires on a run with its fault, and that none fires on ten healthy runs.

    The runs are shorter than those of the README. A program gives the faulty answers through the store, as a person
    would. Takes a quarter of an hour on one core.
    """

    runs: Path = Path("runs/alarms")
    """Where the run folders go; a finished run is taken as it is."""

    results: Path = RESULTS
    """CSV file; it is written anew."""


class Overdone(gym.Env[Any, Any]):
    """Too much of a good thing: paid for its action until these sum up to 10, and the opposite from then on, unseen."""

    observation_space: spaces.Box = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space: spaces.Box = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.done = 0.0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.done += float(action[0])
        return np.zeros(1, np.float32), float(action[0]) * (1 if self.done < 10 else -1), False, False, {}


gym.register("Overdone-v0", lambda **_: Overdone(), max_episode_steps=50, disable_env_checker=True)


def best(question: Question) -> Preferred:
    left, right = question.segments
    return "left" if left.true_return > right.true_return else "right"


def fickle(given: int, question: Question) -> Preferred:
    """Wants the opposite from the hundredth answer on."""
    turned: Preferred = "right" if best(question) == "left" else "left"
    return best(question) if given < 100 else turned


def answered(config: TrainConfig, path: Path, choose: Choose) -> RunDir:
    """Train while a thread answers by `choose`, through the store, as a person's window does."""
    if path.exists():
        return RunDir.open(path)
    run = RunDir.create(path, dataclasses.replace(config, teacher="human", run_dir=path))
    over = threading.Event()

    def answer() -> None:
        with open_store(run) as store:
            while not over.is_set():
                for question in store.pending(limit=20):
                    said = Comparison(choose(store.num_answers(), question))
                    store.add_answer_if_wanted(Answer(question, said, choose.__name__))
                time.sleep(0.05)

    teacher = threading.Thread(target=answer)
    teacher.start()
    try:
        return resume(run.path)
    finally:
        over.set()
        teacher.join()


def always_left(_given: int, _question: Question) -> Preferred:
    return "left"


def faulty(runs: Path) -> dict[str, Callable[[], RunDir]]:
    """A run with each fault, by the kind of alarm that it must raise."""
    small = preset("Pendulum-v1", steps=50_000, seed=0)
    overdone = preset("Overdone-v0", steps=100_000, labels=500, segment_length=10, seed=0, selector="uniform")
    # Behaviour that hardly changes: nets learn contradictory answers by heart where behaviour tells them apart.
    slow = dataclasses.replace(small.ppo, learning_rate=1e-6, final_learning_rate=1e-6)
    steady = dataclasses.replace(small, labels=600, ppo=slow, selector="uniform", initial_share=0.1)
    return {
        "reward_hacking": lambda: trained(overdone, runs / "hacked"),
        "drift": lambda: answered(steady, runs / "fickle", fickle),
        "degenerate_answers": lambda: answered(small, runs / "left", always_left),
        "dead_ensemble": lambda: same_members(small, runs / "same"),
        "too_few_labels": lambda: trained(dataclasses.replace(small, labels=6), runs / "few"),
    }


def same_members(config: TrainConfig, path: Path) -> RunDir:
    """Train with an ensemble whose members are made the same after each fit, as a fault in the program might."""
    learn_reward = Learner.learn_reward

    def broken(self: Learner, *args: Any) -> Any:
        metrics = learn_reward(self, *args)
        with torch.no_grad():
            for parameter in self.ensemble.parameters():
                parameter.copy_(parameter[:1].expand_as(parameter))
        return metrics

    Learner.learn_reward = broken  # type: ignore[assignment, method-assign]
    try:
        return trained(config, path)
    finally:
        Learner.learn_reward = learn_reward  # type: ignore[method-assign]


def trained(config: TrainConfig, path: Path) -> RunDir:
    """A finished run is taken as it is."""
    return RunDir.open(path) if path.exists() else train(config, path)


def row(name: str, expected: str, run: RunDir) -> dict[str, Any]:
    records = run.metrics()
    kinds = [{alarm["kind"] for alarm in record["alarms"]} for record in records]
    first = next((r["num_timesteps"] for r, k in zip(records, kinds, strict=True) if expected in k), None)
    seconds = sum(r.get("seconds/signals") or 0.0 for r in records)
    whole = sum(value for r in records for key, value in r.items() if key.startswith("seconds/"))
    return {
        "run": name,
        "fault": expected or "none",
        "steps": records[-1]["num_timesteps"],
        "labels": records[-1].get("num_preferences"),
        "alarms": " ".join(sorted(set().union(*kinds))) or "none",
        "first_at_step": first,
        "signals_share_of_time": round(seconds / whole, 4),
        "git_commit": json.loads((run.path / "config.json").read_text())["git_commit"],
        "command": shlex.join(["python", *sys.argv]),
    }


def alarms(what: Alarms) -> None:
    """Make the runs that are missing, print and write a row for each."""
    runs = what.runs
    rows = [
        row(f"{env_id} seed {seed}", "", trained(preset(env_id, seed=seed, **options), runs / f"{env_id}-{seed}"))
        for env_id, seed, options in HEALTHY
    ]
    rows += [row(kind, kind, make()) for kind, make in faulty(runs).items()]
    write(what.results, rows)
    for values in rows:
        print(values)
