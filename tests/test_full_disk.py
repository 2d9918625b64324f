"""A whole run on a file system that is full, or read-only: a small one of its own, mounted in a user namespace."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.fault

SCRIPT = """
import contextlib, io, subprocess, sys
from pathlib import Path
from small_runs import SMALL, hashes
from prefrl.cli import main as cli
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.loop import train

folder, other = Path(sys.argv[1]), Path(sys.argv[2])

def mount(*options):
    subprocess.run(["mount", *options, folder], check=True)

def prefrl(*words):
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        code = cli.guard(lambda words: cli.run(cli.parse(words)), words)
    assert "Traceback" not in told.getvalue(), told.getvalue()
    return code, told.getvalue().strip().rpartition(chr(10))[2]

def fill(left):
    free = folder / "ballast"
    with contextlib.suppress(OSError), free.open("ab") as file:
        while True:
            file.write(bytes(4096))
    with free.open("ab") as file:
        file.truncate(free.stat().st_size // 4096 * 4096 - left)

mount("-t", "tmpfs", "-o", "size=4m", "none")
whole = train(SMALL, other)
path = folder / "run"
options = "--steps 800 --labels 20 --segment-length 10 --rounds 4 --explore-steps 80 --ppo.n-envs 4 --ppo.n-steps 20"
options += " --ppo.batch-size 40 --ppo.n-epochs 2 --ppo.hidden 8 --reward-model.members 2 --reward-model.hidden 8"
command = ["train", "MoveRight-v0", *options.split(), "--reward-model.max-epochs", "3", "--run-dir", str(path)]
codes = []
for left in (0, 8192, 40_000, 90_000, 150_000, 300_000):
    fill(left)
    code, told = prefrl(*(["resume", str(path)] if path.exists() else command))
    codes.append(code)
    assert code in (0, 7), (left, code, told)
    assert code == 0 or "check free space" in told or "cannot be created" in told, told
    (folder / "ballast").unlink()
    if path.exists() and (path / "preferences.sqlite").exists():
        with Store(RunDir.open(path).store_url) as store:
            store.answers()
        RunDir.open(path).latest_checkpoint()
assert codes[0] == 7 and codes.count(7) >= 3, codes
code, told = prefrl(*(["resume", str(path)] if path.exists() else command))
assert code == 0, told
assert hashes(RunDir.open(path)) == hashes(whole)
mount("-o", "remount,ro")
code, told = prefrl("resume", str(path))
assert code == 7 and "Read-only" in told, told
code, told = prefrl(*command[:-1], str(folder / "new"))
assert code == 7 and "Read-only" in told, told
assert prefrl("evaluate", str(path), "--episodes", "1", "--json")[0] == 0
print(codes)
"""


def test_a_run_stops_when_the_disk_is_full_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    (tmp_path / "small").mkdir()
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = ["unshare", "-rm", sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path / "small")]
    done = subprocess.run(
        [*command, str(tmp_path / "whole")], env=paths, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
