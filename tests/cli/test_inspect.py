from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from builders import make_segment
from stores import answer_to, fill, filmed

from prefrl.cli.inspect import inspect
from prefrl.cli.main import main
from prefrl.data.spaces import Spaces
from prefrl.data.text import plain
from prefrl.errors import EnvError, StoreError, UsageError
from prefrl.feedback.question import Question
from prefrl.rendering.recording import compress
from prefrl.runs.run_dir import sqlite_url
from prefrl.store.store import Store, StoreInfo


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "preferences.sqlite"
    with Store(sqlite_url(path)) as store:
        fill(store, np.random.default_rng(0), "CartPole-v1")
    return path


def test_counts_and_last_answers_are_told(filled: Path) -> None:
    told = inspect(filled, last=2)
    for line in (
        "environment   CartPole-v1",
        "goal          walk",
        "segments      18 of 5 or 8 steps, 1 with a terminal state",
        "questions     12: 8 answered, 2 open, 2 withdrawn",
        "answers       8: 3 left, 4 right, 0 tie, 1 skip",
        "              3 more were taken back or take one back",
        "annotator     Zoë: 4 answers, 0.8 s each (median)",
        "repeats       1 questions asked again",
    ):
        assert line in told
    answers = told.splitlines()[-2:]
    assert answers[0].split() == ["10", "1", "0", "right", "oracle"]
    assert answers[1].split() == ["11", "3", "200", "not", "3", "oracle"]
    assert "question " not in inspect(filled, last=0)


def test_one_question_is_told(filled: Path) -> None:
    told = inspect(filled, question_id=1)
    assert "steps 0 to 3, then a terminal state" in told
    assert "left by oracle (taken back)" in told
    assert "right by oracle\n" in told + "\n"
    assert "none yet" in inspect(filled, question_id=11)


def test_what_cannot_be_shown_is_said(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--question"):
        inspect(filled, video=tmp_path / "q.mp4")
    with pytest.raises(StoreError, match="no question 99"):
        inspect(filled, question_id=99)
    with pytest.raises(EnvError, match="speed"):
        inspect(filled, question_id=8, video=tmp_path / "q.mp4")
    with pytest.raises(UsageError, match="--last is -1"):
        inspect(filled, last=-1)


def test_the_clips_of_a_question_are_filmed_side_by_side(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "preferences.sqlite"
    red, blue = (compress(np.full((32, 40, 3), colour, np.uint8)) for colour in ((255, 0, 0), (0, 0, 255)))
    with Store(sqlite_url(path)) as store:
        store.describe(StoreInfo("CartPole-v1", {}, Spaces.vectors(3, 2), {}))
        store.add_questions([Question(tuple(filmed(make_segment(rng, 5), [jpeg] * 6) for jpeg in (red, blue)))])
    inspect(path, question_id=1, video=tmp_path / "q.mp4")
    frames = iio.imread(tmp_path / "q.mp4", plugin="pyav")
    assert frames.shape == (6, 32, 88, 3)
    assert frames[:, 16, 10].argmax(-1).tolist() == [0] * 6
    assert frames[:, 16, 78].argmax(-1).tolist() == [2] * 6
    assert iio.immeta(tmp_path / "q.mp4", plugin="pyav")["fps"] == 2.5


def test_a_question_is_open_until_it_has_the_answers_that_it_wants(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "preferences.sqlite"
    with Store(sqlite_url(path)) as store:
        store.add_questions([Question((make_segment(rng, 5), make_segment(rng, 5)), wanted=2)])
        store.add_answers([answer_to(1, "left", "Ada"), answer_to(1, "tie", "Ada")])
    assert "questions     1: 1 answered, 1 open, 0 withdrawn" in inspect(path)
    with Store(sqlite_url(path)) as store:
        store.add_answers([answer_to(1, "left", "Bob")])
    assert "questions     1: 1 answered, 0 open, 0 withdrawn" in inspect(path)


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rng, path, bell = np.random.default_rng(0), tmp_path / "preferences.sqlite", "\x1b[2J\x07[bold]"
    with Store(sqlite_url(path)) as store:
        store.describe(StoreInfo(f"Env{bell}-v0", {}, Spaces.vectors(3, 2), {}, goal=f"run\n{bell}"))
        store.add_questions([Question((make_segment(rng, 5), make_segment(rng, 5)))])
        store.add_answers([answer_to(1, "left", f"Ada{bell}", answered_at=1e300)])
    for more in ([], ["--question", "1"], ["--question", "1", "--video", str(tmp_path / "x.mp4")]):
        main(["inspect", str(path), *more])
        told = capfd.readouterr()
        assert not {*(told.out + told.err)} & {"\x1b", "\x07"}
        assert r"\x1b[2J\x07[bold]" in told.out + told.err
    assert f"goal          run{chr(92)}n" in inspect(path)


@pytest.mark.parametrize("name", ["\x1b]0;mine\x07", "[red]x[/red]", "a\u202eb"])
def test_a_path_is_text_too(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / name
    assert main(["inspect", str(folder)]) == 2
    told = capfd.readouterr().err
    assert plain(folder) in told
    assert not {*told} & {"\x1b", "\x07", "\u202e"}
