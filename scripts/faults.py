"""Break runs for real, more often than the tests do: faults.py WHAT --count N. Exits with 1 if a fault got by.

resume   SIGKILL a run at random instants and resume it: the same weights and answers as uninterrupted, bit for bit
damage   flip, cut and blank random places of every file of a run folder: told, or without effect
answers  SIGKILL trainer and labeller at random instants: no acknowledged answer is lost, none is there twice
guards   take out one guard after the other: a test fails
"""

import contextlib
import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro

from prefrl.cli.check_run import CHECKS, find
from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import RewardConfig, TrainConfig
from prefrl.errors import PrefrlError
from prefrl.feedback.answer import effective, fingerprint
from prefrl.feedback.comparison import CHOICES
from prefrl.labelling.service import Clerk, Options
from prefrl.labelling.session import Reply
from prefrl.runs.files import sha256
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.loop import resume, train

ROOT = Path(__file__).resolve().parents[1]
SMALL = TrainConfig(
    "CartPole-v1",
    steps=6000,
    labels=40,
    segment_length=20,
    spans=8,
    explore_steps=600,
    ppo=PPOConfig(n_envs=4, n_steps=64, batch_size=64, n_epochs=4, hidden=(16, 16)),
    reward_model=RewardConfig(members=2, hidden=(16,), max_epochs=5),
)


def start(work: Callable[..., object], *arguments: object) -> int:
    """Call `work` in a forked process, which needs no second to import torch; its number."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with contextlib.suppress(BaseException):
            work(*arguments)
            os._exit(0)
        os._exit(1)
    return child


def is_over(child: int) -> bool:
    """Whether the process has ended, by itself and well."""
    done, status = os.waitpid(child, os.WNOHANG)
    if done and status:
        raise SystemExit(f"a process ended with {os.waitstatus_to_exitcode(status)}, and nobody had killed it")
    return bool(done)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def go_on(config: TrainConfig, path: Path) -> None:
    resume(path) if path.exists() else train(config, path)


def result(path: Path) -> tuple[int, dict[str, str], str]:
    """What a finished run came to: steps, hashes of all weights and statistics, answers."""
    run = RunDir.open(path)
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    with Store(run.store_url) as store:
        return checkpoint.num_timesteps, checkpoint.hashes, fingerprint(store.preferences())


def check_resume(folder: Path, rng: random.Random, count: int, env_id: str) -> Counter[str]:
    """Kill runs until `count` kills have struck; each run is compared with one that nobody killed."""
    config = dataclasses.replace(SMALL, env_id=env_id)
    begun = time.monotonic()
    whole = start(train, config, folder / "whole")
    os.waitpid(whole, 0)
    seconds = time.monotonic() - begun
    expected, told = result(folder / "whole"), Counter[str]()
    while told["kills"] < count:
        path = folder / f"run {told['runs']}"
        child, until = start(go_on, config, path), time.monotonic() + rng.uniform(0, seconds)
        while not is_over(child):
            if time.monotonic() > until and told["kills"] < count:
                kill(child)
                told["kills"] += 1
                child, until = start(go_on, config, path), time.monotonic() + rng.uniform(0, seconds)
            time.sleep(0.001)
        told["runs"] += 1
        told["other than uninterrupted"] += result(path) != expected
    return told


def check_damage(folder: Path, rng: random.Random, count: int, env_id: str) -> Counter[str]:
    """Damage one file of a finished run at a time."""
    path = folder / "run"
    os.waitpid(start(train, dataclasses.replace(SMALL, env_id=env_id), path), 0)
    run, told = RunDir.open(path), Counter[str]()
    before, problem = meaning(run)
    assert problem is None, problem
    told["undetected"] = 0
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "lock")
    for _ in range(count):
        file = rng.choice(files)
        whole = file.read_bytes()
        file.write_bytes(damaged(whole, rng))
        try:
            after, problem = meaning(run)
        finally:
            file.write_bytes(whole)
        told[
            "told" if problem is not None else "without effect" if after == before else f"undetected: {file.name}"
        ] += 1
    told["undetected"] = sum(times for what, times in told.items() if what.startswith("undetected:"))
    return told


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with a byte changed, or some of the end missing, or a stretch of zeros."""
    at = rng.randrange(max(1, len(data)))
    match rng.choice(("flip", "cut", "blank")):
        case "flip":
            return data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :] if data else b"\0"
        case "cut":
            return data[:at]
        case _:
            return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]


