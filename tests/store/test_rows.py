from pathlib import Path

import numpy as np
import pytest
from stores import contents, fill

from prefrl.errors import StoreError
from prefrl.store import rows as dump
from prefrl.store.store import Store


def test_a_copy_has_every_row_with_its_number(url: str, tmp_path: Path) -> None:
    with Store(url) as old, Store(f"sqlite:///{tmp_path}/copy") as new:
        fill(old, np.random.default_rng(0))
        dump.write(new, dump.read(old))
        assert new.add_questions([old.question(1)]) == [
            old.num_questions() + 3
        ]  # two withdrawn: numbers go on after the last
    before, after = contents(tmp_path / "preferences.sqlite"), contents(tmp_path / "copy")
    assert {name: rows for name, rows in after.items() if name in ("meta", "runs", "annotators", "answers")} == {
        name: rows for name, rows in before.items() if name in ("meta", "runs", "annotators", "answers")
    }
    assert after["segments"][: len(before["segments"])] == before["segments"]
    assert after["questions"][:-1] == before["questions"]
    assert after["question_segments"][:-2] == before["question_segments"]
    assert len(before["films"]) == 1
    assert before["films"][0] in after["films"]


def test_a_store_that_was_never_described_is_copied(url: str, tmp_path: Path) -> None:
    with Store(url) as old, Store(f"sqlite:///{tmp_path}/copy") as new:
        dump.write(new, dump.read(old))
        assert new.info() is None
        assert new.num_questions() == 0


def test_a_store_that_holds_something_is_not_written_over(url: str) -> None:
    with Store(url) as store:
        fill(store, np.random.default_rng(0))
        with pytest.raises(StoreError, match="holds segments already"):
            dump.write(store, dump.read(store))


def test_what_is_not_consistent_is_refused(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        fill(store, np.random.default_rng(0))
        held = dump.read(store)
    held.rows["question_segments"][0]["segment_id"] = 99
    with Store(f"sqlite:///{tmp_path}/copy") as new:
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            dump.write(new, held)
        assert new.num_questions() == 0
        held.rows["question_segments"][0]["segment_id"] = 1
        held.rows["segments"][0]["obs"][0, 0] = np.nan
        with pytest.raises(StoreError, match="not finite"):
            dump.write(new, held)
        held.rows["segments"][0]["obs"][0, 0] = 0.0
        held.rows["answers"][0]["value"] = "7"
        with pytest.raises(StoreError, match="a comparison is one of"):
            dump.write(new, held)
        assert new.num_questions() == 0


def test_a_question_that_lacks_a_segment_is_refused_or_left_out(url: str) -> None:
    with Store(url) as store:
        fill(store, np.random.default_rng(0))
        rows = dump.read(store).rows
    del rows["question_segments"][0]
    with pytest.raises(ValueError, match="question 1 is missing"):
        dump.make_answers(rows)
    assert {answer.question.id for answer in dump.make_answers(rows, lenient=True)} == {*range(2, 10)}
