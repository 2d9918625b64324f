"""Break runs for real, more often than the tests do: faults.py WHAT --count N. Exits with 1 if a fault got by.

resume   SIGKILL a run at random instants and resume it: the same weights and answers as uninterrupted, bit for bit
damage   flip, cut and blank random places of every file of a run folder: it is reported, or has no effect
answers  SIGKILL trainer and labeller at random instants: no acknowledged answer is lost, none is there twice
guards   take out one guard after the other: a test fails each time (guards.py)
"""

import contextlib
import dataclasses
import os
import random
import signal
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
from guards import without_guards

from prefrl.cli.check_run import CHECKS, find
from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.errors import PrefrlError
from prefrl.feedback.answer import fingerprint, standing
from prefrl.feedback.comparison import PREFERRED
from prefrl.feedback.kinds import kind_of
from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import Options
from prefrl.runs.files import sha256
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.training.loop import resume, train

SMALL = TrainConfig(
    "CartPole-v1",
    steps=6000,
    labels=40,
    segment_length=20,
    rounds=8,
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
    with open_store(run) as store:
        return checkpoint.num_timesteps, checkpoint.hashes, fingerprint(store.answers())


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
            with open_store(run) as store:
                for question in [*store.pending(), *(answer.question for answer in store.answers())]:
                    arrays = (a for s in question.segments for a in (*s.obs.values(), s.actions, s.true_rewards))
                    read.append((question.id, sha256(b"".join(a.tobytes() for a in arrays))))
                read += [store.info(), fingerprint(store.answers()), store.num_questions()]
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
        with open_store(RunDir.open(path)) as store:
            answers = [(a.question.id, kind_of(a.question).to_json(a.value)) for a in standing(store.answers())]
        told["acknowledged"] += len(acknowledged)
        told["lost"] += len(acknowledged - set(answers))
        told["twice"] += len(answers) - len({question_id for question_id, _ in answers})
    return told


def label(path: Path, writing: int) -> None:
    """Label as a front end does: answer what is shown, and report each answer once it is acknowledged."""
    service = LabellingService(path, Options("Ada", repeat_share=0.0), np.random.default_rng())
    rng = random.Random()
    while True:
        showing = service.state.showing
        if showing is not None:
            said = rng.choice(PREFERRED)
            job = service.answer(showing.question_id, said) or 0
            while service.state.jobs_done < job:
                time.sleep(0.001)
            if service.state.note is None:  # else somebody, an earlier self for example, was faster
                os.write(writing, f"{showing.question_id} {said}\n".encode())
            while service.state.showing == showing:
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))


def check_guards(folder: Path, _rng: random.Random, _count: int, _env_id: str) -> Counter[str]:
    """In a copy of the sources."""
    return without_guards(folder)


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
