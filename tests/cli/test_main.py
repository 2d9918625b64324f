import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.cli import main as cli
from prefrl.cli.options import MAIN
from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.data.text import plain, shell
from prefrl.errors import EnvError, StoreError


def config(*args: str) -> TrainConfig:
    command = cli.parse(["train", "Hopper-v5", *args])
    assert isinstance(command, TrainConfig)
    return command


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1", "Nobody-has-a-preset-v0"])
def test_train_defaults_are_the_presets_of_the_environment(env_id: str) -> None:
    assert cli.parse(["train", env_id]) == preset(env_id)


def test_every_kind_of_training_option_is_read() -> None:
    args = "--seed 3 --steps 4000 --labels 7 --run-dir here/there --reward true --selector entropy --ppo.batch-size 32"
    args += " --ppo.hidden 8 16 --reward-model.hidden 4 --oracle.beta 2.5 --oracle.mistake 0.1 --teacher oracle"
    read = config(*args.split())
    assert (read.seed, read.steps, read.labels, read.run_dir) == (3, 4000, 7, Path("here/there"))
    assert (read.reward, read.selector, read.teacher) == ("true", "entropy", "oracle")
    assert (read.ppo.batch_size, read.ppo.hidden, read.reward_model.hidden) == (32, (8, 16), (4,))
    assert (read.oracle.beta, read.oracle.mistake) == (2.5, 0.1)
    assert config("--oracle.beta", "inf").oracle.beta == math.inf


def test_env_kwargs_keep_their_types() -> None:
    read = config("--env-kwargs", "frame_skip", "2", "xml_file", "a.xml", "terminate_when_unhealthy", "False")
    assert read.env_kwargs == {"frame_skip": 2, "xml_file": "a.xml", "terminate_when_unhealthy": False}
    assert type(read.env_kwargs["frame_skip"]) is int
    assert type(read.env_kwargs["terminate_when_unhealthy"]) is bool


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), rate=st.floats(1e-9, 1.0))
def test_numbers_are_read_exactly(seed: int, rate: float) -> None:
    read = config("--seed", str(seed), "--ppo.learning-rate", repr(rate))
    assert (read.seed, read.ppo.learning_rate) == (seed, rate)


