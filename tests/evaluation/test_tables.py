import dataclasses
import math

import pytest

from prefrl.data.verdict import Verdict
from prefrl.evaluation.results import (
    AnswerAgreement,
    Evaluation,
    LabelForecast,
    Length,
    RewardAgreement,
    Success,
    TrueReturn,
)
from prefrl.evaluation.tables import compare, table

MODEL = RewardAgreement(
    0.914, 0.05, 0.6, 0.7, 0.1, 0.5, 0.65, 0.25, 0.99, 0.3, segments=400, ci95={"preference_accuracy": (0.9, 0.93)}
)
FOUND = Evaluation(
    "Hopper-v5",
    "runs/a",
    1000,
    50,
    20,
    7,
    TrueReturn(100.0, 10.0, 99.0, (95.0, 104.0)),
    Length(250.0, 2.0, (249.0, 251.0)),
    MODEL,
    success=Success(0.75, (0.5, 0.9)),
    reward_model_broad=dataclasses.replace(MODEL, preference_accuracy=math.nan),
    held_out_answers=AnswerAgreement(0.8, 0.2, 0.1, 5),
)


def rows(text: str) -> dict[str, list[str]]:
    """First cell -> the others; cells are two spaces apart or more."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.split("\n") if line]
    return {first: rest for first, *rest in cells}


def test_the_table_has_the_figures_and_their_intervals() -> None:
    found = rows(table(FOUND))
    assert found["trained for"] == ["1000 steps, 50 labels"]
    chosen = rows(table(dataclasses.replace(FOUND, agent_of=900)))
    assert chosen["trained for"] == ["1000 steps, 50 labels; best of the last agents: that of step 900"]
    assert found["true return"] == ["100.0 [95.0, 104.0] +- 10.0 over 20 episodes; middle half 99.0"]
    assert found["success"] == ["75% [50%, 90%]"]
    assert found["orders pairs of clips rightly"] == ["91.4% [90.0%, 93.0%]", "-", "80.0%"]
    assert found["EPIC distance (0: the same)"] == ["0.25", "0.25"]
    assert found["judged on"] == ["400 clips", "400 clips", "5 answers"]
    assert max(map(len, table(FOUND).split("\n"))) < 120


def test_a_good_verdict_beside_a_bad_broad_figure_is_explained() -> None:
    good = dataclasses.replace(FOUND, verdict=Verdict("good", "Trust it"))
    bad = dataclasses.replace(MODEL, preference_accuracy=0.55)
    said = "The reward that the agent was paid orders only 55% of broad clips rightly"
    assert said in table(dataclasses.replace(good, reward_model_broad=bad))
    assert "orders only" not in table(good)
    assert "orders only" not in table(dataclasses.replace(FOUND, reward_model_broad=bad))


def test_without_a_reward_model_and_success_there_is_no_word_of_them() -> None:
    found = table(dataclasses.replace(FOUND, reward_model=None, success=None))
    assert "reward model" not in found
    assert "success" not in found


def test_runs_are_compared_with_the_first_of_their_environment() -> None:
    better = dataclasses.replace(FOUND, run_dir="runs/b", true_return=TrueReturn(130.0, 0.0, 130.0, (130.0, 130.0)))
    other = dataclasses.replace(better, run_dir="runs/c", env_id="Ant-v5", success=None, reward_model=None)
    found = rows(compare([FOUND, better, other]))
    half = 1.96 * 10 / math.sqrt(19)  # the standard error of the first alone
    assert f"+30.0 [+{30 - half:.1f}, +{30 + half:.1f}]" in found["runs/b"]
    assert not any("+" in cell for cell in (*found["runs/a"], *found["runs/c"]))
    assert "75%" in found["runs/a"]
    assert "91.4%" in found["runs/b"]
    assert "91.4%" not in found["runs/c"]


def test_one_episode_tells_nothing_of_how_far_a_difference_may_be_off() -> None:
    one = dataclasses.replace(FOUND, episodes=1, true_return=TrueReturn(130.0, 0.0, 130.0, (130.0, 130.0)))
    assert "+30.0" in rows(compare([FOUND, dataclasses.replace(one, run_dir="runs/b")]))["runs/b"]


def test_forecasts_of_runs_stand_below_them() -> None:
    goal = dataclasses.replace(FOUND, run_dir="runs/b", label_forecast=LabelForecast(0.9, 200, 0.84, 0.0, (0.0, 9.0)))
    found = compare([FOUND, goal]).split("\n")
    assert found[-2:] == ["", "runs/b  200 answers foresee 84% of such answers, which reaches the goal of 90%"]


def test_columns_that_no_run_fills_are_left_out() -> None:
    plain = dataclasses.replace(FOUND, reward_model=None, reward_model_broad=None, success=None)
    header = compare([plain, dataclasses.replace(plain, run_dir="runs/b")]).split("\n")[0]
    assert "success" not in header
    assert "EPIC" not in header
    assert "against the first" in header


@pytest.mark.parametrize(
    ("more", "interval", "said"),
    [
        (120.0, (30.0, math.inf), "90% takes about 120 more [30, never]"),
        (120.0, (30.0, 400.0), "90% takes about 120 more [30, 400]"),
        (0.0, (0.0, 40.0), "which reaches the goal of 90%"),
        (math.inf, (700.0, math.inf), "the curve levels off before 90%; 700 more are the least to hope for"),
        (math.inf, (math.inf, math.inf), "the curve levels off before 90%"),
    ],
)
def test_a_forecast_is_told_in_words(more: float, interval: tuple[float, float], said: str) -> None:
    expected = LabelForecast(0.9, 200, 0.84, more, interval)
    last = table(dataclasses.replace(FOUND, label_forecast=expected)).split("\n")[-1]
    assert last.startswith("200 answers foresee 84% of such answers")
    assert last.endswith(said)
