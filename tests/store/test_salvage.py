import sqlite3
from pathlib import Path

import numpy as np
import pytest
from builders import make_question
from stores import answer_to, fill

from prefrl.feedback.answer import fingerprint
from prefrl.feedback.comparison import Comparison
from prefrl.store import rows as dump
from prefrl.store.export import export, import_
from prefrl.store.salvage import read, readable
from prefrl.store.store import Store


@pytest.fixture
def path(url: str, tmp_path: Path) -> Path:
    """A store of 30 answers."""
    rng = np.random.default_rng(0)
    with Store(url) as store:
        ids = store.add_questions([make_question(rng, 20) for _ in range(30)])
        store.add_answers([answer_to(id, "left", answered_at=float(id)) for id in ids])
    return tmp_path / "preferences.sqlite"


def test_of_a_whole_store_everything(path: Path, url: str) -> None:
    with Store(url) as store:
        assert fingerprint(list(readable(url))) == fingerprint(store.answers())


@pytest.mark.fault
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_of_a_damaged_store_what_is_right(path: Path, url: str, share: float) -> None:
    data = path.read_bytes()
    at = int(share * len(data))
    path.write_bytes(data[:at] + bytes(5000) + data[at + 5000 :])
    seqs = [p.seq for p in readable(url) if p.value == Comparison("left") and p.answered_at == p.question.id == p.seq]
    assert seqs == [p.seq for p in readable(url)]  # nothing that was not answered
    assert len(seqs) >= 20 or share < 0.2  # the roots of the tables lie at the front


@pytest.mark.fault
@pytest.mark.parametrize("data", [b"", b"hello", b"SQLite format 3\0" + bytes(5000)])
def test_of_what_is_no_store_nothing(path: Path, url: str, data: bytes) -> None:
    path.write_bytes(data)
    assert list(readable(url)) == []


def test_of_what_is_not_there_nothing_and_it_is_not_made(path: Path, url: str) -> None:
    path.unlink()
    assert list(readable(url)) == []
    assert not path.exists()


def test_a_dump_of_a_whole_store_is_the_same(path: Path, url: str) -> None:
    path.unlink()
    with Store(url) as store:
        fill(store, np.random.default_rng(0))
        assert repr(read(url)) == repr(dump.read(store))


@pytest.mark.fault
def test_whatever_is_damaged_it_can_be_read_around(path: Path, url: str) -> None:
    """Page heads too, from which an index and its table tell of different rows."""
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for page in range(0, len(data), 4096):
        spoilt = bytearray(data)
        at = page + int(rng.integers(100 if page == 0 else 0, 120))
        spoilt[at : at + 6] = rng.bytes(6)
        path.write_bytes(spoilt)
        assert len(read(url).rows["answers"]) <= 30
        assert len(list(readable(url))) <= 30


@pytest.mark.fault
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_an_answer_never_counts_beside_one_that_it_took_the_place_of(lost: int, path: Path, url: str) -> None:
    """Left, taken back, then right, taken back too. An undo that is lost brings back what it undid, and no more."""
    path.unlink()
    with Store(url) as store:
        (question,) = store.add_questions([make_question(np.random.default_rng(0), 5)])
        store.add_answers(
            [
                answer_to(question, "left"),
                answer_to(question, None, replaces=1),
                answer_to(question, "right", replaces=2),
            ]
        )
        store.add_answers([answer_to(question, None, replaces=3)])
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER answers_no_update")
    spoil(path, "answers", lost)
    rows = read(url).rows["answers"]
    replaced = {row["replaces"] for row in rows}
    assert [row["seq"] for row in rows if row["seq"] not in replaced and row["value"]] == ([3] if lost == 4 else [])


def spoil(path: Path, table: str, number: int) -> None:
    """Give a row a checksum that it does not have."""
    with sqlite3.connect(path) as db:
        db.execute(f"UPDATE {table} SET crc = crc + 1 WHERE rowid = {number}")


@pytest.mark.fault
def test_a_dump_of_a_damaged_store_refers_to_nothing_that_is_lost(path: Path, url: str, tmp_path: Path) -> None:
    path.unlink()
    with Store(url) as store:
        fill(store, np.random.default_rng(0))  # answer 10 corrects 1, and 11 takes 3 back
        whole = dump.read(store)
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER answers_no_update")
    spoil(path, "runs", 1)
    spoil(path, "annotators", 2)
    spoil(path, "segments", 6)
    for seq in (1, 3):
        spoil(path, "answers", seq)
    held = read(url)
    lost = {row["question_id"] for row in whole.rows["question_segments"] if row["segment_id"] == 6}
    assert len(lost) == 2
    assert held.info is None
    assert [row["name"] for row in held.rows["annotators"]] == ["oracle", "annotator 2"]
    assert {row["id"] for row in held.rows["segments"]} == {row["id"] for row in whole.rows["segments"]} - {6}
    assert {row["id"] for row in held.rows["questions"]} == {row["id"] for row in whole.rows["questions"]} - lost
    left = {row["seq"]: row for row in whole.rows["answers"] if row["question_id"] not in lost}
    assert {row["seq"] for row in held.rows["answers"]} == left.keys() - {1, 3, 11}
    assert held.rows["answers"][-2:] == [left[10] | {"replaces": None}, left[12]]
    with Store(f"sqlite:///{tmp_path}/copy") as new:
        dump.write(new, held)
        assert dump.read(new).rows["answers"] == held.rows["answers"]


@pytest.mark.fault
def test_an_answer_takes_the_place_of_one_whose_undo_is_lost(path: Path, url: str, tmp_path: Path) -> None:
    """Left, taken back; then right, as of a question that is new. Both would count, and no import would take them."""
    path.unlink()
    with Store(url) as store:
        (question,) = store.add_questions([make_question(np.random.default_rng(0), 5)])
        store.add_answers([answer_to(question, "left"), answer_to(question, None, replaces=1)])
        store.add_answers([answer_to(question, "right")])
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER answers_no_update")
    spoil(path, "answers", 2)
    assert [(row["seq"], row["replaces"]) for row in read(url).rows["answers"]] == [(1, None), (3, 1)]
    export(path, "jsonl", tmp_path / "x", salvaged=True)
    assert import_(tmp_path / "x", tmp_path / "new.sqlite")["answers"] == 2