def meaning(run: RunDir) -> tuple[list[Any], str | None]:
    """All that is read of a run, and what is said to be wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # they tell of damage
            checkpoint = run.latest_checkpoint()
            read: list[Any] = [run.config, run.metrics(), checkpoint and (checkpoint.state, checkpoint.hashes)]
            with Store(run.store_url) as store:
                for query in [*store.pending(), *(p.query for p in store.preferences())]:
                    arrays = (a for s in (query.left, query.right) for a in (s.obs, s.actions, s.true_rewards))
                    read.append((query.id, sha256(b"".join(a.tobytes() for a in arrays))))
                read += [store.info(), fingerprint(store.preferences()), store.num_queries()]
            found = find(run)
            for check in CHECKS.values():
                check(run, found)
    except (PrefrlError, Warning) as problem:
        return [], str(problem)
    return read, None


def check_answers(folder: Path, rng: random.Random, count: int, env_id: str) -> Counter[str]:
    """Train and label at the same time, and kill the one or the other; then look for every answer."""
    asked = {"labels": 1000, "initial_share": 0.9, "explore_steps": 3000, "slack": 100}  # never too few to answer
    config = dataclasses.replace(SMALL, env_id=env_id, teacher="human", steps=30_000, **asked)  # type: ignore[arg-type]
    told = Counter[str]()
    while told["kills"] < count:
        path, told["runs"] = folder / f"run {told['runs']}", told["runs"] + 1
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        works: dict[str, tuple[Any, ...]]
        works = {"trainer": (go_on, config, path), "labeller": (label, path, writing)}
        children = {name: start(*work) for name, work in works.items()}
        heard = b""
        while not is_over(children["trainer"]):
            if told["kills"] < count:
                name = rng.choice(list(works))
                time.sleep(rng.uniform(0, 0.8))
                with contextlib.suppress(BlockingIOError):
                    heard += os.read(reading, 1 << 20)
                if name == "trainer" and is_over(children[name]):
                    break
                kill(children[name])
                told["kills"], told[f"of the {name}"] = told["kills"] + 1, told[f"of the {name}"] + 1
                children[name] = start(*works[name])
            time.sleep(0.01)
        kill(children["labeller"])
        os.close(writing)
        os.set_blocking(reading, True)
        with os.fdopen(reading, "rb") as pipe:
            lines = (heard + pipe.read()).decode().splitlines()
        acknowledged = {(int(line.split()[0]), line.split()[1]) for line in lines}
        with Store(RunDir.open(path).store_url) as store:
            answers = [(p.query.id, p.choice) for p in effective(store.preferences())]
        told["acknowledged"] += len(acknowledged)
        told["lost"] += len(acknowledged - set(answers))
        told["twice"] += len(answers) - len({query_id for query_id, _ in answers})
    return told


def label(path: Path, writing: int) -> None:
    """All of the labelling window but the window: answer whatever is shown, and say so once it is acknowledged."""
    clerk, rng = Clerk(path, Options("Ada", repeat_share=0.0), np.random.default_rng(), lambda: None), random.Random()
    while True:
        for showing in clerk.state.showings[:1]:
            choice, done = rng.choice(CHOICES), clerk.state.jobs_done
            clerk.answer(showing, Reply(choice))
            while clerk.state.jobs_done == done:
                time.sleep(0.001)
            if clerk.state.note is None:  # else somebody, an earlier self for example, was faster
                os.write(writing, f"{showing.query_id} {choice}\n".encode())
            while clerk.state.showings[:1] == (showing,):
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))


GUARDS = {
    "fsync": ("files.py", "        os.fsync(file.fileno())\n", "", "syscalls.py -k on_disk"),
    "fsync of the folder": ("files.py", "        os.fsync(descriptor)\n", "        pass\n", "syscalls.py -k on_disk"),
    "UNIQUE": ("schema.py", '"submission_id", Text, nullable=False, unique=True', '"submission_id", Text',
               "store.py -k one_row"),
    "hash of a file": ("checkpoints.py", "self.hashes.get(name) != sha256(data)", "False", "checkpoints.py -k damage"),
    "hash of JSON": ("files.py", 'values.pop("sha256", None) != _digest(values)', 'not values.pop("sha256", True)',
                           "checkpoints.py -k manifest"),
    "checksum of a row": ("schema.py", 'values["crc"] != _crc(table, values)', "False", "store.py -k believed"),
    "lock": ("run_dir.py", "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass", "run_dir.py -k lock"),
    "BEGIN IMMEDIATE": ("database.py", '"BEGIN IMMEDIATE" if writes else "BEGIN"', '"BEGIN"', "store.py -k writer"),
    "synchronous=FULL": ("database.py", "synchronous=FULL", "synchronous=OFF", "store.py -k settings"),
    "fingerprint": ("train.py", 'checkpoint.state["answers"] != fingerprint(known)', "False", "train.py -k answers"),
}  # fmt: skip
"""Name -> the file under prefrl/ that has it, its text, that without it, and the tests that must notice."""


def check_guards(folder: Path, _rng: random.Random, _count: int, _env_id: str) -> Counter[str]:
    """In a copy of the sources."""
    told = Counter[str]()
    for name in ("prefrl", "envs", "tests", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, (file, guard, without, tests) in GUARDS.items():
        source = folder / "prefrl" / file
        text = source.read_text()
        if guard not in text:
            raise SystemExit(f"{file} does not hold the guard {name} any more")
        source.write_text(text.replace(guard, without, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *f"tests/test_{tests}".split()]
        env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        source.write_text(text)
        print(f"without {name}: {done.stdout.strip().splitlines()[-1]}", flush=True)
        told["noticed" if done.returncode == 1 else "unnoticed"] += 1
    return told


BREAKERS = {"resume": check_resume, "damage": check_damage, "answers": check_answers, "guards": check_guards}
BAD = ("other than uninterrupted", "undetected", "lost", "twice", "unnoticed")


@dataclass(frozen=True)
class Faults:
    """Break runs for real."""

    what: Annotated[Literal["resume", "damage", "answers", "guards"], tyro.conf.Positional]

    count: int = 100
    """Kills or damages."""

    seed: int = 0
    """Of when and where."""

    env_id: str = "CartPole-v1"
    """Environment to train in."""


def main(options: Faults) -> int:
    """Exit code 1 if a fault got by."""
    torch.set_num_threads(1)  # and no others, which a fork would lose
    with tempfile.TemporaryDirectory() as folder:
        told = BREAKERS[options.what](Path(folder), random.Random(options.seed), options.count, options.env_id)
    print(f"{options.what}: " + ", ".join(f"{times} {name}" for name, times in told.items()), flush=True)
    return int(any(told[name] for name in BAD))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Faults)))
