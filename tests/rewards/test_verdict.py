import csv
from dataclasses import replace
from pathlib import Path

import pytest

from prefrl.config.rewards import RewardConfig
from prefrl.data.verdict import Verdict
from prefrl.rewards.foresight import Foresight
from prefrl.rewards.verdict import coin_like, contradiction, figures, judged, paid_true, verdict

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
        "14 of 20 answers follow from the others, which does not tell yet whether to trust the reward: give 10 more "
        "that name a better clip",
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
    (
        Foresight(20, 9),
        "unknown",
        "Too few answers name a better clip to judge the reward by: 11, and it takes 12",
    ),
    (
        Foresight(20, 0),
        "unknown",
        "All answers are about one question, so that none can be foreseen from others: ask about more clips",
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


def test_figures_of_another_version_are_none() -> None:
    saved = dict(verdict(GOOD).figures)
    assert figures(Verdict("good", "x", {**saved, "of_later_versions": 1})) == GOOD
    del saved["chance"]
    assert figures(Verdict("good", "x", saved)) is None


@pytest.mark.parametrize(
    ("right", "decided", "chance", "bad"),
    [
        (31, 45, 2.1e-3, False),  # of right answers about LunarLander: its first 45, 36 and 30
        (24, 36, 3e-3, False),
        (22, 30, 1.3e-2, False),
        (87, 150, 1.1e-2, True),  # of a coin's about Pendulum
        (18, 30, 0.04, True),
        (17, 29, 0.5, False),  # too few to say so of anybody
        (100, 170, 1e-3, False),
    ],
)
def test_right_answers_are_called_contradictory_only_near_half(
    right: int, decided: int, chance: float, bad: bool
) -> None:
    found = replace(GOOD, right=right, decided=decided, chance=chance)
    assert coin_like(found) == (verdict(found).level == "bad") == bad


def test_a_contradiction_is_said_to_be_as_by_chance_only_where_half_is_possible() -> None:
    assert contradiction(replace(GOOD, right=64, decided=100, chance=3e-3)).endswith("hardly more than by chance")
    assert contradiction(replace(GOOD, right=50, decided=100, chance=0.5)).endswith("others, as by chance")


def test_the_runs_of_the_benchmark_are_judged_as_noted() -> None:
    """Right answers are good, and a coin's are bad."""
    with (Path(__file__).parents[2] / "scripts/results/verdict.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 20
    for row in rows:
        numbers = {name: int(row[name]) for name in ("right", "decided")}
        found = replace(GOOD, **numbers, chance=float(row["chance"]))
        assert verdict(found).level == row["level"] == ("bad" if row["teacher"] == "random" else "good")


def test_a_verdict_about_the_same_answers_is_kept() -> None:
    first = judged([], RewardConfig())
    kept = Verdict("doubtful", "As before.", about=first.about)
    assert judged([], RewardConfig(), kept) is kept
    assert judged([], RewardConfig(), Verdict("doubtful", "Of others.", about="other")) == first
