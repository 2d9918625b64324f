"""What the README shows is run as it stands there, and has to work: its agents must have learned something."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from label_bot import Person, xvfb

from prefrl.cli import main as cli
from prefrl.config.run import TrainConfig
from prefrl.evaluation.evaluate import evaluate
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PLACEHOLDERS = re.compile(r"\b[A-Z]{2,}(_[A-Z]+)?\b|my_package")
"""RUN_DIR, ENV_ID, and the module that only a reader has."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The words of each command of prefrl, and of each script, in the README's order."""
    shown = re.findall(r"^```sh\n.*?^```|`[^`\n]+`", README, re.MULTILINE | re.DOTALL)
    lines = [line.strip("`") for part in shown for line in part.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(("prefrl ", "python scripts/"))]
    return [one for one in words if not PLACEHOLDERS.search(" ".join(word for word in one if " " not in word))]


def test_there_are_commands_to_run() -> None:
    assert {words[1] for words in commands() if words[0] == "prefrl"} >= {"train", "evaluate", "resume", "report"}
    assert len(commands()) >= 7
    assert len(blocks("python")) >= 2


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "prefrl"], ids=" ".join)
def test_each_command_can_be_read(words: list[str]) -> None:
    cli.parse(words[1:])


@pytest.mark.parametrize("block", blocks("python"))
def test_each_program_can_be_compiled(block: str) -> None:
    compile(block, "README.md", "exec")


@pytest.mark.long
def test_every_command_and_program_works_and_teaches_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], random_returns: Callable[..., Sequence[float]]
) -> None:
    """As a reader would, one after the other, in an empty folder."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    for words in commands():
        began = time.monotonic()
        is_labelled = "--label" in words
        code, last = label_and_train(words, tmp_path) if is_labelled else run(words, tmp_path)
        with capsys.disabled():
            print(f"\n{shlex.join(words)}: exit {code}, {time.monotonic() - began:.0f} s\n    {last}")
        assert code == 0, last
    with capsys.disabled():
        for run_dir in sorted((tmp_path / "runs").iterdir()):
            found, config = evaluate(run_dir).true_return, RunDir(run_dir).config
            at_random = random_returns(config.env_id, config.env_kwargs, 0, 20)
            print(f"{run_dir.name}: {found.mean:.1f} after {config.steps} steps; at random {np.mean(at_random):.1f}")
            assert found.ci95[0] > np.mean(at_random) + np.std(at_random), f"{run_dir.name} has learned nothing"
    for block in blocks("python"):
        code, last = run([sys.executable, "-c", block], tmp_path)
        with capsys.disabled():
            print(f"{block.splitlines()[0]} ...: exit {code}\n    {last}")
        assert code == 0, last


@pytest.fixture
def random_returns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sequence[float]]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from simple_agents import random_returns

    return random_returns


def argv(words: list[str]) -> list[str]:
    """`words` with this Python in place of what a PATH would find."""
    return [sys.executable, *(["-m", "prefrl", *words[1:]] if words[0] == "prefrl" else words[1:])]


def run(words: list[str], folder: Path) -> tuple[int, str]:
    """Exit code, and the last line that was printed."""
    done = subprocess.run(argv(words), cwd=folder, capture_output=True, text=True)
    return done.returncode, (done.stderr + done.stdout).strip().rpartition("\n")[2]


def label_and_train(words: list[str], folder: Path) -> tuple[int, str]:
    """With somebody at the window who judges by the true reward; when all labels are given, the window is closed."""
    config = cli.parse(words[1:])
    assert isinstance(config, TrainConfig)
    run_dir = RunDir(folder / (config.run_dir or f"runs/{config.env_id}-{config.seed}"))
    with xvfb() as (display, _):
        command, env = argv(words), {**os.environ, "DISPLAY": display}
        with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
            try:
                while not run_dir.store_path.exists():
                    assert process.poll() is None
                    time.sleep(0.1)
                with open_store(run_dir) as store:
                    person = Person(store, display)
                    while process.poll() is None and store.num_answers() < config.labels:
                        person.answer()
                    while process.poll() is None:
                        subprocess.run(["xdotool", "key", "Escape"], env=env, check=True)
                        time.sleep(5)
                return process.returncode, (process.stderr.read() if process.stderr else "").strip().rpartition("\n")[2]
            finally:
                process.kill()
