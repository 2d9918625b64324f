"""Stores that were not made here, or were changed since: a trigger of others could change answers in silence."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from builders import make_question
from sqlalchemy import create_engine
from stores import answer_to, fill, version1_run

from prefrl.cli.main import main
from prefrl.errors import StoreError
from prefrl.store.store import Store

THIEF = "CREATE TRIGGER thief AFTER INSERT ON answers BEGIN DELETE FROM claims; END"
TABLE = "CREATE TABLE labellers (holder TEXT PRIMARY KEY, run_id INTEGER, annotator TEXT, beat BIGINT)"


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DROP TRIGGER answers_no_delete"], "its trigger answers_no_delete is missing"),
        (
            [
                "DROP TRIGGER answers_no_update",
                "CREATE TRIGGER answers_no_update BEFORE UPDATE ON answers BEGIN SELECT 1; END",
            ],
            "its trigger answers_no_update is not as",
        ),
        ([THIEF], "it has the trigger thief"),
        ([THIEF.replace("answers", "meta")], "it has the trigger thief"),
        (
            [
                "PRAGMA writable_schema = ON",
                "INSERT INTO sqlite_master VALUES ('trigger', 'sqlite_x', 'meta', 0, 'CREATE TRIGGER sqlite_x "
                "AFTER INSERT ON meta BEGIN DELETE FROM runs; END')",
            ],
            "it has the trigger sqlite_x",
        ),
        (["CREATE VIEW seen AS SELECT * FROM answers"], "it has the view seen"),
        (["CREATE TABLE cats (name)"], "it has the table cats"),
        (["CREATE UNIQUE INDEX one ON answers (question_id, annotator_id, value)"], "it has the index one"),
        (["DROP INDEX ix_answers_question_id"], "its index ix_answers_question_id is missing"),
        (["ALTER TABLE questions ADD COLUMN more TEXT"], "its table questions is not as"),
        (["DROP TABLE claims", "DROP TABLE labellers", TABLE], "claims is missing|labellers is not as"),
        (["DROP TABLE claims", "CREATE VIEW claims AS SELECT 1"], "claims"),
    ],
)
def test_a_file_that_others_changed_is_refused(statements: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "preferences.sqlite"
    with Store(f"sqlite:///{path}") as store:
        fill(store, np.random.default_rng(0))
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=said):
        Store(f"sqlite:///{path}")
    assert main(["inspect", str(path)]) == main(["export", str(path), "-o", str(tmp_path / "x")]) == 4
    assert path.read_bytes() == before
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DROP TRIGGER answers_no_change ON answers"], "its trigger answers_no_change is missing"),
        (["ALTER TABLE answers DISABLE TRIGGER answers_no_change"], "its trigger answers_no_change is not as"),
        (
            [
                "CREATE OR REPLACE FUNCTION answers_refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN DELETE FROM claims; RETURN NULL; END $$"
            ],
            "its trigger answers_no_change is not as",
        ),
        (["CREATE RULE gone AS ON INSERT TO answers DO INSTEAD NOTHING"], "it has the rule gone"),
        (["ALTER TABLE questions DROP COLUMN wanted"], "its table questions is not as"),
        (["ALTER TABLE answers DROP CONSTRAINT answers_submission_id_key"], "its table answers is not as"),
        (["DROP TABLE claims"], "its table claims is missing"),
    ],
)
def test_a_server_s_database_too(statements: list[str], said: str, new_database: Callable[[], str]) -> None:
    url = new_database()
    with Store(url) as store:
        [number] = store.add_questions([make_question(np.random.default_rng(0), 2)])
        store.add_answers([answer_to(number)])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE cats (name TEXT)")  # of another program, which is its affair
    Store(url).close()
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(StoreError, match=said):
        Store(url)


def test_one_of_version_1_is_made_anew_with_all_triggers(tmp_path: Path) -> None:
    path = version1_run(tmp_path) / "preferences.sqlite"
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            db.execute(f"DROP TRIGGER {name}")
        db.commit()
    for _ in range(2):
        with Store(f"sqlite:///{path}") as store:
            assert store.num_answers() == 14
