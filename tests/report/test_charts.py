import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from builders import make_answer, make_segment
from report_runs import answer, made_up, timed

from prefrl.config.rewards import RewardConfig
from prefrl.data.spaces import Spaces
from prefrl.feedback.question import Question
from prefrl.report import charts
from prefrl.report.arms import arms
from prefrl.report.gather import Judged, judge
from prefrl.rewards.ensemble import RewardEnsemble


@pytest.fixture(scope="module")
def judged() -> Judged:
    answers = [answer(i, ("left", "right", "tie", "skip")[i % 4]) for i in range(1, 31)]
    return judge(
        RewardEnsemble(Spaces.vectors(3, 2), 2, (8,), generator=torch.Generator().manual_seed(0)),
        answers,
        RewardConfig(held_out=0.5),
    )


def shown(svg: str) -> str:
    """All text of a chart, which must be whole, harmless and of the page's colours."""
    assert not re.search(r"<(script|image|style)|https?://(?!www\.w3\.org)", svg)
    assert not re.search(r"#0[1-6]0[1-6](0[1-6]|c1)", svg)  # no colour that stands for another one is left
    assert "var(--" in svg
    return " ".join(text.strip() for text in ET.fromstring(svg).itertext() if text.strip())


def records(labels: bool = True) -> list[dict[str, float | None]]:
    rows = [{"num_timesteps": 100.0 * i, "true_return": 1.0 * i} for i in range(1, 6)]
    more = {"num_preferences": 5, "reward/held_out_accuracy": 0.75, "learned_return": 2.0} if labels else {}
    return [{**row, **more} for row in rows]


def test_the_learning_curve_names_both_arms(judged: Judged) -> None:
    run = made_up(records(), judged=judged)
    with charts.styled():
        said = shown(charts.learning(run, [made_up(records(False), reward="true")], np.random.default_rng(0)))
    assert "paid the learned reward" in said
    assert "paid the true reward" in said
    assert "learned return of training episodes" in said


def test_every_chart_can_be_drawn_of_nearly_nothing() -> None:
    one = judge(RewardEnsemble(Spaces.vectors(3, 2), 2, (8,)), [answer(1, "tie")], RewardConfig(held_out=0.1))
    bare, rng = made_up(answers=[answer(1, "left")]), np.random.default_rng(0)
    with charts.styled():
        for svg in (
            charts.learning(bare, [], rng),
            charts.learning(made_up(judged=one), [made_up()], rng),
            charts.by_labels(bare),
            charts.timeline(bare),
            charts.calibration(one),
            charts.scatter(one),
            charts.within_episode(one),
            charts.comparison(arms([bare, made_up(reward="true")]), rng),
            charts.agreement(arms([bare]), rng),
        ):
            shown(svg)


def test_two_charts_share_no_id(judged: Judged) -> None:
    with charts.styled():
        both = charts.scatter(judged) + charts.scatter(judged)
    ids = re.findall(r'\bid="([^"]+)"', both)
    assert ids
    assert len(ids) == len(set(ids))


def test_a_label_is_escaped() -> None:
    run = made_up(records(False), reward="true")
    object.__setattr__(run, "name", '<b>"&')
    with charts.styled():
        svg = charts.learning(run, [], np.random.default_rng(0))
    assert ET.fromstring(svg).get("aria-label") == 'Learning curve of <b>"&: returns against environment steps'


def test_the_timeline_goes_by_the_clock_where_people_answered() -> None:
    people = made_up(by_annotator={"Zoë": [timed(i, i, "left", 60.0 * i, 60.0 * i + 1) for i in range(1, 4)]})
    program = made_up(
        by_annotator={"oracle": [answer(1, "tie"), answer(2, "left")]}, answers=[answer(i, "left") for i in (1, 2)]
    )
    with charts.styled():
        assert "minutes since the first answer" in shown(charts.timeline(people))
        said = shown(charts.timeline(program))
    assert "environment steps" in said
    assert "tie" in said


def test_reward_is_placed_where_in_the_episode_it_was_paid() -> None:
    """Steps 10 to 14 of the episode are paid 1, steps 0 to 4 nothing, by both rewards."""
    rng = np.random.default_rng(0)
    early = make_segment(rng, 5, true_rewards=np.zeros(5, np.float32))
    late = make_segment(rng, 5, true_rewards=np.ones(5, np.float32), start=10)
    answers = [make_answer(Question((early, late), id=1), "right", seq=1)]
    found = judge(RewardEnsemble(Spaces.vectors(3, 2), 2, (8,)), answers, RewardConfig(held_out=0.0))
    object.__setattr__(found, "rewards", np.array([[2.0] * 5, [4.0] * 5]))
    where, learned, true = charts.positions(found, bins=3)
    assert where.tolist() == [2.5, 12.5]
    assert learned.tolist() == [-1.0, 1.0]
    assert true.tolist() == [-1.0, 1.0]
