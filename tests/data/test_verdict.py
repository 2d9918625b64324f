import pytest

from prefrl.data.verdict import Verdict


def test_a_verdict_has_a_known_level_and_says_something():
    assert Verdict("good", "Trust it.").level == "good"
    with pytest.raises(ValueError, match="'great', want one of good, doubtful, bad, unknown"):
        Verdict("great", "Trust it.")
    with pytest.raises(ValueError, match="empty"):
        Verdict("bad", "")
