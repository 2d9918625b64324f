"""Take the guards out of a copy of the sources, one after the other: a test must fail each time."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Guard:
    """A piece of code that keeps a fault from doing harm."""

    file: str
    """Where it is, under prefrl/."""

    code: str
    without: str
    """What to put in place of `code`."""

    tests: str
    """The tests that must notice, as pytest's arguments under tests/."""


GUARDS = {
    "fsync": Guard("runs/files.py", "        os.fsync(file.fileno())\n", "", "test_syscalls.py -k on_disk"),
    "fsync of the folder": Guard(
        "runs/files.py", "        os.fsync(descriptor)\n", "        pass\n", "test_syscalls.py -k on_disk"
    ),
    "UNIQUE": Guard(
        "store/schema.py",
        '"submission_id", Text, nullable=False, unique=True',
        '"submission_id", Text',
        "store/test_store.py -k one_row",
    ),
    "hash of a file": Guard(
        "runs/checkpoints.py", "self.hashes.get(name) != sha256(data)", "False", "runs/test_checkpoints.py -k damage"
    ),
    "hash of JSON": Guard(
        "runs/files.py",
        'values.pop("sha256", None) != _digest(values)',
        'not values.pop("sha256", True)',
        "runs/test_checkpoints.py -k manifest",
    ),
    "checksum of a row": Guard(
        "store/schema.py", 'values["crc"] != _crc(table, values)', "False", "store/test_store.py -k believed"
    ),
    "lock": Guard(
        "runs/run_dir.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        "runs/test_run_dir.py -k lock",
    ),
    "BEGIN IMMEDIATE": Guard(
        "store/engines.py", '"BEGIN IMMEDIATE" if writes else "BEGIN"', '"BEGIN"', "store/test_store.py -k writer"
    ),
    "synchronous=FULL": Guard(
        "store/engines.py", "synchronous=FULL", "synchronous=OFF", "store/test_store.py -k settings"
    ),
    "fingerprint": Guard(
        "training/loop.py",
        'checkpoint.state["answers"] != fingerprint(known)',
        "False",
        "training/test_loop.py -k answers",
    ),
}


def without_guards(folder: Path) -> Counter[str]:
    """How many were noticed to be missing, and how many were not, in a copy of the sources in `folder`.

    Raises:
        SystemExit: the sources do not hold one of them.
    """
    told = Counter[str]()
    for name in ("prefrl", "envs", "tests", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, guard in GUARDS.items():
        source = folder / "prefrl" / guard.file
        text = source.read_text()
        if guard.code not in text:
            raise SystemExit(f"{guard.file} no longer holds the guard {name}")
        source.write_text(text.replace(guard.code, guard.without, 1))
        tests = f"tests/{guard.tests}".split()
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *tests]
        env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        source.write_text(text)
        print(f"without {name}: {done.stdout.strip().splitlines()[-1]}", flush=True)
        told["noticed" if done.returncode == 1 else "unnoticed"] += 1
    return told
