import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.errors import CheckpointError, StorageError
from prefrl.runs import checkpoints

FILES = {"policy.safetensors": b"\x00weights\xff" * 20, "empty": b"", "vec_normalize.json": b'{"mean": 0}'}


def write(folder: Path, *steps: int) -> None:
    for num_timesteps in steps:
        checkpoints.write(
            folder, num_timesteps, {**FILES, "own": str(num_timesteps).encode()}, {"round": num_timesteps}
        )


def found(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path):
    checkpoints.write(tmp_path, 512000, FILES, {"round": 3, "watermark": 17, "note": [1.5, None]})
    checkpoint = checkpoints.latest(tmp_path)
    assert checkpoint.path == tmp_path / "000512000"
    assert checkpoint.num_timesteps == 512000
    assert checkpoint.state == {"round": 3, "watermark": 17, "note": [1.5, None]}
    assert {name: checkpoint.read(name) for name in FILES} == FILES


def test_manifest_holds_sha256_and_size(tmp_path):
    checkpoints.write(tmp_path, 0, {"a": b"abc"}, {})
    manifest = json.loads((tmp_path / "000000000" / "manifest.json").read_text())
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifest["files"] == {"a": {"sha256": sha256_of_abc, "size": 3}}


def test_none_before_the_first(tmp_path):
    assert checkpoints.latest(tmp_path / "missing") is None
    assert checkpoints.latest(tmp_path) is None


def test_keeps_the_last_three_in_order_of_number(tmp_path):
    write(tmp_path, 1, 20, 300, 999_999_999, 1_000_000_000)
    assert found(tmp_path) == ["000000300", "1000000000", "999999999"]
    assert checkpoints.latest(tmp_path).num_timesteps == 1_000_000_000


def test_leftovers_of_a_killed_process_are_ignored_and_removed(tmp_path):
    write(tmp_path, 1)
    (tmp_path / ".feed.tmp").mkdir()
    (tmp_path / ".feed.tmp" / "manifest.json").write_text("{}")
    assert checkpoints.latest(tmp_path).num_timesteps == 1
    write(tmp_path, 2)
    assert found(tmp_path) == ["000000001", "000000002"]


@pytest.mark.parametrize("name", ["manifest.json", "../a", "a/b", "/a", "", ".."])
def test_refuses_names_that_leave_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="cannot hold a file named"):
        checkpoints.write(tmp_path, 1, {name: b""}, {})
    assert found(tmp_path) == []


def test_state_that_is_not_json_leaves_nothing_behind(tmp_path):
    for state in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError)):
            checkpoints.write(tmp_path, 1, FILES, state)
    assert found(tmp_path) == []


def damages(data: bytes):
    yield "deleted", None
    yield "emptied", b"" if data else b"x"
    yield "cut short", data[:-1] if data else b"y"
    yield "longer", data + b"\0"
    yield "flipped", bytes([data[0] ^ 1]) + data[1:] if data else b"z"


@pytest.mark.fault
@pytest.mark.parametrize("name", [*FILES, "own", "manifest.json"])
def test_damage_of_any_file_falls_back_to_the_one_before(tmp_path, name):
    write(tmp_path, 1, 2)
    file = tmp_path / "000000002" / name
    whole = file.read_bytes()
    for kind, data in damages(whole):
        file.unlink(missing_ok=True)
        if data is not None:
            file.write_bytes(data)
        with pytest.warns(UserWarning, match=f"000000002/{name}") as warned:
            assert checkpoints.latest(tmp_path).num_timesteps == 1, kind
        assert len(warned) == 1
        assert "\n" not in str(warned[0].message)
    file.write_bytes(whole)
    assert checkpoints.latest(tmp_path).num_timesteps == 2


