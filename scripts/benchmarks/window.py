"""Measure the labelling window on a display of its own (Xvfb), driven by real keys (xdotool)."""

import contextlib
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.csv_rows import append
from prefrl.config.run import TrainConfig
from prefrl.data.episode import cut
from prefrl.labelling.state import Options
from prefrl.labelling.window.app import Window
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.store.run_store import open_store
from prefrl.training.feedback_round import ask
from prefrl.training.learner import Learner
from prefrl.training.loop import create
from prefrl.training.plan import Plan

RESULTS = Path(__file__).parents[1] / "results" / "window.csv"
SCREEN = 1280, 720


@dataclass(frozen=True)
class WindowSpeed:
    """Measure the labelling window on a display of its own (Xvfb), driven by real keys (xdotool).

    How long it takes from a key to the next question, how much of a core the window takes, and how much slower a
    training is that goes on beside it. Takes some minutes, on a machine that does nothing else.
    """

    env_id: str = "Hopper-v5"
    """Whose clips are shown."""

    answers: int = 200
    """Keys whose latency is measured."""

    seconds: float = 20.0
    """For how long the window's share of a core is measured."""

    pairs: int = 5
    """Trainings measured with somebody labelling, and as many without."""

    clip_size: int = 480
    """Side of the clips in pixels."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


class Watched(Window):
    """A window that notes when a pair is on the screen that was not before."""

    turned_at = 0.0
    shown: int | None = None

    @property
    def num_drawn(self) -> int:
        """Pairs that are drawn; 0 while none is on the screen."""
        if self.player is None or self.player.playback is None or self.service.is_busy:
            return 0
        pairs = [self.player.cache.get(showing.question_id) for showing in self.service.state.showings]
        return sum(pair is not None and pair.drawn >= 1 for pair in pairs)

    def has_been_seen(self) -> None:
        """Make it as if the clips had been seen to their end, so that no answer has to be confirmed."""
        if self.player is not None and self.player.playback is not None:
            self.player.playback = replace(self.player.playback, watched=math.inf)

    def _show(self) -> None:
        super()._show()
        player = self.player
        if player is None or player.showing is None or player.playback is None:
            return
        if player.showing.question_id != self.shown:
            self.shown, self.turned_at = player.showing.question_id, time.perf_counter()


def window(asked: WindowSpeed) -> None:
    """Measure, print, and append to the CSV."""
    with tempfile.TemporaryDirectory() as folder, display() as name:
        os.environ["DISPLAY"] = name
        run = run_with_questions(asked, Path(folder) / "run")
        app = Watched(run.path, Options("benchmark", repeat_share=0.0, clip_size=asked.clip_size))
        found: dict[str, float] = {}

        def measure() -> None:
            try:
                found.update(latency(app, asked.answers))
                found.update(load(app, asked.seconds))
            finally:
                app.leaving = True

        hands = threading.Thread(target=measure)
        hands.start()
        app.run()
        hands.join()
        found.update(slowdown(asked, Path(folder), run))
    print("\n".join(f"{name}: {value:.3g}" for name, value in found.items()))
    write(asked, found)


@contextlib.contextmanager
def display() -> Iterator[str]:
    """The name of a display without a screen."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "{}x{}x24".format(*SCREEN), "-nolisten", "tcp"]
    server = subprocess.Popen([*command, "-noreset"], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        server.kill()
        server.wait()


def run_with_questions(asked: WindowSpeed, path: Path) -> RunDir:
    """A run that waits for a person, its questions about random behaviour."""
    config = TrainConfig(
        asked.env_id, labels=2 * asked.answers + 200, initial_share=1.0, teacher="human", steps=400_000
    )
    config = replace(config, explore_steps=40_000)
    run = create(config, path)
    learner = Learner(config)
    with open_store(run) as store:
        store.describe(learner.store_info())
        segments = cut(learner.explore(config.explore_steps), config.segment_length)
        ask(learner, store, Plan(config), 0, segments, [])
    return run


def latency(window: Watched, answers: int) -> dict[str, float]:
    """Milliseconds from writing a key to xdotool until the next pair, drawn beforehand, is on the screen."""
    taken: list[float] = []
    rng = np.random.default_rng(0)
    with subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE, text=True, bufsize=1) as keyboard:
        assert keyboard.stdin is not None
        while len(taken) < answers:
            while window.num_drawn < 2:
                time.sleep(0.02)
            window.has_been_seen()
            time.sleep(0.3 + rng.uniform(0, 0.1))
            before, pressed_at = window.shown, time.perf_counter()
            print("key --delay 0", rng.choice(["Left", "Right"]), file=keyboard.stdin, flush=True)
            while window.shown == before and time.perf_counter() < pressed_at + 5:
                time.sleep(0.001)
            taken.append(1000 * (window.turned_at - pressed_at))
    return {"next_pair_ms_median": float(np.median(taken)), "next_pair_ms_p99": float(np.percentile(taken, 99))}


def load(window: Watched, seconds: float) -> dict[str, float]:
    """Per cent of a core that this process takes while two clips play and nothing is being drawn ahead."""
    while window.num_drawn < len(window.service.state.showings):
        time.sleep(0.1)
    cpu, wall = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    return {"window_cpu_percent": 100 * (time.process_time() - cpu) / (time.perf_counter() - wall)}


def slowdown(asked: WindowSpeed, folder: Path, run: RunDir) -> dict[str, float]:
    """How much longer a training takes while somebody answers every two seconds; in per cent, the median of pairs."""
    ratios = []
    for k in range(asked.pairs):
        times = {}
        for labelling in (False, True) if k % 2 else (True, False):
            with labelled(run) if labelling else contextlib.nullcontext():
                times[labelling] = timed_training(asked, folder / "train")
        ratios.append(times[True] / times[False])
        print(f"training beside labelling: {times[True]:.1f} s, alone: {times[False]:.1f} s", flush=True)
    return {"training_slowdown_percent": 100 * (median(ratios) - 1)}


@contextlib.contextmanager
def labelled(run: RunDir) -> Iterator[None]:
    """A window in which somebody answers every two seconds."""
    command = [sys.executable, "-m", "prefrl", "label", str(run.path), "--annotator", "benchmark"]
    pressing = "while sleep 2; do xdotool key Left; done"
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as window,
        subprocess.Popen(["sh", "-c", pressing]) as hands,
    ):
        time.sleep(3)
        try:
            yield
        finally:
            hands.kill()
            window.terminate()


def timed_training(asked: WindowSpeed, path: Path) -> float:
    """Seconds that a short training with oracle answers takes, on one thread."""
    command = [sys.executable, "-m", "prefrl", "train", asked.env_id, "--steps", "60000", "--labels", "100"]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--run-dir", str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - start
    shutil.rmtree(path)
    return seconds


def write(asked: WindowSpeed, found: dict[str, float]) -> None:
    """Append a row."""
    record = {
        "env_id": asked.env_id,
        "answers": asked.answers,
        **{name: round(value, 2) for name, value in found.items()},
        "git_commit": git_commit(),
        "command": shlex.join(["python", *sys.argv]),
    }
    append(asked.results, record)
