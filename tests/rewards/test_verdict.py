from dataclasses import replace

import pytest

from prefrl.config.rewards import RewardConfig
from prefrl.data.verdict import Verdict
from prefrl.rewards.foresight import Foresight
from prefrl.rewards.verdict import coin_like, figures, judged, paid_true, verdict

GOOD = Foresight(40, 3, 37, 34, 1e-6, 500, 455, of_oracle=True)
"""Of 37, 34 are between 79 and 97 % (Wilson)."""

LEVELS = [
    (
        GOOD,
        "good",
        "The oracle's answers agree with each other; the reward orders 91% of varied clips rightly: trust it",
    ),
    (
        replace(GOOD, of_oracle=False),
        "good",
        "Your answers agree with each other; the reward foresees 34 of 37 that it was not told (92%): trust it",
    ),
    (
        replace(GOOD, right=17, chance=0.6, of_oracle=False),
        "bad",
        "Your answers contradict each other: 17 of 37 follow from the others, as by chance; do not trust the reward",
    ),
    (
        replace(GOOD, right=27, chance=1e-3),
        "doubtful",
        "The oracle's answers agree with each other in part: 27 of 37 follow from the others; look at what the agent "
        "does before you trust the reward, and answer more",
    ),
    (
        replace(GOOD, ordered=250),
        "doubtful",
        "The oracle's answers agree with each other, but the reward orders 50% of varied clips rightly: look at what "
        "the agent does",
    ),
    (
        replace(GOOD, pairs=0, ordered=0),
        "doubtful",
        "The oracle's answers agree with each other, but the reward saw no clips that differ: look at what the agent "
        "does",
    ),
    (
        replace(GOOD, decided=20, right=14, chance=0.03),
        "unknown",
        "14 of 20 answers follow from the others, which are too few to judge the reward by",
    ),
    (
        Foresight(11, 1),
        "unknown",
        "Too few answers name a better clip to judge the reward by: 10, and it takes 12",
    ),
    (
        Foresight(40, 38),
        "unknown",
        "38 of 40 answers are ties or skips, so that the reward cannot be judged: ask about clips that differ more",
    ),
    (Foresight(0, 0), "unknown", "Nobody has answered yet, so that the reward cannot be judged"),
]


@pytest.mark.parametrize(("found", "level", "sentence"), LEVELS)
def test_levels_and_sentences(found: Foresight, level: str, sentence: str) -> None:
    said = verdict(found)
    assert (said.level, said.sentence) == (level, sentence)


def test_a_verdict_holds_its_figures() -> None:
    assert figures(verdict(GOOD)) == GOOD
    assert figures(Verdict("good", "x")) is None
    assert paid_true().level == "unknown"


def test_few_answers_are_called_a_coins_only_if_they_look_so() -> None:
    few = replace(GOOD, decided=29)
    assert [coin_like(replace(few, chance=chance)) for chance in (0.19, 0.5)] == [False, True]
    assert [coin_like(replace(few, decided=30, chance=chance)) for chance in (1e-3, 0.04)] == [False, True]
    assert not coin_like(replace(few, decided=11, chance=1.0))


def test_a_verdict_about_the_same_answers_is_kept() -> None:
    first = judged([], RewardConfig())
    kept = Verdict("doubtful", "As before.", about=first.about)
    assert judged([], RewardConfig(), kept) is kept
    assert judged([], RewardConfig(), Verdict("doubtful", "Of others.", about="other")) == first
