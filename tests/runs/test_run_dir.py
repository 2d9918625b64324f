import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import TrainConfig
from prefrl.config.teachers import OracleConfig
from prefrl.data.verdict import Verdict
from prefrl.errors import CheckpointError, LockedError, StorageError, UsageError
from prefrl.runs.files import sealed, unsealed
from prefrl.runs.run_dir import RunDir, versions
from prefrl.store.store import Store


@pytest.fixture
def config():
    return TrainConfig("Hopper-v5", {"healthy_reward": 2.0}, seed=3, ppo=PPOConfig(hidden=(8, 4)))


@pytest.fixture
def run(tmp_path, config):
    return RunDir.create(tmp_path / "runs" / "hopper", config)


def test_create_then_open_gives_the_same_config(run, config):
    assert RunDir.open(run.path).config == config
    saved = json.loads((run.path / "config.json").read_text())
    assert saved["config"]["oracle"]["beta"] is None  # infinite
    assert saved["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert saved["versions"]["numpy"] == np.__version__
    assert saved["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", saved["git_commit"])
    assert os.listdir(run.path.parent) == ["hopper"]


def test_finite_beta_survives(tmp_path):
    config = TrainConfig("CartPole-v1", oracle=OracleConfig(beta=2.5), run_dir=tmp_path / "a")
    assert RunDir.create(tmp_path / "a", config).config == config


def test_versions_have_no_package_that_is_not_installed():
    assert set(versions()) >= {"python", "numpy", "sqlalchemy"}
    assert all(re.match(r"\d+\.", version) for version in versions().values())


def test_create_refuses_what_exists(tmp_path, config):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(UsageError, match=f"{name} exists already; .*prefrl resume"):
            RunDir.create(tmp_path / name, config)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "link"]
    assert os.listdir(tmp_path / "folder") == []


def test_create_below_a_file(tmp_path, config):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        RunDir.create(tmp_path / "file" / "run", config)


READ_ONLY = """
import subprocess, sys
from pathlib import Path
from prefrl.config.run import TrainConfig
from prefrl.errors import StorageError
from prefrl.runs.files import sealed, unsealed
from prefrl.runs.run_dir import RunDir
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
run = RunDir.create(folder / "run", TrainConfig("CartPole-v1"))
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
def refused(call):
    try:
        call()
    except StorageError as error:
        assert "Read-only file system" in str(error), error
    else:
        raise AssertionError(call)
refused(lambda: RunDir.create(folder / "other", TrainConfig("CartPole-v1")))
refused(lambda: run.lock().__enter__())
refused(lambda: run.append_metrics({}))
refused(lambda: run.write_checkpoint(1, {"a": b""}, {}))
refused(lambda: run.write_agent(b""))
assert RunDir.open(run.path).config.env_id == "CartPole-v1"
"""


@pytest.mark.fault
def test_read_only_folder(tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    ended = python(READ_ONLY, tmp_path, before=["unshare", "-rm"])
    assert ended.returncode == 0, ended.stderr


def python(script: str, *arguments: object, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*(before or []), sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_open_says_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match="nowhere is no folder"):
        RunDir.open(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"config\.json is missing"):
        RunDir.open(tmp_path)


@pytest.mark.fault
def test_an_agent_of_another_program_is_refused_unread(tmp_path):
    (tmp_path / "agent.zip").write_bytes(b"\x80\x04N.")
    with pytest.raises(CheckpointError, match="is a file; prefrl reads run folders, and never a pickle"):
        RunDir.open(tmp_path / "agent.zip")


@pytest.mark.fault
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"config": {}}', '{"config": 3}', "\x80"])
def test_config_that_is_damaged(run, text):
    (run.path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError) as caught:
        _ = RunDir.open(run.path).config
    assert "\n" not in str(caught.value)


def test_config_of_another_version(run):
    file = run.path / "config.json"
    saved = unsealed(file.read_bytes())
    saved["config"]["novelty"] = 1
    file.write_bytes(sealed(saved))
    with pytest.raises(UsageError, match="novelty"):
        _ = run.config


@pytest.mark.parametrize("name", ["plain", "with space", "50%25?x=1#é"])
def test_store_url_leads_into_the_folder(tmp_path, config, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = RunDir.create(Path(name), config).store_url
    monkeypatch.chdir("/")
    Store(url).close()
    assert (tmp_path / name / "preferences.sqlite").stat().st_size > 0


def test_write_agent(run):
    (run.path / "vec_normalize.json").write_bytes(b"{}")  # of earlier versions
    run.write_agent(b"zip")
    assert run.agent_zip.read_bytes() == b"zip"
    assert not (run.path / "vec_normalize.json").exists()


def test_checkpoints_lie_in_the_folder(run):
    assert run.latest_checkpoint() is None
    run.write_checkpoint(2048, {"policy": b"p"}, {"round": 1})
    assert run.latest_checkpoint().path == run.path / "checkpoints" / "000002048"


def test_metrics_round_trip(run):
    assert run.metrics() == []
    run.append_metrics({"round": 1, "true_return": np.float32(0.5), "n": np.int64(3), "text": "é\n"})
    run.append_metrics({"a": math.nan, "b": [math.inf, 1.0], "c": {"d": -math.inf}, "e": np.float64("nan")})
    assert run.metrics() == [
        {"round": 1, "true_return": 0.5, "n": 3, "text": "é\n"},
        {"a": None, "b": [None, 1.0], "c": {"d": None}, "e": None},
    ]
    assert run.metrics_path.read_bytes().count(b"\n") == 2


@pytest.mark.fault
def test_metrics_after_a_kill_in_the_middle_of_a_line(run):
    run.append_metrics({"round": 1})
    with run.metrics_path.open("a") as file:
        file.write('{"round": 2, "true_re')
    assert run.metrics() == [{"round": 1}]
    run.append_metrics({"round": 2})
    assert run.metrics() == [{"round": 1}, {"round": 2}]


@pytest.mark.fault
def test_metrics_with_a_damaged_line_warn(run):
    run.metrics_path.write_text('{"round": 1}\n{"sp\n{"round": 3}\n')
    with pytest.warns(UserWarning, match="line 2 is damaged"):
        assert run.metrics() == [{"round": 1}, {"round": 3}]


HOLD = """
import sys, time
from pathlib import Path
from prefrl.runs.files import sealed, unsealed
from prefrl.runs.run_dir import RunDir
with RunDir.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.fault
def test_lock_across_processes_and_after_a_kill(run):
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"in use by process {holder.pid};"), run.lock():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (run.path / "lock").read_text() == f"{holder.pid}\n"  # stale, and no obstacle
    with run.lock():
        assert (run.path / "lock").read_text() == f"{os.getpid()}\n"


def test_lock_is_released_by_an_error_and_can_be_taken_again(run):
    with pytest.raises(KeyError), run.lock():
        raise KeyError
    with run.lock(), pytest.raises(LockedError, match=str(os.getpid())), run.lock():
        pass
    with run.lock():
        pass


def test_a_verdict_is_kept_and_a_damaged_one_is_none(run):
    assert run.verdict() is None
    run.write_verdict(Verdict("doubtful", "Ask more."))
    assert RunDir.open(run.path).verdict() == Verdict("doubtful", "Ask more.")
    file = run.path / "verdict.json"
    file.write_bytes(file.read_bytes().replace(b"doubtful", b"good"))
    assert run.verdict() is None