@pytest.mark.fault
def test_no_changed_byte_of_a_manifest_is_believed(tmp_path):
    write(tmp_path, 10400, 20400)  # 10400 may become 1e400, which is infinite
    file = tmp_path / "000020400" / "manifest.json"
    whole = file.read_bytes()

    @settings(max_examples=300, deadline=None)
    @given(at=st.integers(0, len(whole) - 1), byte=st.integers(0, 255))
    def check(at, byte):
        file.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checkpoint = checkpoints.latest(tmp_path)
        assert checkpoint.state == {"round": checkpoint.num_timesteps}
        assert checkpoint.read("own") == str(checkpoint.num_timesteps).encode()
        if checkpoint.num_timesteps == 20400:  # then the change was one of layout
            assert json.loads(file.read_bytes()) == json.loads(whole)

    check()


@pytest.mark.fault
def test_error_if_all_are_damaged(tmp_path):
    write(tmp_path, 1, 2)
    for path in tmp_path.glob("*/own"):
        path.unlink()
    with pytest.warns(UserWarning, match="own cannot be read"), pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '{"sha256": "0"}', "[" * 100_000, "\x80"])
def test_manifest_of_another_kind(tmp_path, text):
    write(tmp_path, 1)
    (tmp_path / "000000001" / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match=r"manifest\.json"), pytest.raises(CheckpointError):
        checkpoints.latest(tmp_path)


def test_a_checkpoint_under_another_number_is_refused(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "000000001").rename(tmp_path / "000000009")
    with pytest.warns(UserWarning, match="folder"), pytest.raises(CheckpointError):
        checkpoints.latest(tmp_path)


def test_damage_after_opening_is_found_when_reading(tmp_path):
    write(tmp_path, 1)
    checkpoint = checkpoints.latest(tmp_path)
    (checkpoint.path / "own").write_bytes(b"2")
    with pytest.raises(CheckpointError, match="own is damaged"):
        checkpoint.read("own")
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.read("unknown")


def test_written_again_after_falling_back(tmp_path):
    write(tmp_path, 1, 2, 3, 4)
    for steps in (3, 4):
        (tmp_path / f"{steps:09d}" / "own").write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoints.latest(tmp_path).num_timesteps == 2
    checkpoints.write(tmp_path, 3, {"own": b"again"}, {})  # the run went on from 2
    assert found(tmp_path) == ["000000002", "000000003"]
    assert checkpoints.latest(tmp_path).read("own") == b"again"


def test_the_replaced_one_is_used_if_the_new_one_never_came(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "000000001").rename(tmp_path / "000000001.old")  # where a kill between the two renames leaves it
    assert checkpoints.latest(tmp_path).read("own") == b"1"
    write(tmp_path, 1)
    assert found(tmp_path) == ["000000001"]


KILLED = """
import os, sys
from pathlib import Path
from prefrl.runs import checkpoints
left = int(sys.argv[2])
def count(event, _):
    global left
    if event in {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove"}:
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(count)
checkpoints.write(Path(sys.argv[1]), 7, {"own": b"new", "other": b"new"}, {"is": "new"})
"""


@pytest.mark.fault
def test_a_process_that_ends_before_any_file_operation_leaves_old_or_new(tmp_path):
    for operations in range(100):
        folder = tmp_path / str(operations)
        checkpoints.write(folder, 7, {"own": b"old", "other": b"old"}, {"is": "old"})
        code = KILLED if operations else "raise SystemExit(9)"
        ended = subprocess.run(
            [sys.executable, "-c", code, folder, str(operations)], env={"PYTHONPATH": ":".join(sys.path)}
        )
        checkpoint = checkpoints.latest(folder)
        kind = checkpoint.state["is"].encode()
        assert checkpoint.read("own") == checkpoint.read("other") == kind
        if ended.returncode == 0:
            break
    assert operations > 10
    assert kind == b"new"


@pytest.mark.fault
def test_disk_full_leaves_the_old_ones(tmp_path):
    script = """
import resource, sys
from pathlib import Path
from prefrl.runs import checkpoints
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
checkpoints.write(Path(sys.argv[1]), 2, {"own": b"x" * 2000}, {})
"""
    write(tmp_path, 1)
    environment = {"PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], env=environment, capture_output=True, text=True)
    assert StorageError.__name__ in ended.stderr
    assert found(tmp_path) == ["000000001"]
    assert checkpoints.latest(tmp_path).num_timesteps == 1
