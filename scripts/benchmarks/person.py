"""Measure the time of a person who trains an agent and labels beside it, by real keys on a display of its own."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.csv_rows import append, rows
from benchmarks.window import display
from prefrl.feedback.answer import standing
from prefrl.feedback.question import Question
from prefrl.labelling.window import app
from prefrl.runs.run_dir import RunDir, git_commit
from prefrl.store.store import Store

RESULTS = Path(__file__).parents[1] / "results" / "person.csv"
LOG = "PREFRL_WINDOW_LOG"
LONGEST = 360.0
"""Seconds after which a session is given up."""


@dataclass(frozen=True)
class PersonTime:
    """Measure what a person meets who trains an agent and labels beside it, by `prefrl train ENV_ID --label`.

    A robot answers some seconds after the clips are on the screen, by real keys. How long it takes from the command to
    the first question, which share of the time they wait for the next one, and how many answers the run ends with.
    An environment that this commit has measured is left out. Takes about four minutes for each, on two cores.
    """

    envs: tuple[str, ...] = ("Hopper-v5", "HalfCheetah-v5", "LunarLander-v3")
    """Environments."""

    labels: int = 60
    """Answers that each run asks for."""

    steps: int = 200_000
    """Steps that each run trains for."""

    seconds: float = 3.0
    """How long the person looks at the clips."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


class LoggedWindow(app.Window):
    """A window that writes down when another question is on the screen, its clips moving."""

    last: tuple[int, int] | None = None

    def _show(self) -> None:
        super()._show()
        player = self.player
        if player is None or player.showing is None or player.playback is None:
            return
        now = player.showing.question_id, self.state.jobs_done
        if now != self.last:
            self.last = now
            with open(os.environ[LOG], "a") as file:
                file.write(json.dumps({"at": time.time(), "question": now[0], "done": now[1]}) + "\n")


def main() -> int:
    """The command `prefrl`, with a window that is logged."""
    from prefrl.cli.main import main as prefrl

    app.Window = LoggedWindow  # type: ignore[misc]
    return prefrl(sys.argv[1:])


@dataclass
class Session:
    """What was seen and done; times are Unix seconds."""

    started: float
    shown: list[float] = field(default_factory=list)
    pressed: list[float] = field(default_factory=list)

    @property
    def waits(self) -> list[float]:
        """Seconds from each key to the next question."""
        return [after - key for key, after in zip(self.pressed, self.shown[1:], strict=False)]

    def figures(self) -> dict[str, float]:
        """What it comes to."""
        return {
            "seconds_to_first_question": self.shown[0] - self.started,
            "wait_percent": 100 * sum(self.waits) / (self.pressed[-1] - self.shown[0]),
            "longest_wait_s": max(self.waits, default=0.0),
            "next_question_ms_median": 1000 * median(self.waits),
        }


def person(asked: PersonTime) -> None:
    """Measure, print, and append to the CSV."""
    for env_id in asked.envs:
        record = {"env_id": env_id, "labels": asked.labels, "steps": asked.steps, "seconds_an_answer": asked.seconds}
        record |= {"git_commit": git_commit()}
        known = [{key: row[key] for key in record if key in row} for row in rows(asked.results)]
        if {key: str(value) for key, value in record.items()} in known:
            print(f"{env_id}: measured already", flush=True)
            continue
        found = measure(asked, env_id)
        print(env_id, ", ".join(f"{name} {value:.3g}" for name, value in found.items()), flush=True)
        figures = {name: round(value, 2) for name, value in found.items()}
        append(asked.results, {**record, **figures, "command": shlex.join(["python", *sys.argv])})


def measure(asked: PersonTime, env_id: str) -> dict[str, float]:
    """One run and one person."""
    with tempfile.TemporaryDirectory() as folder, display() as name:
        run, log = RunDir(Path(folder) / "run"), Path(folder) / "log"
        log.touch()
        command = [sys.executable, "-c", "import sys; from benchmarks.person import main; sys.exit(main())", "train"]
        command += [env_id, "--teacher", "human", "--label", "--run-dir", str(run.path)]
        command += ["--labels", str(asked.labels), "--steps", str(asked.steps)]
        env = {**os.environ, "DISPLAY": name, LOG: str(log), "PYTHONPATH": os.pathsep.join(sys.path)}
        session = Session(time.time())
        with subprocess.Popen(command, env=env, start_new_session=True) as program:
            try:
                answer_all(session, asked.seconds, program, run, log, env)
                leave(program, run, env)
            finally:
                if program.poll() is None:
                    os.killpg(program.pid, signal.SIGKILL)
        with Store(run.store_url) as store:
            answered = len(standing(store.answers()))
        return {**session.figures(), "answered": answered, "minutes": (time.time() - session.started) / 60}


def answer_all(
    session: Session, seconds: float, program: subprocess.Popen[bytes], run: RunDir, log: Path, env: dict[str, str]
) -> None:
    """Answer until the run is over."""
    seen = 0
    with subprocess.Popen(["xdotool", "-"], env=env, stdin=subprocess.PIPE, text=True, bufsize=1) as keyboard:
        assert keyboard.stdin is not None
        while program.poll() is None and not is_over(run) and time.time() < session.started + LONGEST:
            lines = log.read_text().splitlines()
            if len(lines) == seen:
                time.sleep(0.005)
                continue
            seen = len(lines)
            entry = json.loads(lines[-1])
            session.shown.append(entry["at"])
            with Store(run.store_url) as store:
                key = better(store.question(entry["question"]))
            time.sleep(max(0.0, entry["at"] + seconds - time.time()))
            session.pressed.append(time.time())
            print("key --delay 0", key, file=keyboard.stdin, flush=True)
        keyboard.stdin.close()


def better(question: Question) -> str:
    """The key for the better clip."""
    left, right = (segment.true_return for segment in question.segments)
    return "Up" if left == right else "Left" if left > right else "Right"


def is_over(run: RunDir) -> bool:
    """Whether the trainer has done all that it does."""
    return (run.path / "shown" / "after.safetensors").exists()


def leave(program: subprocess.Popen[bytes], run: RunDir, env: dict[str, str]) -> None:
    """Press Esc until the window is gone, and wait for the trainer."""
    for _ in patience(60.0):
        if program.poll() is not None:
            return
        subprocess.run(["xdotool", "key", "Escape"], env=env, check=True)
    print(f"{run.path}: the window did not close", file=sys.stderr)


def patience(seconds: float) -> Iterator[float]:
    """Times for half a second each."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield time.monotonic()
        time.sleep(0.5)
