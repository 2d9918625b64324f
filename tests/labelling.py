"""Real queries for labelling tests, a display of their own, and hands. Import as `from labelling import ...`."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest
from sqlalchemy import select

from prefrl.data.segment import Segment
from prefrl.feedback.answer import effective
from prefrl.feedback.question import Query
from prefrl.rendering.simulator_state import snapshot
from prefrl.store import schema
from prefrl.store.store import Store

STEPS = 20


def record_segment(seed: int) -> Segment:
    """`STEPS` random steps of CartPole-v1; padded where the episode ends before."""
    env = gym.make("CartPole-v1").unwrapped
    rng = np.random.default_rng(seed)
    obs, states = [env.reset(seed=seed)[0]], [snapshot(env)]
    actions, dead = [], False
    for _ in range(STEPS):
        action = int(rng.random() < seed % 5 / 4)  # some topple soon, others do not
        if not dead:
            after, _, dead, _, _ = env.step(action)
        actions.append(np.eye(2)[action] if not dead else np.zeros(2))
        obs.append(np.zeros(4) if dead else after)
        states.append(states[-1] if dead and len(obs) > 2 and not obs[-2].any() else snapshot(env))
    absorbing = np.array([not state.any() for state in obs])
    return Segment(
        np.array(obs, np.float32),
        np.array(actions, np.float32),
        absorbing,
        np.ones(STEPS, np.float32),
        np.array(states),
    )


def record_queries(count: int) -> list[Query]:
    """Pairs of CartPole segments."""
    return [Query(record_segment(2 * k), record_segment(2 * k + 1), num_timesteps=100) for k in range(count)]


def need(*tools: str) -> None:
    """Skip the test where `tools` are missing; in continuous integration, fail it."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        message = f"{' and '.join(missing)} not installed; on Debian or Ubuntu: apt-get install xvfb xdotool strace"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@contextlib.contextmanager
def xvfb(width: int = 1280, height: int = 720) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A display without a screen: its name, and the server, which a test may kill."""
    need("Xvfb", "xdotool")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        yield f":{number}", server
    finally:
        server.kill()
        server.wait()


class Person:
    """Looks at the query in the window, as the store has it, and presses the key for the better clip."""

    def __init__(self, store: Store, display: str) -> None:
        self.store, self.env = store, {**os.environ, "DISPLAY": display}
        self.acknowledged: dict[int, tuple[int | None, str | None]] = {}
        """What was answered, by the number that the store gave it."""

    def shown(self) -> Query | None:
        """The query in the window: the first of those that are claimed, but for a window that died a moment ago."""
        with self.store.transaction() as connection:
            claimed = set(connection.scalars(select(schema.claims.c.query_id)))
        return min((q for q in self.store.pending() if q.id in claimed), key=lambda q: q.id or 0, default=None)

    def answer(self) -> None:
        """Take a slip back, if the last answer was one, and mend it; else answer one query, if the window shows any."""
        last = next(iter(effective(self.store.preferences())[-1:]), None)
        if last is not None and last.choice in KEYS and KEYS[last.choice] != better(last.query):
            self._press_until_stored("u")
            self._press_until_stored(better(last.query))  # it is in the window again
        elif (query := self.shown()) is not None:
            self._press_until_stored(better(query))
        else:
            time.sleep(0.1)

    def _press_until_stored(self, key: str) -> None:
        """Press, and again where the window asks whether one is sure."""
        before = self.store.num_preferences()
        for _ in range(6):
            subprocess.run(["xdotool", "key", key], env=self.env, check=True)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                if self.store.num_preferences() != before:
                    last = self.store.preferences()[-1]
                    self.acknowledged[last.seq] = last.query.id, last.choice
                    return
                time.sleep(0.02)


KEYS = {"left": "Left", "right": "Right"}


def better(query: Query) -> str:
    """The key for the better clip."""
    return KEYS["left" if query.left.true_return > query.right.true_return else "right"]
