import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from builders import make_query, make_segment
from hypothesis import given
from hypothesis import strategies as st

from prefrl.data.segment import Film, Segment
from prefrl.errors import PrefrlError, StorageError, StoreError, UsageError
from prefrl.feedback.answer import Preference, effective
from prefrl.store import database
from prefrl.store.store import Answer, Store, StoreInfo

INFO = StoreInfo("Hopper-v5", {"healthy_reward": 2.0, "xml": "a.xml"}, 3, 2, {"numpy": "2.0"}, "hop forward")
ARRAYS = ("obs", "actions", "absorbing", "true_rewards", "sim_states", "replay_actions")


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


def python(script: str, *arguments: object, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*(before or []), sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def assert_same(left: Segment, right: Segment) -> None:
    for name in ARRAYS:
        mine, theirs = getattr(left, name), getattr(right, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs, strict=True)
    assert (left.reset_seed, left.start) == (right.reset_seed, right.start)


def test_segments_come_back_as_they_were(store, rng):
    left = make_segment(rng, absorbing_from=20, state_dim=5, reset_seed=2**62, start=3)
    right = make_segment(rng, replay_steps=0)
    [query_id] = store.add_queries([make_query(rng, left=left, right=right, num_timesteps=7, swapped=True)])
    [query] = store.pending()
    assert (query.id, query.num_timesteps, query.swapped) == (query_id, 7, True)
    assert_same(query.left, left)
    assert_same(query.right, right)
    query.left.obs[:] = 0  # writable, and nobody else's


def test_stored_segments_keep_their_values_when_the_buffers_are_used_again(store, rng):
    query = make_query(rng)
    before = query.left.obs.copy()
    store.add_queries([query])
    query.left.obs[:] = 9
    np.testing.assert_array_equal(store.pending()[0].left.obs, before)


def test_films_come_back_by_the_query_alone(store, rng):
    film = Film((b"a" * 9, b"b", b"b"), 12.5)
    filmed = dataclasses.replace(make_segment(rng, steps=2), film=film)
    [query_id] = store.add_queries([make_query(rng, 2, left=filmed)])
    query = store.query(query_id)
    assert (query.left.film.jpegs, query.left.film.fps, query.right.film) == (film.jpegs, 12.5, None)
    store.add_answers([Answer(query_id, "left")])
    assert store.preferences()[0].query.left.film is None  # the trainer keeps all of these in memory


def test_a_store_from_before_there_were_films(store, path, rng):
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE films")
    connection.close()
    filmed = dataclasses.replace(make_segment(rng, steps=2), film=Film((b"a", b"b", b"c"), 30.0))
    with Store(f"sqlite:///{path}") as old:
        [query_id] = old.add_queries([make_query(rng, 2)])
        assert old.query(query_id).left.film is None
        [query_id] = old.add_queries([make_query(rng, 2, right=filmed)])
        assert old.query(query_id).right.film.jpegs == (b"a", b"b", b"c")


@pytest.mark.fault
def test_a_damaged_film_is_refused(store, path, rng):
    filmed = dataclasses.replace(make_segment(rng, steps=2), film=Film((b"a", b"b", b"c"), 30.0))
    [query_id] = store.add_queries([make_query(rng, 2, left=filmed)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE films SET fps = 60.0")
    connection.close()
    with pytest.raises(StoreError, match="a row of films does not match its checksum"):
        store.query(query_id)


def test_negative_zero_rewards(store, rng):
    segment = make_segment(rng, true_rewards=np.full(50, -0.0, np.float32))
    store.add_queries([make_query(rng, left=segment)])
    assert np.signbit(store.pending()[0].left.true_rewards).all()


def test_a_segment_in_several_queries_is_stored_once(store, rng):
    shared = make_segment(rng)
    ids = store.add_queries([make_query(rng, left=shared), make_query(rng, right=shared), make_query(rng)])
    assert ids == [1, 2, 3]
    assert len(store.returns(100)) == 5
    first, second, _ = store.pending()
    assert first.left is second.right


def test_pending_is_oldest_first_and_leaves_out_the_answered_and_the_withdrawn(store, rng):
    a, b, c, d = store.add_queries([make_query(rng) for _ in range(4)])
    store.withdraw([b])
    store.add_answers([Answer(c, "skip")])
    assert [query.id for query in store.pending()] == [a, d]
    assert [query.id for query in store.pending(limit=1)] == [a]
    assert store.pending(limit=0) == []
    assert store.num_queries() == 3


def test_an_answer_to_a_withdrawn_query_is_taken_and_answered_ones_are_not_withdrawn(store, rng):
    a, b = store.add_queries([make_query(rng) for _ in range(2)])
    store.withdraw([a])
    store.add_answers([Answer(a, "left"), Answer(b, "left")])
    store.withdraw([a, b])
    assert [preference.query.id for preference in store.preferences()] == [a, b]
    assert store.num_queries() == 2  # what was answered was asked, withdrawn or not


def test_answers_come_back_in_order(store, rng):
    a, b = store.add_queries([make_query(rng) for _ in range(2)])
    assert (store.watermark(), store.num_preferences(), store.preferences()) == (0, 0, [])
    answers = [Answer(b, "tie", "ann", shown_at=5, answered_at=6.25), Answer(a, "right", submission_id="x")]
    assert store.add_answers(answers) == [1, 2]
    first, second = store.preferences()
    assert (first.seq, first.query.id, first.choice, first.annotator) == (1, b, "tie", "ann")
    assert (first.shown_at, first.answered_at, first.supersedes) == (5.0, 6.25, None)
    assert (second.seq, second.query.id, second.choice, second.annotator) == (2, a, "right", "oracle")
    assert [preference.seq for preference in store.preferences(after=1)] == [2]
    assert (store.watermark(), store.num_preferences()) == (2, 2)


def test_the_same_submission_twice_is_one_row(store, rng):
    a, b = store.add_queries([make_query(rng) for _ in range(2)])
    once = Answer(a, "left", submission_id="x")
    assert store.add_answers([once, Answer(b, "left"), once]) == [1, 2, 1]
    assert store.add_answers([once]) == [1]
    assert store.watermark() == 2


def test_the_database_itself_keeps_a_submission_in_one_row(store, path, rng):
    """Whatever a program may have looked up before."""
    store.add_answers([Answer(store.add_queries([make_query(rng)])[0], "left", submission_id="x")])
    columns = "submission_id, query_id, annotator, choice, crc"
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(f"INSERT INTO preferences ({columns}) SELECT {columns} FROM preferences")
    connection.close()


def test_a_second_writer_waits_before_it_reads(store, path, monkeypatch):
    """What it has read, it could not write upon any more once the first one has written."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    with Store(f"sqlite:///{path}") as other, store.transaction(writes=True):
        assert other.watermark() == 0  # reading goes on
        with pytest.raises(StoreError, match="locked"), other.transaction(writes=True):
            raise AssertionError("two at once")


def test_undo_and_change(store, rng):
    a, b = store.add_queries([make_query(rng) for _ in range(2)])
    store.add_answers([Answer(a, "left"), Answer(b, "left")])
    store.add_answers([Answer(a, "right", supersedes=1), Answer(b, None, supersedes=2)])
    assert [preference.seq for preference in effective(store.preferences())] == [3]
    assert [query.id for query in store.pending()] == [b]
    store.add_answers([Answer(a, None, supersedes=3), Answer(b, "tie")])
    assert [preference.seq for preference in effective(store.preferences())] == [6]
    assert [query.id for query in store.pending()] == [a]
    assert store.num_preferences() == 1


@given(st.lists(st.tuples(st.sampled_from(["left", "right", "tie", "skip", None]), st.integers(0, 8)), max_size=8))
def test_effective_by_definition(rows):
    query = make_query(np.random.default_rng(0), steps=1)
    rows = [
        Preference(seq, query, choice, supersedes=min(old, seq - 1) or None)
        for seq, (choice, old) in enumerate(rows, 1)
    ]
    expected = [row for row in rows if row.choice is not None and all(later.supersedes != row.seq for later in rows)]
    assert effective(rows) == expected


def test_answers_that_cannot_be(store, rng):
    a, b = store.add_queries([make_query(rng) for _ in range(2)])
    store.add_answers([Answer(a, "left"), Answer(a, "right", supersedes=1)])
    for answer, message in [
        (Answer(99, "left"), "has no query 99"),
        (Answer(a, "left", supersedes=77), "has no preference 77 on query 1"),
        (Answer(b, "left", supersedes=1), "has no preference 1 on query 2"),
        (Answer(a, "left", supersedes=1), "superseded already"),
    ]:
        with pytest.raises(StoreError, match=message):
            store.add_answers([Answer(b, "left"), answer])
    assert store.watermark() == 2  # all or none
    for bad in ("both", "", "LEFT"):
        with pytest.raises(ValueError, match="valid choices"):
            store.add_answers([Answer(b, bad)])
    with pytest.raises(ValueError, match="what is retracted"):
        store.add_answers([Answer(b, None)])
    with pytest.raises(ValueError, match="finite time"):
        store.add_answers([Answer(b, "left", shown_at=float("nan"))])


def test_answers_are_never_changed(store, path, rng):
    store.add_answers([Answer(store.add_queries([make_query(rng)])[0], "left")])
    with sqlite3.connect(path) as connection:
        for statement in ("UPDATE preferences SET choice = 'right'", "DELETE FROM preferences"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                connection.execute(statement)
    connection.close()


def test_returns_are_those_of_the_last_segments(store, rng):
    values = [1.5, -2.0, 0.25, 8.0]
    made = [make_segment(rng, 2, true_rewards=np.array([value, 1], np.float32)) for value in values]
    store.add_queries([make_query(rng, left=made[0], right=made[1]), make_query(rng, left=made[2], right=made[3])])
    assert store.returns(100).tolist() == [2.5, -1.0, 1.25, 9.0]
    assert store.returns(3).tolist() == [-1.0, 1.25, 9.0]
    assert store.returns(0).shape == (0,)
    assert store.returns(1).dtype == np.float64


def test_describe_once(store, rng):
    assert store.info() is None
    store.describe(INFO)
    assert store.info() == INFO
    store.describe(StoreInfo(INFO.env_id, INFO.env_kwargs, 3, 2, {"numpy": "9"}))
    assert store.info() == INFO
    for other, difference in [
        (StoreInfo("Ant-v5", INFO.env_kwargs, 3, 2, {}), "env_id is 'Hopper-v5', not 'Ant-v5'"),
        (StoreInfo("Hopper-v5", {}, 3, 2, {}), "env_kwargs is .*'a.xml'}, not {}"),
        (StoreInfo("Hopper-v5", INFO.env_kwargs, 4, 2, {}), "obs_dim is 3, not 4"),
        (StoreInfo("Hopper-v5", INFO.env_kwargs, 3, 1, {}), "action_dim is 2, not 1"),
    ]:
        with pytest.raises(StoreError, match=difference):
            store.describe(other)
    with pytest.raises(StoreError, match=r"obs_dim 3 .* has 4 and 2"):
        store.add_queries([make_query(rng, obs_dim=4)])
    assert store.num_queries() == 0


def test_nothing_that_is_not_finite_is_stored(store, rng):
    query = make_query(rng)
    query.left.obs[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        store.add_queries([make_query(rng), query])
    assert store.num_queries() == 0


def test_nothing_to_do(store):
    assert store.add_queries([]) == []
    assert store.add_answers([]) == []
    store.withdraw([])


def test_all_is_there_after_opening_again(path, rng):
    with Store(f"sqlite:///{path}") as store:
        store.describe(INFO)
        ids = store.add_queries([make_query(rng) for _ in range(3)])
        store.add_answers([Answer(ids[0], "left")])
    with Store(f"sqlite:///{path}") as store:
        assert store.info() == INFO
        assert len(store.pending()) == 2
        assert store.add_queries([make_query(rng)]) == [4]
    assert sorted(os.listdir(path.parent)) == ["preferences.sqlite", "preferences.sqlite-journal"]


def test_in_memory(rng):
    with Store("sqlite://") as store:
        store.add_answers([Answer(store.add_queries([make_query(rng)])[0], "left")])
        assert store.watermark() == 1


def test_settings_of_sqlite(store):
    with store._engine.begin() as connection:
        read = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert read == ["truncate", 2, 1]  # 2 is FULL


def test_500_preferences_load_fast(store, rng):
    queries = [make_query(rng, 50, 17, 6) for _ in range(500)]
    start = time.perf_counter()
    ids = store.add_queries(queries)
    store.add_answers([Answer(id, "left") for id in ids])
    written = time.perf_counter()
    preferences = store.preferences()
    loaded = time.perf_counter()
    assert len(preferences) == 500
    assert preferences[7].query.left.obs.base is None
    assert loaded - written < 1, f"loading took {loaded - written:.2f} s"
    assert written - start < 3, f"writing took {written - start:.2f} s"


@pytest.mark.parametrize("url", ["preferences.sqlite", "", "nosuch:///x", "sqlite//x"])
def test_url_that_is_none(url):
    with pytest.raises(UsageError, match="is not a database URL"):
        Store(url)


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
        connection.execute("UPDATE meta SET value = '2'")
    connection.close()
    with pytest.raises(StoreError, match="has store version 2, and this prefrl reads version 1"):
        Store(f"sqlite:///{path}")


def fill(path) -> None:
    rng = np.random.default_rng(1)
    with Store(f"sqlite:///{path}") as store:
        store.describe(INFO)
        ids = store.add_queries([make_query(rng, 5, num_timesteps=9) for _ in range(6)])
        store.withdraw(ids[5:])
        store.add_answers([Answer(id, "left", "ann", f"submission {id}", answered_at=1.5) for id in ids[:4]])
        store.add_answers([Answer(ids[0], None, submission_id="last", supersedes=1)])


def read(path) -> list[object]:
    """All that a store can tell, in values that can be compared."""
    with Store(f"sqlite:///{path}") as store:
        told: list[object] = [store.info(), store.watermark(), store.num_preferences(), store.num_queries()]
        preferences = store.preferences()
        for query in [*store.pending(), *(preference.query for preference in preferences)]:
            told += [query.id, query.num_timesteps, query.swapped]
            for segment in (query.left, query.right):
                told += [
                    segment.obs.tobytes(),
                    segment.actions.tobytes(),
                    segment.true_rewards.tobytes(),
                    segment.start,
                ]
        for p in preferences:
            told += [p.seq, p.choice, p.annotator, p.supersedes, p.shown_at, p.answered_at]
        return told


@pytest.mark.fault
def test_no_flipped_byte_is_believed(path, rng):
    fill(path)
    whole, told = path.read_bytes(), read(path)
    refused = 0
    for at, flip in zip(rng.integers(len(whole), size=200), rng.integers(1, 256, size=200), strict=True):
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
        [query_id] = store.add_queries([make_query(rng)])
        store.add_answers([Answer(query_id, "left")])
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("UPDATE segments SET true_return = true_return + 1 WHERE id = 2")
        connection.close()
        with pytest.raises(StoreError, match="a row of segments does not match its checksum"):
            store.preferences()


@pytest.mark.fault
def test_locked_for_too_long(path, rng, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.2)
    with Store(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store.watermark() == 0  # reading goes on
        with pytest.raises(StoreError, match="locked"):
            store.add_queries([make_query(rng)])
        other.execute("ROLLBACK")
        other.close()
        assert store.add_queries([make_query(rng)]) == [1]


FULL = """
import subprocess, sys
import numpy as np
from builders import make_query
from pathlib import Path
from prefrl.errors import StorageError
from prefrl.store.store import Answer, Store
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
[query_id] = store.add_queries([make_query(rng)])
refused(lambda: store.add_queries([make_query(rng) for _ in range(500)]), "full")
ballast = folder / "ballast"
try:
    ballast.write_bytes(bytes(400_000))
except OSError:
    pass
refused(lambda: store.add_answers([Answer(query_id, "left", "x" * 10_000)]), "full")
assert store.watermark() == 0 and store.num_queries() == 1
ballast.unlink()
assert store.add_answers([Answer(query_id, "left")]) == [1]
store.close()
mount("-o", "remount,ro")
store = Store(f"sqlite:///{folder}/p.sqlite")
assert store.watermark() == 1
refused(lambda: store.add_answers([Answer(query_id, "left")]), "readonly")
refused(lambda: Store(f"sqlite:///{folder}/other.sqlite"), "cannot be created")
"""


@pytest.mark.fault
def test_disk_full_and_read_only(tmp_path):
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    ended = python(FULL, tmp_path, before=["unshare", "-rm"])
    assert ended.returncode == 0, ended.stderr


ANSWERING = """
import sys
from prefrl.store.store import Answer, Store
with Store(sys.argv[1]) as store:
    for query_id in range(1, 51):
        [seq] = store.add_answers([Answer(query_id, "left", sys.argv[2], f"{sys.argv[3]} {query_id}")])
        print(seq, flush=True)
"""


@pytest.mark.fault
def test_no_acknowledged_answer_is_lost_by_a_kill(store, rng):
    store.add_queries([make_query(rng, 2) for _ in range(50)])
    url, environment = str(store._engine.url), {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    for attempt in range(4):
        command = [sys.executable, "-c", ANSWERING, url, "ann", str(attempt)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as annotator:
            seen = [annotator.stdout.readline() for _ in range(attempt * 3 + 1)]
            annotator.send_signal(signal.SIGKILL)
            seen += annotator.stdout.readlines()
        acknowledged = [int(line) for line in seen if line.endswith("\n")]
        held = [preference.seq for preference in store.preferences()]
        assert set(acknowledged) <= set(held)
        assert len(held) <= max(acknowledged) + 1
    with Store(url) as again:  # and the file is whole
        assert again.watermark() == store.watermark()


def test_two_processes_send_the_same_answers(store, rng):
    store.add_queries([make_query(rng, 2) for _ in range(50)])
    ended = []
    threads = [
        threading.Thread(target=lambda name=name: ended.append(python(ANSWERING, store._engine.url, name, "same")))
        for name in ("ann", "bob")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.stderr for process in ended] == ["", ""]
    assert ended[0].stdout == ended[1].stdout
    assert store.watermark() == store.num_preferences() == 50


@pytest.mark.fault
def test_a_clock_that_jumps_changes_no_order(store, rng):
    ids = store.add_queries([make_query(rng, 2) for _ in range(3)])
    day, now = 86_400.0, time.time()
    store.add_answers([Answer(ids[0], "left", shown_at=now, answered_at=now + 1)])
    store.add_answers([Answer(ids[1], "left", shown_at=now - day, answered_at=now - day)])
    store.add_answers([Answer(ids[0], "right", supersedes=1, shown_at=now + day, answered_at=now - day)])
    assert [(p.seq, p.query.id, p.choice) for p in effective(store.preferences())] == [
        (2, ids[1], "left"), (3, ids[0], "right")
    ]  # fmt: skip
    assert [query.id for query in store.pending()] == ids[2:]


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
