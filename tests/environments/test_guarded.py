"""What an environment may do wrong, each in a real run of the command line or in one that takes a second."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import odd_envs  # noqa: F401  # registers the environment
import pytest
import torch
from small import SMALL, SMALL_SAC

from prefrl.config.run import TrainConfig
from prefrl.environments.make import make_venv, try_env
from prefrl.environments.recorder import RecordingVecEnv, reported_success
from prefrl.errors import EnvError
from prefrl.runs.run_dir import RunDir
from prefrl.training.loop import train

QUICK = [
    "--steps",
    "2000",
    "--labels",
    "10",
    "--segment-length",
    "10",
    "--rounds",
    "2",
    "--ppo.n-envs",
    "2",
    "--ppo.n-steps",
    "100",
]


def odd(kind: str, **kwargs: int) -> TrainConfig:
    return dataclasses.replace(SMALL, env_id="Odd-v0", env_kwargs={"kind": kind, **kwargs})


def prefrl(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": ":".join([str(Path(__file__).parents[1]), *sys.path])}
    command = [sys.executable, "-m", "prefrl", *words]
    return subprocess.run(command, cwd=where, env={**os.environ, **env}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["array", "no axis", "tensor", "true", "scalar", "flag array"])
def test_one_number_is_a_number_whatever_holds_it(kind: str) -> None:
    assert try_env(odd(kind)) is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("vector", "Odd-v0: the reward of step() is ndarray(2,), want one number"),
        ("word", "Odd-v0: the reward of step() is '1.5', want one number"),
        ("nothing", "Odd-v0: the reward of step() is None, want one number"),
        ("complex", "Odd-v0: the reward of step() is (1+2j), want one number"),
        ("beyond", "Odd-v0: the reward of step() is NaN, infinite, or beyond what float32 holds"),
        ("flag word", "Odd-v0: terminated of step() is 'no', want a bool"),
        ("flag arrays", "Odd-v0: terminated of step() is ndarray(2,), want a bool"),
        ("no info", "Odd-v0: info is None, want a dict"),
        ("GeneratorExit", "Odd-v0: step() raised GeneratorExit: so it goes"),
        ("BaseException", "Odd-v0: step() raised BaseException: so it goes"),
        ("lowhigh", "Odd-v0 acts by Box(1.0, 1.0, (1,), float32), where there is nothing to choose"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_made(kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(EnvError) as caught:
        train(odd(kind), tmp_path / "run")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("small", [SMALL, SMALL_SAC], ids=["ppo", "sac"])
def test_an_environments_own_info_keys_are_nobodys_elses(small: TrainConfig, tmp_path: Path) -> None:
    run = train(dataclasses.replace(small, env_id="Odd-v0", env_kwargs={"kind": "infos"}), tmp_path / "run")
    assert run.has_agent(run.whole_checkpoints()[0])
    venv = RecordingVecEnv(make_venv(odd("infos"), 1))
    venv.reset()
    for _ in range(21):
        venv.step(np.zeros((1, 1), np.float32))
    first, second = venv.drain()
    assert (first.truncated, first.success, first.sim_states, first.jpegs) == (True, None, None, None)
    assert isinstance(second.reset_seed, int)


@pytest.mark.parametrize(
    ("info", "success"),
    [
        ({"is_success": True}, True),
        ({"success": 0}, False),
        ({"success": np.array([1.0])}, True),
        ({"is_success": np.bool_(False)}, False),
        ({"is_success": torch.tensor(True)}, True),
        ({"success": "no"}, None),
        ({"success": 0.5}, None),
        ({"success": np.array([True, False])}, None),
        ({"success": [[1], [1, 2]]}, None),
        ({"is_success": "yes", "success": True}, True),
        ({}, None),
    ],
)
def test_success_is_a_bool_or_nothing(info: dict[str, object], success: bool | None) -> None:
    assert reported_success(info) is success


def test_numbers_that_nothing_can_be_learned_from_are_the_environments_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match=r"not finite in \d+ steps .*observations beyond 1e\+18"):
        train(odd("huge", at=30), tmp_path / "run")


def test_what_an_environment_sets_for_the_whole_process_is_undone(tmp_path: Path) -> None:
    before = np.geterr()
    run = train(odd("settings"), tmp_path / "run")
    assert run.has_agent(run.whole_checkpoints()[0])
    assert (np.geterr(), torch.get_default_dtype(), torch.is_grad_enabled()) == (before, torch.float32, True)


@pytest.mark.fault
def test_an_environments_keyboard_interrupt_is_not_the_users(tmp_path: Path) -> None:
    words = ["train", "odd_envs:Odd-v0", "--env-kwargs", "kind", "KeyboardInterrupt", "at", "300", *QUICK]
    done = prefrl(*words, "--run-dir", "run", where=tmp_path)
    assert done.returncode == 3
    said = "Odd-v0: step() raised KeyboardInterrupt: so it goes; mend it there"
    assert done.stderr.splitlines()[-1] == f"prefrl: error: {said}"


@pytest.mark.fault
def test_an_environment_may_change_the_folder_and_print(tmp_path: Path) -> None:
    words = ["train", "odd_envs:Odd-v0", *QUICK, "--env-kwargs", "kind"]
    assert prefrl(*words, "chdir", "--run-dir", "moved", where=tmp_path).returncode == 0
    assert RunDir.open(tmp_path / "moved").latest_checkpoint() is not None
    done = prefrl("evaluate", "moved", "--episodes", "1", "--video", "film.mp4", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "film.mp4").exists()
    assert prefrl(*words, "print", "--run-dir", "loud", where=tmp_path).returncode == 0
    told = prefrl("evaluate", "loud", "moved", "--episodes", "1", "--json", where=tmp_path)
    assert [run["episodes"] for run in json.loads(told.stdout)["runs"]] == [1, 1]
