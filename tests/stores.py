"""Stores with something of everything, for tests. Import as `from stores import fill`."""

import dataclasses
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from builders import make_question, make_segment

from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question
from prefrl.store.store import Store, StoreInfo


def fill(store: Store, rng: np.random.Generator, env_id: str = "Walk-v0") -> list[int]:
    """Twelve questions of all kinds of segments; answers of two people, corrections, a repeat; their ids."""
    info = StoreInfo(env_id, {"speed": 2.0, "name": "é"}, Spaces.vectors(3, 2), {"numpy": "2"}, goal="walk")
    store.describe(info)
    ids = store.add_questions(_questions(rng))
    asked = [store.question(id) for id in ids]
    choices: tuple[Preferred, ...] = ("left", "right", "tie", "skip", "left", "right", "left", "right", "left")
    for number, choice in enumerate(choices):
        given = {"shown_at": 1e9 / 3 + number, "answered_at": 1e9 / 3 + number + 0.75} if number % 2 else {}
        annotator = "Zoë" if number % 2 else "oracle"
        store.add_answers([Answer(asked[number], Comparison(choice), annotator, f"id {number}", **given)])
    store.add_answers([Answer(asked[0], Comparison("right"), "oracle", "better", replaces=1)])
    store.add_answers([Answer(asked[2], None, "oracle", "back", replaces=3)])
    again = {"shown_at": 5.0, "answered_at": 7.5, "is_repeat": True, "shown_order": (1, 0)}
    store.add_answers([Answer(asked[1], Comparison("left"), "Zoë", "again", **again)])  # type: ignore[arg-type]
    store.withdraw(ids[10:])
    return ids


def _questions(rng: np.random.Generator) -> list[Question]:
    states = make_segment(rng, 5, state_dim=4)
    states.sim_states[2, 1] = np.array([0x7FF8_DEAD_BEEF_0001], np.uint64).view(np.float64)[0]  # type: ignore[index]
    randomised = {"geom_rgba": np.ones((1, 2, 4), np.float32), "vis.map.fogend": rng.normal(size=(6,))}
    kinds: list[Segment] = [
        dataclasses.replace(states, model=randomised),
        make_segment(rng, 5, absorbing_from=3, state_dim=4),
        make_segment(rng, 5, reset_seed=7, replay_steps=0),
        make_segment(rng, 5, reset_seed=2**31 + 7, replay_steps=9, start=9),
        make_segment(rng, 5),
        filmed(make_segment(rng, 5), [b"a", b"a", b"\xff\xd8", b"a", b"b", b"b"]),
    ]
    asked = [Question((kinds[i % 6], kinds[(i + 1) % 6]), num_timesteps=100 * i) for i in range(6)]
    return asked + [make_question(rng, 5 + 3 * (i % 2), num_timesteps=600) for i in range(6)]


def filmed(segment: Segment, jpegs: list[bytes]) -> Segment:
    """`segment` with pictures."""
    return dataclasses.replace(segment, film=Film(tuple(jpegs), 12.5))


def named_segment(rng: np.random.Generator, steps: int = 5, absorbing_from: int | None = None) -> Segment:
    """A segment that observes an image, a vector and a whole number."""
    made = make_segment(rng, steps, absorbing_from=absorbing_from)
    image = np.zeros((steps + 1, 8, 8, 3), np.uint8)
    image[:, 2:4] = rng.integers(256, size=(steps + 1, 2, 8, 3))
    obs = {"image": image, "speed": made.obs["obs"], "lives": np.arange(steps + 1, dtype=np.int64)}
    return dataclasses.replace(made, obs=obs)


TABLES = ("meta", "runs", "annotators", "segments", "films", "questions", "question_segments", "answers")


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, checksums included."""
    with sqlite3.connect(path) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES}


def version1_run(folder: Path) -> Path:
    """A run folder that version 1 of the store made.

    The last commit before version 2 wrote it: `train` of 4000 steps and 12 labels on CartPole-v1 in four rounds, ended
    by a KeyboardInterrupt after the checkpoint of the third. Then "alice" answered as people do: of four new questions
    she called the first "left", took that back, then "tie"; the second "skip". The first was repeated with its sides
    exchanged, "tie", and so was the oldest of all, which she took back. The third stayed open, the fourth was
    withdrawn, and the first shows a film.
    """
    archive = Path(__file__).parent / "data_files" / "version1_run.tar.xz"
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / "version1_run"


def answer_to(
    number: int | None, preferred: Preferred | None = "left", annotator: str = "oracle", **fields: Any
) -> Answer:
    """An answer to the stored comparison of this number; None takes back the one that `replaces` names."""
    question = dataclasses.replace(_ANY, id=number)
    return Answer(question, None if preferred is None else Comparison(preferred), annotator, **fields)


_ANY = make_question(np.random.default_rng(0), 1)


def python(script: str, *arguments: object, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `script` in a process of its own."""
    command = [*(before or []), sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


ANSWERING = """
import sys
from prefrl.store.store import Store
from stores import answer_to
with Store(sys.argv[1]) as store:
    for question_id in range(1, 51):
        sent = f"{sys.argv[3]} {question_id}"
        [seq] = store.add_answers([answer_to(question_id, "left", sys.argv[2], submission_id=sent)])
        print(seq, flush=True)
"""
