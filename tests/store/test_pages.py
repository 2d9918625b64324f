from pathlib import Path

import numpy as np
import pytest
from builders import make_question
from sqlalchemy import true
from stores import answer_to

from prefrl.feedback.question import Question
from prefrl.store import rows as dump
from prefrl.store.pages import chunks, read_pages, read_rows
from prefrl.store.schema import answers, question_segments
from prefrl.store.store import Store


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_hold_every_row_once_and_in_order(size: int, any_url: str) -> None:
    rng = np.random.default_rng(0)
    with Store(any_url) as store:
        store.add_questions([make_question(rng, 2) for _ in range(3)])
        pages = [*read_pages(store.transaction, question_segments, true(), size)]
        keys = [(row["question_id"], row["place"]) for page in pages for row in page]
        assert keys == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
        assert all(len(page) <= size for page in pages)


def test_nobody_waits_while_a_page_is_worked_on(url: str) -> None:
    """With the lock of a whole read, no writer could end meanwhile."""
    rng = np.random.default_rng(0)
    with Store(url) as store, Store(url) as other:
        ids = store.add_questions([make_question(rng, 2) for _ in range(6)])
        store.add_answers([answer_to(id) for id in ids[:4]])
        seen = []
        for page in read_pages(store.transaction, answers, true(), 1):
            seen += [row["seq"] for row in page]
            if len(seen) < 3:
                other.add_answers([answer_to(ids[3 + len(seen)])])
        assert seen == [1, 2, 3, 4, 5, 6]


def test_a_dump_is_of_one_moment(url: str) -> None:
    rng = np.random.default_rng(0)
    with Store(url) as store:
        ids = store.add_questions([make_question(rng, 2) for _ in range(3)])
        store.add_answers([answer_to(ids[0])])
        found = dump.each(store)
        store.add_answers([answer_to(store.add_questions([make_question(rng, 2)])[0]), answer_to(ids[1])])
        rows = {name: [*pages] for name, pages in found.items()}
        assert {name: len(there) for name, there in rows.items()} == {
            "annotators": 1,
            "segments": 6,
            "films": 0,
            "questions": 3,
            "question_segments": 6,
            "answers": 1,
        }
        dump.check_references(rows)


def test_chunks_are_in_order() -> None:
    assert [*chunks({5, 1, 3}, 2)] == [[1, 3], [5]]
    assert [*chunks([])] == []


def test_a_shared_segment_is_decoded_once(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shared = make_question(rng, 2).segments[0]
    with Store(url) as store:
        asked = [Question((shared, make_question(rng, 2).segments[0])) for _ in range(450)]  # in several pages
        store.add_answers([answer_to(id) for id in store.add_questions(asked)])
        assert len({id(answer.question.segments[0]) for answer in store.answers()}) == 1
        assert len(read_rows(store.transaction, answers, true())) == 450