def test_the_other_commands_are_read() -> None:
    assert cli.parse(["resume", "runs/a"]) == cli.Resume(Path("runs/a"))
    assert cli.parse(["evaluate", "runs/a", "--episodes", "3", "--json"]) == cli.Evaluate(
        (Path("runs/a"),), 3, json=True
    )
    assert cli.parse(["evaluate", "a", "b"]) == cli.Evaluate((Path("a"), Path("b")))
    assert cli.parse(["label", "runs/a", "--goal", "do a backflip"]) == cli.Label(Path("runs/a"), "do a backflip")
    runs = (Path("runs/a"), Path("runs/b"))
    assert cli.parse(["report", "runs/a", "runs/b", "-o", "r.html"]) == cli.Report(runs, Path("r.html"))
    assert cli.parse(["inspect", "runs/a", "--question", "3", "--video", "q.mp4"]) == cli.Inspect(
        Path("runs/a"), question=3, video=Path("q.mp4")
    )
    assert cli.parse(["export", "runs/a", "--format", "npz", "-o", "a"]) == cli.Export(Path("runs/a"), "npz", Path("a"))
    assert cli.parse(["import", "a", "b.sqlite"]) == cli.Import(Path("a"), Path("b.sqlite"))
    assert cli.parse(["doctor"]) == cli.Doctor()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("", "train, resume, label, evaluate, report, inspect, export, import, doctor"),
        ("trian Hopper-v5", "trian"),
        ("train", "prefrl train Hopper-v5"),
        ("train --steps 5", "environment before its options"),
        ("train Hopper-v5 Ant-v5", "Ant-v5"),
        ("train Hopper-v5 --stepss 4", "perhaps you meant --steps"),
        ("train Hopper-v5 --ppo.gama 0.9", "perhaps you meant --ppo.gamma"),
        ("train Hopper-v5 --steps", "--steps"),
        ("train Hopper-v5 --steps many", "--steps: invalid literal for int() with base 10: 'many'"),
        ("train Hopper-v5 --steps nan", "--steps"),
        ("train Hopper-v5 --steps -4", "--steps is -4"),
        ("train Hopper-v5 --steps 0", "--steps is 0"),
        ("train Hopper-v5 --ppo.gamma nan", "--ppo.gamma is nan"),
        ("train Hopper-v5 --ppo.learning-rate inf", "--ppo.learning-rate is inf"),
        ("train Hopper-v5 --selector best", "disagreement_kcentre"),
        ("train Hopper-v5 --reward-model.hidden 8 x", "--reward-model.hidden"),
        ("train Hopper-v5 --env-kwargs frame_skip", "--env-kwargs"),
        ("evaluate", "RUN_DIR"),
        ("evaluate runs/a runs/b --video a.mp4", "--video"),
        ("evaluate runs/a --episodes 1.5", "--episodes"),
        ("resume runs/a runs/b", "runs/b"),
        ("doctor --seed 1", "--seed"),
    ],
)
def test_a_bad_command_line_is_told_in_one_line(
    args: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(args.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("prefrl: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not any(mark in err for mark in "╭│─╯\x1b")
    assert list(tmp_path.iterdir()) == []


def test_an_error_gives_its_exit_code_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def action(_words: Sequence[str]) -> int:
        raise StoreError("runs/a/preferences.sqlite is damaged;\n restore it")

    assert cli.guard(action, []) == 4
    assert capsys.readouterr().err == "prefrl: error: runs/a/preferences.sqlite is damaged; restore it\n"


def test_debug_shows_the_traceback_and_keeps_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def action(words: Sequence[str]) -> int:
        raise EnvError(f"got {words}")

    assert cli.guard(action, ["a", "--debug", "b"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("prefrl: error: got ['a', 'b']\n")


def test_an_error_nobody_foresaw_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.guard(lambda _words: 1 // 0, []) == 1
    err = capsys.readouterr().err
    assert err == "prefrl: error: ZeroDivisionError: integer division or modulo by zero; --debug shows where\n"


def test_signals_give_their_exit_codes() -> None:
    def kill_myself(by: signal.Signals) -> int:
        os.kill(os.getpid(), by)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert cli.guard(lambda _words: kill_myself(signal.SIGTERM), []) == 143
    assert cli.guard(lambda _words: kill_myself(signal.SIGINT), []) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_help_tells_the_options_that_people_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "Hopper-v5", "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    words = " ".join(out.replace("│", "").split())
    assert f"Environment steps to train for. (default: {preset('Hopper-v5').steps})" in words
    assert set(re.findall(r"--[a-z][\w.-]+", words)) == {"--help", "--help-all"} | {
        f"--{name.replace('_', '-')}" for name in MAIN if name != "env_id"
    }
    assert len(out.splitlines()) < 60
    assert cli.main(["train", "--help"]) == 0
    assert cli.main(["--help"]) == 0
    assert "doctor" in capsys.readouterr().out


@pytest.mark.parametrize("env_id", [["Reacher-v5"], []])
def test_all_help_tells_each_option_by_a_positive_name(env_id: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *env_id, "--help-all"]) == 0
    words = capsys.readouterr().out.split()
    for flag in (
        "--run-dir",
        "--ppo.batch-size",
        "--reward-model.hidden",
        "--oracle.mistake",
        "--reward-model.bounded",
    ):
        assert flag in words
    assert not [word for word in words if "--no-" in word or ".no-" in word]


def test_help_and_version_load_no_torch() -> None:
    code = "import sys; from prefrl.cli.main import main as m; m(['--help']); m(['--version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert "prefrl 0." in done.stdout
    assert not {"torch", "stable_baselines3"} & set(done.stdout.split())


def test_a_reader_that_leaves_early_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "prefrl", "train", "Hopper-v5", "--help"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "prefrl", "evaluate", "no/such/run", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("prefrl: error: ")
    assert done.stderr.count("\n") == 1


def test_a_window_without_a_display_is_refused_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    words = ["train", "CartPole-v1", "--teacher", "human", "--label", "--run-dir", str(tmp_path / "run")]
    assert cli.main(words) == 2
    assert "no display" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_names_that_options_had_before_are_understood() -> None:
    assert cli.parse(["train", "Hopper-v5", "--spans", "7"]) == cli.parse(["train", "Hopper-v5", "--rounds", "7"])
    assert cli.parse(["inspect", "run", "--query=3"]) == cli.parse(["inspect", "run", "--question", "3"])


@pytest.mark.parametrize(
    ("words", "bounded", "bootstrap"),
    [
        ("", True, False),
        ("--reward-model.bounded False", False, False),
        ("--reward-model.no-bounded", False, False),  # as before 0.3, here and below
        ("--reward-model.bootstrap --reward-model.bounded=False", False, True),
        ("--reward-model.bootstrap", True, True),
        ("--reward-model.bootstrap True --reward-model.no-bounded", False, True),
    ],
)
def test_switches_of_the_reward_model_take_a_value(words: str, bounded: bool, bootstrap: bool) -> None:
    read = config(*words.split()).reward_model
    assert (read.bounded, read.bootstrap) == (bounded, bootstrap)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["[red]r [/b] 'c' $(touch d)", "\x1b[2Jx"])
def test_a_path_is_text_and_suggested_commands_can_be_copied(name: str, tmp_path: Path) -> None:
    words = ["train", "CartPole-v1", "--steps", "10000", "--labels", "6", "--rounds", "1", "--run-dir", name]
    command = [sys.executable, "-m", "prefrl"]
    done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    last = done.stderr.splitlines()[-1]
    assert last == f"{plain(name)} is trained; next: prefrl evaluate {shell(name)}"
    assert "\x1b" not in done.stderr
    suggested = last.partition("next: prefrl ")[2]
    shown = f"{shlex.join(command)} {suggested} --episodes 1 --json"
    done = subprocess.run(["bash", "-c", shown], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["run_dir"] == name
    assert os.listdir(tmp_path) == [name.partition("/")[0]]
