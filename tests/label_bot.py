"""Real questions for labelling tests, a display of their own, and hands. Import as `from label_bot import ...`."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from sqlalchemy import select

from prefrl.config.run import TrainConfig
from prefrl.data.segment import Segment
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer, standing
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.rendering.simulator_state import snapshot
from prefrl.runs.run_dir import RunDir
from prefrl.store import schema
from prefrl.store.info import StoreInfo
from prefrl.store.store import Store

STEPS = 20
CARTPOLE = Spaces.vectors(4, 2)


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
        {"obs": np.array(obs, np.float32)},
        np.array(actions, np.float32),
        absorbing,
        np.ones(STEPS, np.float32),
        np.array(states),
    )


def record_questions(count: int) -> list[Question]:
    """Pairs of CartPole segments."""
    return [Question((record_segment(2 * k), record_segment(2 * k + 1)), num_timesteps=100) for k in range(count)]


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
    """Looks at the question in the window, as the store has it, and presses the key for the better clip."""

    def __init__(self, store: Store, display: str) -> None:
        self.store, self.env = store, {**os.environ, "DISPLAY": display}
        self.acknowledged: dict[int | None, tuple[int | None, str | None]] = {}
        """Number of an answer in the store -> its question, and what it said."""

    def shown(self) -> Question | None:
        """The question in the window: the first of those that are claimed, but for a window that died a moment ago."""
        with self.store.transaction() as connection:
            claimed = set(connection.scalars(select(schema.claims.c.question_id)))
        return min((q for q in self.store.pending() if q.id in claimed), key=lambda q: q.id or 0, default=None)

    def answer(self) -> None:
        """Answer the question that the window shows, if any; but first mend the last answer, if it was a slip."""
        last = next(iter(standing(self.store.answers())[-1:]), None)
        if last is not None and said(last) in KEYS and KEYS[said(last)] != better(last.question):
            self._press_until_stored("u")
            self._press_until_stored(better(last.question))  # it is in the window again
        elif (question := self.shown()) is not None:
            self._press_until_stored(better(question))
        else:
            time.sleep(0.1)

    def _press_until_stored(self, key: str) -> None:
        """Press, and again where the window asks whether one is sure."""
        before = self.store.num_answers()
        for _ in range(6):
            subprocess.run(["xdotool", "key", key], env=self.env, check=True)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                if self.store.num_answers() != before:
                    last = self.store.answers()[-1]
                    self.acknowledged[last.seq] = last.question.id, said(last)
                    return
                time.sleep(0.02)


KEYS = {"left": "Left", "right": "Right"}


def better(question: Question) -> str:
    """The key for the better clip."""
    left, right = question.segments
    return KEYS["left" if left.true_return > right.true_return else "right"]


def said(answer: Answer) -> str | None:
    """A comparison as its JSON value; None for an answer that takes one back."""
    return None if answer.value is None else kind_of(answer.question).to_json(answer.value)


def wait_for(true: Callable[[], object], seconds: float = 40.0) -> None:
    """Until it comes true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.03)


class Run:
    """A run folder with questions, as a trainer leaves it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, questions: int, env_id: str = "CartPole-v1") -> RunDir:
        run = RunDir.create(self.path, TrainConfig(env_id="CartPole-v1", labels=questions))
        with Store(run.store_url) as store:
            store.describe(StoreInfo(env_id, {}, CARTPOLE, {}))
            store.add_questions(record_questions(questions))
        return run

    def answers(self) -> list[tuple[int | None, str | None]]:
        """(question, what was said) of the answers that count, in the order of answering."""
        with Store(RunDir(self.path).store_url) as store:
            return [(answer.question.id, said(answer)) for answer in standing(store.answers())]


class Driver:
    """A window in a process of its own, and hands for it."""

    def __init__(self, run: Run, display: str, *options: str) -> None:
        self.run, self.env = run, {**os.environ, "DISPLAY": display}
        command = [sys.executable, "-m", "prefrl", "label", str(run.path), "--annotator", "Ada", *options]
        root = Path(__file__).parents[1]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=self.env, stdout=pipe, stderr=pipe, text=True, cwd=root)

    def xdotool(self, *words: str | int) -> str:
        done = subprocess.run(["xdotool", *map(str, words)], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout

    def key(self, *keys: str) -> None:
        self.xdotool("key", *keys)

    def click(self, x: int, y: int) -> None:
        self.xdotool("mousemove", x, y, "click", 1)

    def until(self, count: int, act: Callable[[], None]) -> None:
        """Act again and again until `count` answers count: as soon as clips are there, and confirming if need be."""

        def acted() -> bool:
            if len(self.run.answers()) == count:
                return True
            assert self.process.poll() is None, self.process.stderr.read()
            act()
            time.sleep(0.25)
            return len(self.run.answers()) == count

        wait_for(acted)

    def answer(self, count: int, key: str) -> None:
        self.until(count, lambda: self.key(key))

    def window(self) -> str:
        return self.xdotool("search", "--onlyvisible", "--pid", self.process.pid).split()[-1]

    def leave(self) -> str:
        """Press Esc until the window is gone; what the terminal shows."""
        until = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < until:
            self.key("Escape")
            time.sleep(0.3)
        assert self.process.wait(1) == 0, self.process.stderr.read()
        return self.process.stdout.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
