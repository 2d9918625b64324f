"""SIGKILL at every system call that changes the disk, by strace: what is written is old or new, and never mixed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_answer, make_question
from label_bot import need

from prefrl.runs import checkpoints
from prefrl.store.store import Store

pytestmark = [pytest.mark.fault, pytest.mark.slow]

CHANGES = (
    "open", "openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "mkdir", "unlink", "unlinkat",
    "rmdir", "link",
)  # fmt: skip
HERE = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}

WRITE_CHECKPOINT = """
import sys
from pathlib import Path
from prefrl.runs import checkpoints
folder = Path(sys.argv[1])
open(folder / "start", "w").close()
checkpoints.write(folder, int(sys.argv[2]), {"a": b"new", "b": b"new"}, {"is": "new"})
"""
ANSWER = """
import sys
from pathlib import Path
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Comparison
from prefrl.store.store import Store
folder = Path(sys.argv[1])
with Store(f"sqlite:///{folder}/store.sqlite") as store:
    answer = Answer(store.question(2), Comparison("right"))
    open(folder / "start", "w").close()
    print(store.add_answers([answer])[0], flush=True)
"""


def strace(log: Path, *options: str, script: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-o", str(log), *options, sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=HERE, capture_output=True, text=True, timeout=60, check=False)


def points(log: str) -> list[tuple[str, int]]:
    """Each call of CHANGES after the script's own start, with how many of its name there were before, from 1."""
    found, counts, begun = [], dict.fromkeys(CHANGES, 0), False
    for call, arguments in re.findall(r"^\d+ +(\w+)\((.*)", log, re.MULTILINE):
        counts[call] += 1
        if begun and (not call.startswith("open") or "O_CREAT" in arguments):
            found.append((call, counts[call]))
        begun = begun or '/start"' in arguments
    return found


def kill_everywhere(tmp_path: Path, script: str, *more: str):
    """Run `script` once to see its calls, and again and again, killed before one of them; the folder after each."""
    need("strace")
    log, original = tmp_path / "log", tmp_path / "original"
    shutil.copytree(original, tmp_path / "whole")
    everything = f"trace={','.join(CHANGES)}"
    done = strace(log, "-e", everything, script=script, arguments=[str(tmp_path / "whole"), *more])
    assert done.returncode == 0, done.stderr
    yield tmp_path / "whole", done.stdout
    for number, (call, count) in enumerate(points(log.read_text())):
        folder = tmp_path / str(number)
        shutil.copytree(original, folder)
        options = ["-e", everything, "-e", f"inject={call}:signal=SIGKILL:when={count}"]
        done = strace(log, *options, script=script, arguments=[str(folder), *more])
        assert done.returncode in (137, -9), (call, count, done.stderr)
        yield folder, done.stdout


@pytest.mark.parametrize("num_timesteps", [7, 8])
def test_a_checkpoint_is_old_or_new(tmp_path: Path, num_timesteps: int) -> None:
    """The one of 7 steps is there before: it is replaced, or another is added."""
    checkpoints.write(tmp_path / "original", 7, {"a": b"old", "b": b"old"}, {"is": "old"})
    seen = []
    for folder, _ in kill_everywhere(tmp_path, WRITE_CHECKPOINT, str(num_timesteps)):
        checkpoint = checkpoints.latest(folder)  # without a warning, too
        assert checkpoint is not None
        seen.append(checkpoint.state["is"])
        assert checkpoint.read("a") == checkpoint.read("b") == seen[-1].encode()
        checkpoints.write(folder, 9, {"a": b"next"}, {})
        assert not list(folder.glob(".*"))
    assert len(seen) > 12
    assert set(seen) == {"old", "new"}


def test_an_answer_is_there_or_not_and_surely_if_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "original").mkdir()
    rng = np.random.default_rng(0)
    with Store(f"sqlite:///{tmp_path}/original/store.sqlite") as store:
        store.add_questions([make_question(rng, 5) for _ in range(3)])
        store.add_answers([make_answer(store.question(1))])
    seen = []
    for folder, told in kill_everywhere(tmp_path, ANSWER):
        with Store(f"sqlite:///{folder}/store.sqlite") as store:
            held = [(answer.question.id, answer.words) for answer in store.answers()]
            assert held in ([(1, "left")], [(1, "left"), (2, "right")])
            assert len(held) == 2 or told == ""
            seen.append(len(held))
            assert store.add_answers([make_answer(store.question(3), "tie")]) == [len(held) + 1]
    assert len(seen) > 6
    assert set(seen) == {1, 2}


WRITE_FILES = """
import sys
from pathlib import Path
from prefrl.runs import checkpoints
from prefrl.runs.files import atomic_write
open(Path(sys.argv[1]) / "start", "w").close()
atomic_write(Path(sys.argv[1]) / "alone", b"x")
checkpoints.write(Path(sys.argv[1]) / "checkpoints", 1, {"a": b"x"}, {})
"""


def test_everything_is_on_disk_before_it_has_its_name_and_the_name_before_it_is_told(tmp_path: Path) -> None:
    need("strace")
    log = tmp_path / "log"
    done = strace(log, "-y", "-e", "trace=write,fsync,rename", script=WRITE_FILES, arguments=[str(tmp_path)])
    assert done.returncode == 0, done.stderr
    dirty, named, renames = set(), set(), 0
    for call, arguments in re.findall(r"^\d+ +(\w+)\((.*)", log.read_text(), re.MULTILINE):
        paths = re.findall(r'[<"](/[^>"]+)[>"]', arguments)
        if call == "write" and str(tmp_path) in paths[0]:
            dirty.add(paths[0])
        elif call == "fsync":
            dirty -= {paths[0]}
            named -= {path for path in named if os.path.dirname(path) == paths[0]}
        elif call == "rename" and str(tmp_path) in paths[0]:
            assert not any(path.startswith(paths[0]) for path in dirty)
            named.add(paths[1])
            renames += 1
    assert (renames, dirty, named) == (2, set(), set())
