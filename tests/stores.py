"""Stores with something of everything, for tests. Import as `from stores import fill`."""

import sqlite3
from pathlib import Path

import numpy as np
from builders import make_query, make_segment

from prefrl.data.segment import Film, Segment
from prefrl.feedback.question import Query
from prefrl.store.claims import Desk
from prefrl.store.store import Answer, Store, StoreInfo


def fill(store: Store, rng: np.random.Generator, env_id: str = "Walk-v0") -> list[int]:
    """Twelve questions of all kinds of segments; answers of two people, corrections, a repeat; their ids."""
    store.describe(StoreInfo(env_id, {"speed": 2.0, "name": "é"}, 3, 2, {"numpy": "2"}, goal="walk"))
    ids = store.add_queries(_questions(rng))
    choices = ("left", "right", "tie", "skip", "left", "right", "left", "right", "left")
    for number, choice in enumerate(choices):  # type: ignore[assignment]
        given = {"shown_at": 1e9 / 3 + number, "answered_at": 1e9 / 3 + number + 0.75} if number % 2 else {}
        store.add_answers([Answer(ids[number], choice, "Zoë" if number % 2 else "oracle", f"id {number}", **given)])
    store.add_answers([Answer(ids[0], "right", "oracle", "better", supersedes=1)])
    store.add_answers([Answer(ids[2], None, "oracle", "back", supersedes=3)])
    Desk(store).add_repeat(Answer(ids[1], "left", "Zoë", "again", shown_at=5.0, answered_at=7.5), swapped=True)
    store.withdraw(ids[10:])
    return ids


def _questions(rng: np.random.Generator) -> list[Query]:
    states = make_segment(rng, 5, state_dim=4)
    states.sim_states[2, 1] = np.array([0x7FF8_DEAD_BEEF_0001], np.uint64).view(np.float64)[0]  # type: ignore[index]
    kinds: list[Segment] = [
        states,
        make_segment(rng, 5, absorbing_from=3, state_dim=4),
        make_segment(rng, 5, reset_seed=7, replay_steps=0),
        make_segment(rng, 5, reset_seed=2**31 + 7, replay_steps=9, start=9),
        make_segment(rng, 5),
        filmed(make_segment(rng, 5), [b"a", b"a", b"\xff\xd8", b"a", b"b", b"b"]),
    ]
    asked = [Query(kinds[i % 6], kinds[(i + 1) % 6], 100 * i, swapped=bool(i % 2)) for i in range(6)]
    return asked + [make_query(rng, 5, num_timesteps=600) for _ in range(6)]


def filmed(segment: Segment, jpegs: list[bytes]) -> Segment:
    """`segment` with pictures."""
    arrays = (segment.obs, segment.actions, segment.absorbing, segment.true_rewards)
    return Segment(*arrays, film=Film(tuple(jpegs), 12.5))


TABLES = ("meta", "segments", "films", "queries", "preferences", "repeats")


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, checksums included."""
    with sqlite3.connect(path) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES}
