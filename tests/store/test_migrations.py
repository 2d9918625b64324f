import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stores import python, version1_run

from prefrl.cli.inspect import inspect
from prefrl.cli.main import main
from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces
from prefrl.errors import PrefrlError, StoreError
from prefrl.feedback.answer import fingerprint
from prefrl.feedback.comparison import Comparison
from prefrl.runs.files import atomic_write
from prefrl.store import engines, migrations
from prefrl.store import rows as dump
from prefrl.store.export import export, import_
from prefrl.store.salvage import read, readable
from prefrl.store.store import Store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return version1_run(tmp_path)


@pytest.fixture
def path(run: Path) -> Path:
    return run / "preferences.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def learned_from(run: Path) -> tuple[int, str]:
    """Watermark and fingerprint of the answers that the latest checkpoint was fitted to."""
    state = json.loads(max(run.glob("checkpoints/*/manifest.json")).read_text())["state"]
    return state["watermark"], state["answers"]


def test_everything_is_there_after_the_migration(run: Path, path: Path, url: str) -> None:
    before, (watermark, expected) = digest(path), learned_from(run)
    with Store(url) as store:
        answers = store.answers()
        assert fingerprint([answer for answer in answers if (answer.seq or 0) <= watermark]) == expected
        assert [(a.seq, a.question.id, a.value, a.replaces) for a in answers if a.annotator == "alice"] == [
            (13, 13, Comparison("left"), None),
            (14, 13, None, 13),
            (15, 13, Comparison("tie"), None),
            (16, 14, Comparison("skip"), None),
        ]
        assert (store.watermark(), store.num_answers(), store.num_questions()) == (16, 14, 15)
        assert [question.id for question in store.pending()] == [15]  # 16 was withdrawn
        *_, repeat = store.answers_of("alice")
        assert (repeat.seq, repeat.question.id, repeat.is_repeat, repeat.shown_order) == (17, 13, True, (1, 0))
        assert (repeat.value, repeat.shown_at, repeat.seconds) == (Comparison("tie"), 1_700_000_030.0, 4.5)
        film = store.question(13).segments[0].film
        assert film is not None
        assert (len(film.jpegs), film.fps, film.jpegs[1]) == (6, 50.0, bytes([255, 216, 1, 255, 217]))
        info = store.info()
        assert info is not None
        assert (info.env_id, info.goal, info.spaces) == ("CartPole-v1", "keep the pole up", Spaces.vectors(4, 2))
        known = Spaces({"obs": ArraySpec((4,))}, ActionSpec(2, "discrete"))
        store.describe(type(info)("CartPole-v1", {}, known, {}))
        assert store.add_questions([store.pending()[0]]) == [17]
        again = store.info()
        assert again is not None
        assert (again.spaces, again.versions) == (known, info.versions)
    assert digest(migrations.kept_as(path)) == before
    assert leftovers(run) == []


def leftovers(run: Path) -> list[str]:
    return [file.name for file in run.iterdir() if file.name.startswith(".")]


def test_what_reads_stores_reads_old_ones(path: Path, url: str, tmp_path: Path) -> None:
    old, answers = read(url), readable(url)
    assert not migrations.kept_as(path).exists()  # salvage changes nothing
    assert "answers       14: 2 left, 0 right, 11 tie, 1 skip" in inspect(path)
    assert "tie by alice" in inspect(path, question_id=13)
    before = digest(path)
    assert main(["export", str(path), "-o", str(tmp_path / "w")]) == main(["doctor", str(path.parent)]) == 0
    assert digest(path) == before  # whoever reads replaces no file
    assert not migrations.kept_as(path).exists()
    with Store(url) as store:
        assert repr(dump.read(store)) == repr(old)
        assert fingerprint(store.answers()) == fingerprint(answers)
    assert export(path, "npz", tmp_path / "x") == import_(tmp_path / "x", tmp_path / "copy.sqlite")
    assert export(migrations.kept_as(path), "npz", tmp_path / "y") == export(path, "jsonl", tmp_path / "z")


