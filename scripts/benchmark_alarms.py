"""Show that each alarm fires on a run made to have its fault, and that none fires on ten healthy ones.

    .venv/bin/python scripts/benchmark_alarms.py [RUNS_DIR]

The runs are real ones, shorter than those that the README reports on. Faulty answers come from a program that answers
as a person would, through the store. Writes scripts/results/alarms.csv. Takes a quarter of an hour on one core.
"""

import dataclasses
import json
import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from csv_rows import write
from gymnasium import spaces

from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Answer, Store
from prefrl.training.learner import Learner
from prefrl.training.loop import resume, train

RESULTS = Path(__file__).parent / "results" / "alarms.csv"
Choose = Callable[[int, Query], Choice]  # told how many answers were given before, and the query

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


def best(query: Query) -> Choice:
    return "left" if query.left.true_return > query.right.true_return else "right"


def fickle(given: int, query: Query) -> Choice:
    """Wants the opposite from the hundredth answer on."""
    turned: Choice = "right" if best(query) == "left" else "left"
    return best(query) if given < 100 else turned


def answered(config: TrainConfig, path: Path, choose: Choose) -> RunDir:
    """Train while a thread answers by `choose`, through the store, as a person's window does."""
    if path.exists():
        return RunDir.open(path)
    run = RunDir.create(path, dataclasses.replace(config, teacher="human", run_dir=path))
    over = threading.Event()

    def answer() -> None:
        with Store(run.store_url) as store:
            while not over.is_set():
                for query in store.pending(limit=20):
                    assert query.id is not None
                    choice = choose(store.num_preferences(), query)
                    store.add_answer_once(Answer(query.id, choice, annotator=choose.__name__))
                time.sleep(0.05)

    teacher = threading.Thread(target=answer)
    teacher.start()
    try:
        return resume(run.path)
    finally:
        over.set()
        teacher.join()


def always_left(_given: int, _query: Query) -> Choice:
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


def main(runs: Path) -> None:
    rows = [
        row(f"{env_id} seed {seed}", "", trained(preset(env_id, seed=seed, **options), runs / f"{env_id}-{seed}"))
        for env_id, seed, options in HEALTHY
    ]
    rows += [row(kind, kind, make()) for kind, make in faulty(runs).items()]
    write(RESULTS, rows)
    for values in rows:
        print(values)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/alarms"))
