import os
import subprocess
import sys

import pytest

from prefrl.errors import StorageError
from prefrl.runs.files import atomic_write


def test_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "agent.zip"
    atomic_write(path, b"old")
    atomic_write(path, b"new\0")
    assert path.read_bytes() == b"new\0"
    assert os.listdir(tmp_path) == ["agent.zip"]


def test_a_reader_keeps_the_file_it_opened(tmp_path):
    path = tmp_path / "agent.zip"
    atomic_write(path, b"old")
    with path.open("rb") as reader:
        atomic_write(path, b"new")
        assert reader.read() == b"old"


def test_folder_that_is_missing(tmp_path):
    with pytest.raises(StorageError, match=r"missing/agent\.zip cannot be used \(No such file or directory\)"):
        atomic_write(tmp_path / "missing" / "agent.zip", b"")


def test_target_that_is_a_folder(tmp_path):
    with pytest.raises(StorageError):
        atomic_write(tmp_path, b"")
    assert tmp_path.is_dir()
    assert list(tmp_path.parent.glob(f".{tmp_path.name}.*")) == []


FULL = """
import subprocess, sys
from pathlib import Path
from prefrl.errors import StorageError
from prefrl.runs.files import atomic_write
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=True)
atomic_write(folder / "a", b"old")
try:
    atomic_write(folder / "a", b"x" * 100_000)
except StorageError as error:
    assert "No space left on device" in str(error), error
else:
    raise AssertionError
assert [p.name for p in folder.iterdir()] == ["a"]
assert (folder / "a").read_bytes() == b"old"
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
try:
    atomic_write(folder / "a", b"new")
except StorageError as error:
    assert "Read-only file system" in str(error), error
else:
    raise AssertionError
"""


@pytest.mark.fault
def test_disk_full_and_read_only(tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    command = ["unshare", "-rm", sys.executable, "-c", FULL, tmp_path]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