def test_an_old_store_without_films_and_repeats(path: Path, url: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE films")
        db.execute("DROP TABLE repeats")
    db.close()
    with Store(url) as store:
        assert store.question(13).segments[0].film is None
        assert [answer.seq for answer in store.answers_of("alice")] == [15, 16]


@pytest.mark.fault
def test_a_damaged_old_store_is_refused_and_left_alone(path: Path, url: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE segments SET true_return = true_return + 1 WHERE id = 3")
    db.close()
    before = digest(path)
    with pytest.raises(StoreError, match=r"preferences.sqlite is damaged \(a row of segments does not match"):
        Store(url)
    assert digest(path) == before
    assert not migrations.kept_as(path).exists()
    assert 5 < len(readable(url)) < 16


@pytest.mark.fault
def test_an_old_store_that_somebody_writes_to_is_waited_for(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        Store(url)
    other.execute("ROLLBACK")
    other.close()
    with Store(url) as store:
        assert store.watermark() == 16


@pytest.mark.fault
def test_who_has_the_old_file_open_cannot_write_to_it_any_more(path: Path, url: str) -> None:
    """An answer of an old program that is still running would be lost: it must be told."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=TRUNCATE")
    other.execute("UPDATE labellers SET beat = 1")
    before = digest(path)
    with Store(url) as store:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            other.execute("INSERT INTO labellers VALUES ('a 1 b', 0)")
        other.close()
        assert store.num_answers() == 14
    assert digest(migrations.kept_as(path)) == before


def test_many_open_an_old_store_at_once(path: Path, url: str) -> None:
    before, errors = digest(path), []

    def start() -> None:
        try:
            with Store(url) as store:
                assert store.watermark() == 16
        except (PrefrlError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    code = f"from prefrl.store.store import Store; s = Store({url!r}); print(s.watermark())"
    assert python(code).stdout == "16\n"
    for thread in threads:
        thread.join()
    assert errors == []
    assert digest(migrations.kept_as(path)) == before
    assert leftovers(path.parent) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from prefrl.store import migrations
from prefrl.store.store import Store
at = int(sys.argv[2])
def count(event, args, seen=[0]):
    if event in ("open", "os.link", "os.rename", "os.remove", "sqlite3.connect") and sys.argv[3] in str(args):
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
Store(sys.argv[1])
"""


@pytest.mark.fault
def test_a_migration_that_is_killed_leaves_a_whole_store(path: Path, url: str) -> None:
    """Before each thing that it does with a file."""
    whole, killed = path.read_bytes(), 0
    for at in range(1, 40):
        for file in path.parent.glob("*preferences*"):
            file.unlink()
        path.write_bytes(whole)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", KILLED, url, str(at), "preferences"]
        code = subprocess.run(command, env=environment, check=False).returncode
        with Store(url) as store:
            assert (store.watermark(), store.num_answers()) == (16, 14)
        assert migrations.kept_as(path).read_bytes() == whole
        assert [*path.parent.glob(".*.new")] == []
        if code != -signal.SIGKILL:
            break
        killed += 1
    assert killed > 5


def test_a_file_in_the_way_is_not_touched(path: Path, url: str) -> None:
    kept, before = migrations.kept_as(path), path.read_bytes()
    kept.write_bytes(b"mine")
    Store(url).close()
    assert kept.read_bytes() == b"mine"
    assert kept.with_name("preferences.v1-2.sqlite").read_bytes() == before


def test_without_hard_links_the_old_file_is_copied(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    Store(url).close()
    assert migrations.kept_as(path).read_bytes() == before
    assert leftovers(path.parent) == []


READ_ONLY = """
import subprocess, sys
from prefrl.errors import StorageError
from prefrl.store.store import Store
folder = sys.argv[1]
subprocess.run(["mount", "--bind", folder, folder], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
with Store(f"sqlite:///{folder}/preferences.sqlite") as store:
    assert store.num_answers() == 14
    try:
        store.withdraw()
    except StorageError as error:
        assert "readonly" in str(error), error
    else:
        raise AssertionError
"""


@pytest.mark.fault
def test_on_a_read_only_disk_an_old_store_can_be_read(path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    ended = python(READ_ONLY, path.parent, before=["unshare", "-rm"])
    assert ended.returncode == 0, ended.stderr
    assert not migrations.kept_as(path).exists()


@pytest.mark.fault
def test_the_old_file_stays_locked_while_it_is_kept_without_hard_links(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an old program could add an answer that is in neither file."""
    write = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); c.execute('BEGIN IMMEDIATE')"
    codes: list[int] = []

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    def watched(name: Path, data: bytes) -> None:
        atomic_write(name, data)
        codes.append(subprocess.run([sys.executable, "-c", write, str(path)], stderr=subprocess.DEVNULL).returncode)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(migrations, "atomic_write", watched)
    Store(url).close()
    assert codes == [1]


def test_the_new_file_may_be_used_by_those_who_used_the_old_one(path: Path, url: str) -> None:
    path.chmod(0o664)
    Store(url).close()
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_file_that_was_kept_is_read_and_stays_as_it_is(path: Path, url: str) -> None:
    Store(url).close()
    kept = migrations.kept_as(path)
    before = kept.read_bytes()
    with Store(f"sqlite:///{kept}") as store:
        assert store.num_answers() == 14
    assert kept.read_bytes() == before
    assert leftovers(path.parent) == []
