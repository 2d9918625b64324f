import io
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.data.text import from_here, plain, shell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;mine\x07Ada", r"\x1b[2J\x1b]0;mine\x07Ada"),
        ("two\nlines\r\tand a tab", r"two\nlines\r\tand a tab"),
        ("\x9b31m \x7f \x85", r"\x9b31m \x7f \x85"),
        ("\u202egnirts \u2066x\u2069 \u2028", r"\u202egnirts \u2066x\u2069 \u2028"),
        ("half a pair \udc80", r"half a pair \udc80"),
        ("\U000e0041", r"\U000e0041"),
        (r"Zoë [bold]한국어[/bold] 👩‍🚀 C:\x1b", r"Zoë [bold]한국어[/bold] 👩‍🚀 C:\x1b"),
        (7, "7"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: object, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(st.characters()))
def test_any_text_can_be_printed_in_one_line(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs"}
    io.TextIOWrapper(io.BytesIO(), encoding="utf-8").write(shown)
    assert plain(shown) == shown


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_a_shell_reads_back_the_word_that_is_shown(text: str) -> None:
    shown = shell(text)
    assert plain(shown) == shown
    read = subprocess.run(
        ["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert read.stdout.decode() == text


def test_a_path_is_shown_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_here(tmp_path / "runs" / "a") == Path("runs/a")
    assert from_here(tmp_path.parent) == tmp_path.parent
    assert from_here(Path("runs/a")) == Path("runs/a")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert from_here(gone / "a") == gone / "a"
