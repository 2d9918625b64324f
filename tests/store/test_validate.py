"""What an import lets in, and what it does not: whatever a file says, there is a whole store or none."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_question
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import fill

from prefrl.cli.main import main
from prefrl.data.batch import stack
from prefrl.errors import StoreError
from prefrl.feedback.answer import standing
from prefrl.runs.run_dir import sqlite_url
from prefrl.store import rows as dump
from prefrl.store.export import export, import_
from prefrl.store.store import Store
from prefrl.store.validate import check

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same store in each format."""
    folder = tmp_path_factory.mktemp("exports")
    with Store(sqlite_url(folder / "p.sqlite")) as store:
        fill(store, np.random.default_rng(0))
    forms = ("jsonl", "npz", "parquet")
    for form in forms:
        export(folder / "p.sqlite", form, folder / form)  # type: ignore[arg-type]
    return {form: folder / form for form in forms}


def rewrite(path: Path, change: Callable[[Lines], None]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def put(number: int, column: str, value: Any) -> Callable[[Lines], None]:
    return lambda lines: lines[number].__setitem__(column, value)


def wider(lines: Lines) -> None:
    lines[8]["obs"] = [[*row, 0.0] for row in lines[8]["obs"]]


def again(lines: Lines) -> None:
    lines[1] |= {"question_id": lines[0]["question_id"], "annotator_id": lines[9]["annotator_id"], "value": "tie"}


DEEP: Any = "left"
for _ in range(900):
    DEEP = [DEEP]

CASES: list[tuple[str, Callable[[Lines], None], str]] = [
    ("annotators", put(0, "name", 7), "name of a row of annotators is 7, want a text"),
    ("annotators", put(0, "name", None), "want a text"),
    ("annotators", put(1, "name", "oracle"), "name of annotators is 'oracle' in two rows"),
    ("annotators", put(0, "id", 2**70), "want a whole number from 1"),
    ("answers", put(0, "seq", -5), "seq of a row of answers is -5"),
    ("answers", put(0, "seq", 0), "seq of a row of answers is 0"),
    ("answers", put(0, "seq", 2**63), "want a whole number from 1"),
    ("answers", put(0, "seq", 1.0), "want a whole number from 1"),
    ("answers", put(0, "seq", True), "want a whole number from 1"),
    ("answers", put(0, "seq", 2), "seq of answers is 2 in two rows"),
    ("answers", put(0, "submission_id", "id 1"), "submission_id of answers is 'id 1' in two rows"),
    ("answers", put(0, "is_repeat", 0), "want true or false"),
    ("answers", put(1, "shown_at", float("inf")), "Infinity is no number of JSON"),
    ("answers", put(1, "shown_at", 1e300), "want a time"),
    ("answers", put(1, "answered_at", -1.0), "want a time"),
    ("answers", put(9, "replaces", 10), "answer 10 cannot replace 10"),
    ("answers", put(0, "replaces", 10), "answer 1 cannot replace 10"),
    ("answers", put(9, "replaces", 2), "answer 10 cannot replace 2"),
    ("answers", put(9, "replaces", 99), "replaces of a row of answers is 99, which is missing"),
    ("answers", put(10, "replaces", None), "does not say what is taken back"),
    ("answers", put(0, "value", None), "does not say what is taken back"),
    ("answers", put(0, "value", DEEP), "a comparison is one of|RecursionError|recursion"),
    ("answers", put(0, "question_id", 99), "question_id of a row of answers is 99, which is missing"),
    ("answers", put(0, "annotator_id", 99), "annotator_id of a row of answers is 99, which is missing"),
    ("answers", put(11, "shown_order", [True, False]), "shown_order"),
    ("answers", put(11, "shown_order", [0, 0]), "want a permutation"),
    ("answers", put(11, "shown_order", 7), "not iterable|shown_order"),
    ("answers", put(9, "replaces", None), "gave 2 answers to question 1, and 1 wanted"),
    ("answers", put(3, "extra", 1), "'extra'"),
    ("questions", put(0, "kind", "dance"), "no kind of feedback 'dance'"),
    ("questions", put(0, "wanted", 0), "wanted of a row of questions is 0"),
    ("questions", put(0, "created_at", None), "want a time"),
    ("questions", put(0, "num_timesteps", -1), "want a whole number from 0"),
    ("question_segments", put(0, "place", 1), "question_id and place of question_segments is 1, 1 in two rows"),
    ("question_segments", put(0, "place", 2), "a segment of question 1 is missing"),
    ("question_segments", put(0, "segment_id", 99), "segment_id of a row of question_segments is 99, which is missing"),
    ("question_segments", lambda lines: lines.pop(), "rows, and meta.json says"),
    ("segments", wider, "segment 9 has observations of obs float32[4]"),
    ("segments", put(0, "obs", None), "obs of a row of segments is None"),
    ("segments", put(0, "obs", "a"), "elements of type"),
    ("segments", put(0, "obs", [[None] * 3] * 6), "elements of type object"),
    ("segments", put(0, "actions", [[0.0]] * 5), "want observations of"),
    ("segments", put(0, "actions", []), "axes|want"),
    ("segments", put(0, "absorbing", [False, True, False, True, True, True]), "the end that is none"),
    ("segments", put(0, "absorbing", [0.5] * 6), "no bool"),
    ("segments", put(0, "true_rewards", [1e300] * 5), "not finite"),
    ("segments", put(0, "sim_states", [0.0] * 6), "sim_states with 1 axes"),
    ("segments", put(3, "replay_actions", [[0.0]] * 9), "replay_actions of shape"),
    ("segments", put(3, "start", 8), "9 replay_actions before step 8 of segment 4 cannot be"),
    ("segments", put(0, "start", -1), "start of a row of segments is -1"),
    ("segments", put(2, "reset_seed", -1), "reset_seed of a row of segments is -1"),
    ("films", put(0, "fps", 0.0), "Film.fps is 0.0"),
    ("films", put(0, "jpegs", ["YQ=="]), "1 pictures of segment"),
    ("films", put(0, "segment_id", 99), "which is missing"),
]


@pytest.mark.parametrize(("table", "change", "said"), CASES)
def test_what_would_be_misread_is_refused(
    table: str, change: Callable[[Lines], None], said: str, exports: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(exports["jsonl"], tmp_path / "x")
    rewrite(tmp_path / "x" / f"{table}.jsonl", change)
    with pytest.raises(StoreError, match=said.replace("[4]", r"\[4\]")) as caught:
        import_(tmp_path / "x", tmp_path / "new" / "p.sqlite")
    assert "\n" not in str(caught.value)
    assert not [*(tmp_path / "new").glob("*")]


def test_a_model_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    question = make_question(np.random.default_rng(0), 5)
    left = replace(question.segments[0], model={"vis.map.fogend": np.array([np.nan])})
    with Store(sqlite_url(tmp_path / "p.sqlite")) as store:
        store.add_questions([replace(question, segments=(left, question.segments[1]))])
    export(tmp_path / "p.sqlite", "npz", tmp_path / "x")
    with pytest.raises(StoreError, match=r"vis\.map\.fogend, not finite, in the model of segment 1 cannot be"):
        import_(tmp_path / "x", tmp_path / "new.sqlite")


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda head: head["rows"].pop(key)


def deeply(head: dict[str, Any]) -> None:
    head["environment"]["env_kwargs"] = 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("answers"), "lacks 'answers'"),
        (lambda head: head["rows"].update(cats=1), "has 'cats'"),
        (lambda head: head.update(files="exe"), "KeyError: 'exe'"),
        (deeply, "named arguments|not iterable"),
        (lambda head: head["environment"].update(goal=0), "described by texts"),
        (lambda head: head["environment"]["spaces"]["action"].update(width=3), "want observations"),
        (lambda head: head["environment"]["spaces"]["action"].update(width=-1), "are none"),
        (lambda head: head["environment"].pop("spaces"), "spaces"),
        (lambda head: head["observations"].update(obs="object"), "neither an observation"),
        (lambda head: head["observations"].update({"../x": "float32"}), "neither an observation"),
        (lambda head: head.update(version=7), "format version 7"),
    ],
)
def test_a_head_that_is_none_is_refused(
    change: Callable[[dict[str, Any]], None], said: str, exports: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(exports["jsonl"], tmp_path / "x")
    path = tmp_path / "x" / "meta.json"
    head = json.loads(path.read_text())
    change(head)
    path.write_text(json.dumps(head))
    with pytest.raises(StoreError, match=said):
        import_(tmp_path / "x", tmp_path / "new" / "p.sqlite")
    assert not [*(tmp_path / "new").glob("*")]


@pytest.mark.parametrize("file", ["meta.json", "answers.jsonl"])
def test_what_is_nested_without_an_end_is_refused(file: str, exports: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(exports["jsonl"], tmp_path / "x")
    (tmp_path / "x" / file).write_text("[" * 100_000)
    assert main(["import", str(tmp_path / "x"), str(tmp_path / "p.sqlite")]) == 4
    assert not (tmp_path / "p.sqlite").exists()


NUMBERS = [-1, 0, 1, 2, 3, 7, 99, 2**31, 2**63, 2**70, 0.5, 1e300, -1e9, True, False]
TEXTS = ["", "left", "tie", "Zoë", "\x1b[2J", "\ud800", "\0"]
LISTS = [[], [0], [1, 0], [[0.0]], {}, {"shape": [2**40], "base64": ""}, {"shape": [1], "base64": "AAAA"}]
ODD = st.sampled_from([None, *NUMBERS, *TEXTS, *LISTS])
TABLES = sorted(dump.TABLES)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_lines_gives_a_whole_store_or_none(
    exports: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    def change(lines: Lines) -> None:
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["value", "column", "swap", "copy", "drop"]))
        if what == "value":
            lines[at][data.draw(st.sampled_from(sorted(lines[at])))] = data.draw(ODD)
        elif what == "column":
            lines[at].pop(data.draw(st.sampled_from(sorted(lines[at]))))
        elif what == "swap":
            column = data.draw(st.sampled_from(sorted(lines[at])))
            lines[at][column], lines[-1][column] = lines[-1][column], lines[at][column]
        elif what == "copy":
            lines[at] = dict(lines[data.draw(st.integers(0, len(lines) - 1))])
        else:
            lines.pop(at)

    folder = fresh(exports["jsonl"], tmp_path)
    rewrite(folder / f"{data.draw(st.sampled_from(TABLES))}.jsonl", change)
    assert_whole_or_none(folder, tmp_path / "new.sqlite")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_arrays_gives_a_whole_store_or_none(
    exports: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    folder = fresh(exports["npz"], tmp_path)
    path = folder / f"{data.draw(st.sampled_from(TABLES))}.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    name = data.draw(st.sampled_from(sorted(arrays)))
    arrays |= {name: changed(arrays[name], data)}
    if data.draw(st.integers(0, 9)) == 0:
        del arrays[name]
    np.savez(path, **arrays)  # type: ignore[arg-type]
    assert_whole_or_none(folder, tmp_path / "new.sqlite")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_columns_gives_a_whole_store_or_none(
    exports: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = fresh(exports["parquet"], tmp_path)
    path = folder / f"{data.draw(st.sampled_from(TABLES))}.parquet"
    table = pq.read_table(path)
    at = data.draw(st.integers(0, table.num_columns - 1))
    what = data.draw(st.sampled_from(["value", "null", "drop", "other", "turn", "rows"]))
    if what == "drop":
        table = table.remove_column(at)
    elif what == "rows":
        table = table.slice(0, table.num_rows - 1)
    else:
        values = table.column(at).to_pylist()
        if what == "value":
            values = [data.draw(st.sampled_from([-1, 0, 1, 2**62, 3])) for _ in values]
        elif what == "null":
            values = [None, *values[1:]]
        elif what == "other":
            values = ["x" for _ in values]
        else:
            values = values[::-1]
        table = table.set_column(at, table.column_names[at], pa.array(values))
    pq.write_table(table, path)
    assert_whole_or_none(folder, tmp_path / "new.sqlite")


def changed(array: np.ndarray, data: st.DataObject) -> np.ndarray:
    what = data.draw(st.sampled_from(["type", "shape", "rows", "value", "turn"]))
    if what == "type":
        return (
            array.astype(data.draw(st.sampled_from(["f8", "f4", "i8", "i4", "u1", "U3", "?"])), casting="unsafe")
            if (array.dtype.kind != "U")
            else np.zeros(len(array))
        )
    if what == "shape":
        return array[..., None]
    if what == "rows":
        return array[:-1]
    if what == "turn":
        return array[::-1]
    if array.size:
        array = array.copy()
        at = data.draw(st.integers(0, array.size - 1))
        odd = {"f": [np.nan, np.inf, -1.0, 1e30, 0.0], "b": [True, False], "U": ["x", ""]}
        array.flat[at] = data.draw(st.sampled_from(odd.get(array.dtype.kind, [0, 1, 2, 7, 99])))
    return array


def fresh(source: Path, tmp_path: Path) -> Path:
    for left in tmp_path.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    shutil.copytree(source, tmp_path / "x")
    return tmp_path / "x"


def assert_whole_or_none(folder: Path, path: Path) -> None:
    try:
        import_(folder, path)
    except StoreError:
        assert [entry.name for entry in path.parent.iterdir()] == ["x"]
        return
    with Store(sqlite_url(path)) as store:
        store.check()
        held, answers = dump.read(store), store.answers(repeats=True)
        check(held)
        count = standing(answers)
        assert (len(count), len(answers)) == (store.num_answers(), len(held.rows["answers"]))
        assert sum(len(store.answers_of(row["name"])) for row in held.rows["annotators"]) >= len(count)
        for answer in count:
            stack(answer.question.segments)
            answer.choices()
            assert answer.words
        store.pending()
    assert main(["inspect", str(path)]) == 0
