import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from builders import make_question, make_segment
from stores import ANSWERING, answer_to, python

from prefrl.data.segment import Film
from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces
from prefrl.errors import PrefrlError, StorageError, StoreError, UsageError
from prefrl.store import engines
from prefrl.store.store import Store, StoreInfo

SPACES = Spaces({"obs": ArraySpec((3,))}, ActionSpec(2, "box"))
INFO = StoreInfo("Hopper-v5", {"healthy_reward": 2.0, "xml": "a.xml"}, SPACES, {"numpy": "2.0"}, "hop forward")
ARRAYS = ("actions", "absorbing", "true_rewards", "sim_states", "replay_actions")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "preferences.sqlite"


@pytest.fixture
def store(path):
    with Store(f"sqlite:///{path}") as store:
        yield store


@pytest.mark.fault
def test_a_damaged_film_is_refused(store, path, rng):
    filmed = dataclasses.replace(make_segment(rng, steps=2), film=Film((b"a", b"b", b"c"), 30.0))
    [question_id] = store.add_questions([make_question(rng, 2, left=filmed)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE films SET fps = 60.0")
    connection.close()
    with pytest.raises(StoreError, match="a row of films does not match its checksum"):
        store.question(question_id)


def test_the_database_itself_keeps_a_submission_in_one_row(store, path, rng):
    """Whatever a program may have looked up before."""
    store.add_answers([answer_to(store.add_questions([make_question(rng)])[0], "left", submission_id="x")])
    columns = "submission_id, question_id, annotator_id, value, is_repeat, crc"
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(f"INSERT INTO answers ({columns}) SELECT {columns} FROM answers")
    connection.close()


def test_a_second_writer_waits_before_it_reads(store, path, monkeypatch):
    """What it has read, it could not write upon any more once the first one has written."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.1)
    with Store(f"sqlite:///{path}") as other, store.transaction(writes=True):
        assert other.watermark() == 0  # reading goes on
        with pytest.raises(StoreError, match="locked"), other.transaction(writes=True):
            raise AssertionError("two at once")


def test_answers_are_never_changed(store, path, rng):
    store.add_answers([answer_to(store.add_questions([make_question(rng)])[0], "left")])
    with sqlite3.connect(path) as connection:
        for statement in ("UPDATE answers SET value = 'right'", "DELETE FROM answers"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                connection.execute(statement)
    connection.close()


def test_all_is_there_after_opening_again(path, rng):
    with Store(f"sqlite:///{path}") as store:
        store.describe(INFO)
        ids = store.add_questions([make_question(rng) for _ in range(3)])
        store.add_answers([answer_to(ids[0], "left")])
    with Store(f"sqlite:///{path}") as store:
        assert store.info() == INFO
        assert len(store.pending()) == 2
        assert store.add_questions([make_question(rng)]) == [4]
    assert sorted(os.listdir(path.parent)) == ["preferences.sqlite", "preferences.sqlite-journal"]


def test_in_memory(rng):
    with Store("sqlite://") as store:
        store.add_answers([answer_to(store.add_questions([make_question(rng)])[0], "left")])
        assert store.watermark() == 1


def test_settings_of_sqlite(store):
    with store._engine.begin() as connection:
        read = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert read == ["truncate", 2, 1]  # 2 is FULL


def test_a_segment_holds_on_to_nothing_that_is_larger(store, rng):
    """How long it takes, scripts/benchmarks/store.py measures."""
    ids = store.add_questions([make_question(rng, 50, 17, 6) for _ in range(8)])
    store.add_answers([answer_to(id, "left") for id in ids])
    assert store.answers()[7].question.segments[0].obs["obs"].base is None


@pytest.mark.parametrize("url", ["preferences.sqlite", "", "nosuch:///x", "sqlite//x"])
def test_url_that_is_none(url):
    with pytest.raises(UsageError, match="is not a database URL"):
        Store(url)


@pytest.mark.parametrize(
    "url", ["mysql://me:secret@localhost/x", "mssql+pyodbc://localhost/x", "sqlite+aiosqlite:///x", "oracle://x"]
)
def test_url_of_another_database(url):
    with pytest.raises(UsageError, match="is of another database than SQLite and PostgreSQL") as caught:
        Store(url)
    assert "secret" not in str(caught.value)


def test_nothing_is_made_where_something_is_read(path):
    with pytest.raises(StoreError, match="is missing"):
        Store(f"sqlite:///{path}", reads_only=True)
    assert not path.exists()


def test_driver_that_is_missing():
    with pytest.raises(UsageError, match="pip install pg8000"):
        Store("postgresql+pg8000://localhost/x")


def test_folder_that_is_missing(tmp_path):
    with pytest.raises(StorageError, match=r"missing/x\.sqlite cannot be created"):
        Store(f"sqlite:///{tmp_path}/missing/x.sqlite")


@pytest.mark.fault
@pytest.mark.parametrize(
    "data", [b"", b"S", b"hello" * 1000, b"\x80\x04N.", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(5000)]
)
def test_file_that_is_no_store(path, data):
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        Store(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == data


def test_sqlite_file_of_another_program(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name)")
    connection.close()
    with pytest.raises(StoreError, match="no preference store"):
        Store(f"sqlite:///{path}")


def test_store_of_another_version(path):
    Store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '3'")
    connection.close()
    with pytest.raises(StoreError, match="has store version 3, and this prefrl reads version 2"):
        Store(f"sqlite:///{path}")


def fill(path) -> None:
    rng = np.random.default_rng(1)
    with Store(f"sqlite:///{path}") as store:
        store.describe(INFO)
        ids = store.add_questions([make_question(rng, 5, num_timesteps=9) for _ in range(6)])
        store.withdraw(ids[5:])
        store.add_answers(
            [answer_to(id, "left", "ann", submission_id=f"submission {id}", answered_at=1.5) for id in ids[:4]]
        )
        store.add_answers([answer_to(ids[0], None, submission_id="last", replaces=1)])


def read(path) -> list[object]:
    """All that a store can tell, in values that can be compared."""
    with Store(f"sqlite:///{path}") as store:
        told: list[object] = [store.info(), store.watermark(), store.num_answers(), store.num_questions()]
        answers = store.answers()
        for question in [*store.pending(), *(answer.question for answer in answers)]:
            told += [question.id, question.num_timesteps, question.kind, question.wanted]
            for segment in question.segments:
                told += [
                    segment.obs["obs"].tobytes(),
                    segment.actions.tobytes(),
                    segment.true_rewards.tobytes(),
                    segment.start,
                ]
        for a in answers:
            told += [a.seq, a.value, a.annotator, a.replaces, a.shown_at, a.answered_at]
        return told


@pytest.mark.fault
def test_no_flipped_byte_is_believed(path, rng):
    fill(path)
    whole, told = path.read_bytes(), read(path)
    refused = 0
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))  # most of a page of SQLite's holds nothing
    for at, flip in zip(rng.choice(used, size=200), rng.integers(1, 256, size=200), strict=True):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        try:
            assert read(path) == told  # the byte was in no use
        except StoreError as error:
            refused += "\n" not in str(error)
    assert refused > 10


@pytest.mark.fault
def test_truncated_files_are_refused(path):
    fill(path)
    whole = path.read_bytes()
    for length in [0, 1, 50, 99, 100, 101, *range(1000, len(whole), 1777), len(whole) - 4096, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError):
            read(path)


@pytest.mark.fault
def test_damage_while_the_store_is_open(path, rng):
    with Store(f"sqlite:///{path}") as store:
        [question_id] = store.add_questions([make_question(rng)])
        store.add_answers([answer_to(question_id, "left")])
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("UPDATE segments SET true_return = true_return + 1 WHERE id = 2")
        connection.close()
        with pytest.raises(StoreError, match="a row of segments does not match its checksum"):
            store.answers()


@pytest.mark.fault
def test_locked_for_too_long(path, rng, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT", 0.2)
    with Store(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store.watermark() == 0  # reading goes on
        with pytest.raises(StoreError, match="locked"):
            store.add_questions([make_question(rng)])
        other.execute("ROLLBACK")
        other.close()
        assert store.add_questions([make_question(rng)]) == [1]


FULL = """
import subprocess, sys
import numpy as np
from builders import make_question
from pathlib import Path
from prefrl.errors import StorageError
from prefrl.store.store import Store
from stores import answer_to
folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
def mount(*options):
    subprocess.run(["mount", *options, folder], check=True)
def refused(call, words):
    try:
        call()
    except StorageError as error:
        assert words in str(error), error
    else:
        raise AssertionError(call)
mount("-t", "tmpfs", "-o", "size=256k", "none")
store = Store(f"sqlite:///{folder}/p.sqlite")
[question_id] = store.add_questions([make_question(rng)])
refused(lambda: store.add_questions([make_question(rng) for _ in range(500)]), "full")
assert store.watermark() == 0  # whoever reads next finishes the rollback
ballast = folder / "ballast"
try:
    ballast.write_bytes(bytes(400_000))
except OSError:
    pass
refused(lambda: store.add_answers([answer_to(question_id, "left", "x" * 10_000)]), "full")
assert store.watermark() == 0 and store.num_questions() == 1
ballast.unlink()
assert store.add_answers([answer_to(question_id, "left")]) == [1]
store.close()
mount("-o", "remount,ro")
store = Store(f"sqlite:///{folder}/p.sqlite")
assert store.watermark() == 1
refused(lambda: store.add_answers([answer_to(question_id, "left", "Ada")]), "readonly")
refused(lambda: Store(f"sqlite:///{folder}/other.sqlite"), "cannot be created")
"""


@pytest.mark.fault
def test_disk_full_and_read_only(tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    ended = python(FULL, tmp_path, before=["unshare", "-rm"])
    assert ended.returncode == 0, ended.stderr


@pytest.mark.fault
def test_no_acknowledged_answer_is_lost_by_a_kill(store, rng):
    store.add_questions([make_question(rng, 2) for _ in range(50)])
    url, environment = str(store._engine.url), {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    for attempt in range(4):
        command = [sys.executable, "-c", ANSWERING, url, f"ann {attempt}", str(attempt)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as annotator:
            seen = [annotator.stdout.readline() for _ in range(attempt * 3 + 1)]
            annotator.send_signal(signal.SIGKILL)
            seen += annotator.stdout.readlines()
        acknowledged = [int(line) for line in seen if line.endswith("\n")]
        held = [answer.seq for answer in store.answers()]
        assert set(acknowledged) <= set(held)
        assert len(held) <= max(acknowledged) + 1
    with Store(url) as again:  # and the file is whole
        assert again.watermark() == store.watermark()


def test_many_create_one_store_at_once(path):
    errors = []

    def create() -> None:
        try:
            Store(f"sqlite:///{path}").close()
        except PrefrlError as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [name for name in os.listdir(path.parent) if "journal" not in name] == ["preferences.sqlite"]


def test_imports_neither_torch_nor_gymnasium():
    script = "import sys, prefrl.store.store; sys.exit(bool({'torch', 'gymnasium'} & set(sys.modules)))"
    assert python(script).returncode == 0


def test_a_second_store_on_a_file_leaves_the_locks_of_the_first(path):
    """Whoever closes a file gives back all locks that its process has on it."""
    write = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); c.execute('BEGIN IMMEDIATE')"
    with Store(f"sqlite:///{path}") as store, store.transaction(writes=True):
        Store(f"sqlite:///{path}").close()
        done = subprocess.run([sys.executable, "-c", write, str(path)], stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
