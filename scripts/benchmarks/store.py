"""What a large store takes: to open and read it, and those who write to it while others read all of it."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.csv_rows import append
from prefrl.data.segment import Segment
from prefrl.data.spaces import Spaces
from prefrl.errors import PrefrlError
from prefrl.feedback.answer import Answer, fingerprint
from prefrl.feedback.comparison import Comparison
from prefrl.feedback.question import Question
from prefrl.runs.run_dir import git_commit, sqlite_url
from prefrl.store.claims import Claims
from prefrl.store.store import Store, StoreInfo

RESULTS = Path(__file__).parents[1] / "results" / "store.csv"
PAUSE = 0.2
"""Seconds between the writes of one process: a labeller looks for questions every second or so, and answers."""

OBS, ACTIONS, STEPS = 11, 3, 50
"""Hopper's widths, and the steps of a clip."""


@dataclass(frozen=True)
class StoreLoad:
    """Measure stores of so many answers: opening, reading, and the writes of a trainer and two labellers meanwhile."""

    answers: tuple[int, ...] = (1_000, 10_000, 50_000, 100_000)
    """Answers in the store, each to a question about two clips of Hopper's size."""

    read: bool = True
    """Whether all is exported, inspected and read while the trainer and the labellers write."""

    results: Path = RESULTS
    """CSV file that rows are appended to."""


def store_load(what: StoreLoad) -> None:
    """Measure each number of answers, print and append a row."""
    for answers in what.answers:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "preferences.sqlite"
            fill(path, answers)
            record = {
                "answers": answers,
                "megabytes": round(path.stat().st_size / 1e6),
                **read_alone(path),
                **(read_beside_writers(path) if what.read else {}),
                "git_commit": git_commit(),
                "command": shlex.join(["python", *sys.argv]),
            }
        append(what.results, record)
        print(*(f"{name} {value}" for name, value in list(record.items())[:-2]), sep=", ", flush=True)


def fill(path: Path, answers: int) -> None:
    """A store of so many answers by two people."""
    rng = np.random.default_rng(0)
    with Store(sqlite_url(path)) as store:
        store.describe(StoreInfo("Hopper-v5", {}, Spaces.vectors(OBS, ACTIONS), {}, "hop"))
        for start in range(0, answers, 5000):
            asked = questions(rng, min(5000, answers - start))
            ids = store.add_questions(asked)
            store.add_answers([answer(question, id, rng, "Ada") for question, id in zip(asked, ids, strict=True)])


def questions(rng: np.random.Generator, count: int) -> list[Question]:
    """Comparisons of clips, some of them in several."""
    clips = [clip(rng) for _ in range(count + 1)]
    return [Question((clips[i], clips[i + 1]), num_timesteps=i) for i in range(count)]


def clip(rng: np.random.Generator) -> Segment:
    """One of Hopper's size."""
    return Segment(
        obs={"obs": rng.normal(size=(STEPS + 1, OBS)).astype(np.float32)},
        actions=rng.uniform(-1, 1, (STEPS, ACTIONS)).astype(np.float32),
        absorbing=np.zeros(STEPS + 1, np.bool_),
        true_rewards=rng.normal(size=STEPS).astype(np.float32),
    )


def answer(question: Question, number: int, rng: np.random.Generator, annotator: str) -> Answer:
    """What `annotator` says to the question of this number."""
    asked = Question(question.segments, question.kind, question.num_timesteps, id=number)
    now = time.time()
    return Answer(
        asked, Comparison("left" if rng.random() < 0.5 else "right"), annotator, shown_at=now, answered_at=now
    )


def read_alone(path: Path) -> dict[str, float]:
    """Seconds to open the store, to read all answers, and to read and compare them as a run that is resumed does."""
    open_s, store = timed(lambda: Store(sqlite_url(path)))
    with store:
        last = store.watermark()
        new_s, _ = timed(lambda: store.answers(after=last - 20))
        restore_s, _ = timed(lambda: fingerprint(store.answers(until=last)))
    return {"open_s": open_s, "round_s": new_s, "restore_s": restore_s}


def read_beside_writers(path: Path) -> dict[str, float]:
    """Seconds that readers of all take, and what became of the writes meanwhile."""
    with tempfile.TemporaryDirectory() as folder, writers(path) as stop:
        export = ["export", str(path), "-o", f"{folder}/export"]
        export_s, _ = timed(lambda: prefrl(*export))
        inspect_s, _ = timed(lambda: prefrl("inspect", str(path)))
        read_s, _ = timed(lambda: read_all(path))
        ended = stop()
    return {
        "export_s": export_s,
        "inspect_s": inspect_s,
        "report_s": read_s,
        "writes": sum(one["writes"] for one in ended),
        "failed": sum(one["failed"] for one in ended),
        "longest_write_s": max(one["longest"] for one in ended),
    }


def prefrl(*words: str) -> None:
    """Run a command of the command line."""
    subprocess.run([sys.executable, "-m", "prefrl", *words], check=True, stdout=subprocess.DEVNULL)


def read_all(path: Path) -> int:
    """What a report and an evaluation read: all answers, with their segments."""
    with Store(sqlite_url(path), reads_only=True) as store:
        return len(store.answers(repeats=True))


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that `action` takes, and what it gives."""
    start = time.perf_counter()
    made = action()
    return round(time.perf_counter() - start, 3), made


@contextmanager
def writers(path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A trainer and two labellers, each a process; gives a function that ends them, and tells what they wrote."""
    roles = ("trainer", "Ada", "Bob")
    command = [sys.executable, "-c", "import sys; from benchmarks.store import write; write(*sys.argv[1:])", str(path)]
    folder = Path(__file__).parents[1]
    started = [
        subprocess.Popen([*command, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder) for role in roles
    ]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
        yield lambda: [json.loads(process.communicate(b"\n")[0]) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def write(path: str, role: str) -> None:
    """Write as a trainer or as a labeller of this name, until there is a line to read; then tell how it went."""
    import selectors

    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ)
    rng, seconds, failed = np.random.default_rng(len(role)), [0.0], 0
    with Store(sqlite_url(Path(path))) as store:
        written = training(store, rng) if role == "trainer" else labelling(store, role, rng)
        written()  # the first of each kind prepares its statements
        print("begun", flush=True)
        while not waiting.select(PAUSE):
            try:
                seconds += written()
            except PrefrlError as error:
                failed += 1
                print(role, error, file=sys.stderr, flush=True)
    print(json.dumps({"writes": len(seconds) - 1, "failed": failed, "longest": max(seconds)}))


def training(store: Store, rng: np.random.Generator) -> Callable[[], list[float]]:
    """Asks, and reads what is new, as a round does; seconds of its writes."""
    last = store.watermark()

    def step() -> list[float]:
        nonlocal last
        asked = questions(rng, 4)
        asking, _ = timed(lambda: store.add_questions(asked))
        last = max([last, *(given.seq or 0 for given in store.answers(after=last))])
        return [asking]

    return step


def labelling(store: Store, name: str, rng: np.random.Generator) -> Callable[[], list[float]]:
    """Claims and answers; seconds of its writes."""
    claims = Claims(store, name)

    def step() -> list[float]:
        claiming, mine = timed(lambda: claims.claim(4))
        given = [answer(store.question(number), number, rng, name) for number in mine[:1]]
        return [claiming, *(timed(partial(store.add_answer_if_wanted, one))[0] for one in given)]

    return step
