import pytest

from prefrl.labelling.window import notices
from prefrl.labelling.window.notices import Notices


def test_a_note_goes_after_a_while_or_when_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    said, now = Notices(), 100.0
    monkeypatch.setattr(notices.time, "monotonic", lambda: now)
    assert said.now() == (None, "news")
    said.say("sure?", "warning")
    assert said.now() == ("sure?", "warning")
    now += 3.1
    assert said.now() == (None, "news")
    said.say("took back")
    said.forget()
    assert said.now() == (None, "news")
