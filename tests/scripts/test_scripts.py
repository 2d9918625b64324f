import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from prefrl.cli import main as cli
from prefrl.config.presets import tuned
from prefrl.config.run import TrainConfig

ROOT = Path(__file__).parents[2]
TRAIN_SCRIPTS = sorted((ROOT / "scripts").glob("train_*.py"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[cli.Command]:
    """The commands that scripts ask for, instead of running them."""
    commands: list[cli.Command] = []
    monkeypatch.setattr(cli, "run", lambda command: commands.append(command) or 0)
    monkeypatch.setattr(cli, "watch", lambda work: work())  # not in a process of its own
    return commands


def run_script(script: Path, *args: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *args])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(script), run_name="__main__")
    return int(stop.value.code or 0)


def test_every_tuned_environment_has_its_script(asked: list[cli.Command]) -> None:
    assert [run_script(script, "--seed", "5") for script in TRAIN_SCRIPTS] == [0] * len(TRAIN_SCRIPTS)
    trained = [command for command in asked if isinstance(command, TrainConfig) and command.seed == 5]
    assert sorted(config.env_id for config in trained) == sorted(tuned())


def test_the_evaluate_script(asked: list[cli.Command]) -> None:
    assert run_script(ROOT / "scripts" / "evaluate.py", "runs/a", "--json") == 0
    assert asked == [cli.Evaluate((Path("runs/a"),), json=True)]


def test_the_label_script(asked: list[cli.Command]) -> None:
    assert run_script(ROOT / "scripts" / "label.py", "runs/a", "--annotator", "Ada") == 0
    assert asked == [cli.Label(Path("runs/a"), annotator="Ada")]


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    present = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("prefrl/**/__init__.py")}
    assert set(listed) == present | {"prefrl_envs"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the shell scripts need, without .venv."""
    for name in ("pyproject.toml", "scripts/_setup", "scripts/constraints.txt", "scripts/demo", "scripts/test"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fake_python(path: Path, fails_at: str) -> Path:
    """A Python at `path` that says so and fails where `fails_at` occurs in what it is to do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fail = f"case \"$*\" in *'{fails_at}'*) echo 'asked to: {fails_at}'; exit 1;; esac"
    path.write_text(f'#!/bin/sh\n{fail}\nexec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def run_demo(checkout: Path, python: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHON": str(python)}
    return subprocess.run(
        [checkout / "scripts" / "demo"], cwd="/", env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("fails_at", "said"),
    [("version_info", "is not Python 3.11 or newer"), ("ensurepip", "apt-get install python3-venv")],
)
def test_a_python_that_will_not_do_is_told_in_one_line(checkout: Path, fails_at: str, said: str) -> None:
    done = run_demo(checkout, fake_python(checkout / "python3", fails_at))
    assert done.returncode == 3
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("state", "does"),
    [
        ("absent", "asked to: -m venv"),
        ("broken", "asked to: -m venv"),
        ("half made", "asked to: -m venv"),
        ("moved", "asked to: -m venv"),
        ("somebody's own", "asked to: pip install"),
        ("outdated", "asked to: pip install"),
        ("up to date", "the demo runs"),
    ],
)
def test_the_environment_is_made_or_mended_or_left_alone(checkout: Path, state: str, does: str) -> None:
    both = b"".join((checkout / name).read_bytes() for name in ("pyproject.toml", "scripts/constraints.txt"))
    checksum = subprocess.run(["cksum"], input=both, capture_output=True, check=True).stdout.decode()
    stamps = {
        "half made": "",
        "moved": f"{checksum}/elsewhere\n",
        "outdated": f"1 2\n{checkout}\n",
        "up to date": f"{checksum}{checkout}\n",
    }
    if state != "absent":
        fake_python(checkout / ".venv" / "bin" / "python", "import pip" if state == "broken" else "pip install")
    if state in stamps:
        (checkout / ".venv" / "prefrl-stamp").write_text(stamps[state])
    (checkout / "scripts" / "demo.py").write_text("print('the demo runs')")
    done = run_demo(checkout, fake_python(checkout / "python3", "-m venv"))
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if line.startswith("asked to: -") or line == does] == [does]
