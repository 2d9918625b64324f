"""Which questions a round asks."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import make_answer, make_question, make_segment
from small import SMALL

from prefrl.errors import EnvError
from prefrl.feedback.comparison import Preferred
from prefrl.store.claims import Claims
from prefrl.store.store import Store
from prefrl.training import feedback_round
from prefrl.training.plan import Plan

PERSON = dataclasses.replace(SMALL, teacher="human", labels=20, slack=4)
"""Asks for 5 labels at first, then 8, 5 and 2."""


@pytest.mark.parametrize(
    ("choices", "fitted"), [([], False), (["left"], False), (["left", "skip"], False), (["left", "right"], True)]
)
def test_disagreement_is_looked_at_only_of_a_reward_that_was_fitted(
    choices: list[Preferred], fitted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late it is in a run: a first session may bring fewer than two answers that name a side."""
    rng = np.random.default_rng(0)
    known = [make_answer(make_question(rng), choice, seq=k) for k, choice in enumerate(choices, 1)]
    predictions = []
    monkeypatch.setattr(feedback_round, "select", lambda *args: predictions.append(args[4]) or [])
    learner = SimpleNamespace(config=SMALL, num_timesteps=100, ensemble=SimpleNamespace(returns="its returns"))
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        segments = [make_segment(rng) for _ in range(3)]
        feedback_round.ask(learner, store, Plan(SMALL), 1, segments, known)  # type: ignore[arg-type]
    assert predictions == ["its returns" if fitted else None]


class Asker:
    """Asks about segments of its own, round after round."""

    def __init__(self, store: Store, segments: int = 12) -> None:
        self.store, self.rng, self.segments, self.plan = store, np.random.default_rng(0), segments, Plan(PERSON)

    def ask(self, round_index: int) -> None:
        learner: Any = SimpleNamespace(config=PERSON, num_timesteps=100 * round_index, ensemble=None)
        made = [make_segment(self.rng, 10, reset_seed=1) for _ in range(self.segments)]
        feedback_round.ask(learner, self.store, self.plan, round_index, made, [])

    def pending(self) -> list[tuple[int | None, int]]:
        return [(question.id, question.num_timesteps) for question in self.store.pending()]

    def answer(self, count: int) -> None:
        self.store.add_answers([make_answer(question) for question in self.store.pending(limit=count)])


@pytest.fixture
def asker(url: str) -> Asker:
    return Asker(Store(url))


def test_a_person_has_more_to_answer_than_training_waits_for(asker: Asker) -> None:
    assert [asker.plan.labels_after(k) for k in range(4)] == [5, 13, 18, 20]
    asker.ask(0)
    assert len(asker.pending()) == 5 + 4
    assert asker.plan.answers_needed(0) == 5


def test_what_a_person_did_not_get_to_gives_way_to_what_is_newer_but_for_what_they_look_at(asker: Asker) -> None:
    asker.ask(0)
    asker.answer(6)  # ahead of the plan
    held = Claims(asker.store, "Ada").claim(2)
    asker.ask(1)
    assert [steps for _, steps in asker.pending()] == [0, 0] + [100] * (13 + 4 - 6 - 2)
    assert [id for id, _ in asker.pending()][:2] == held
    assert asker.store.num_questions() == 13 + 4
    asker.answer(9)
    asker.ask(2)
    asker.answer(99)
    asker.ask(3)
    asker.answer(99)
    asker.ask(4)
    assert asker.store.num_answers() == asker.store.num_questions() == 20  # never more than asked for
    assert asker.pending() == []


def test_questions_are_renewed_only_where_the_plan_has_some(asker: Asker) -> None:
    asker.ask(0)
    before = asker.pending()
    asker.plan = Plan(dataclasses.replace(PERSON, labels_until=0.0, labels=5))
    asker.ask(1)
    assert asker.pending() == before


def test_there_are_questions_all_the_time_while_they_are_renewed(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    asker.ask(0)
    select, seen = feedback_round.select, []

    def slow(*args: Any) -> Any:
        seen.append(len(asker.pending()))
        return select(*args)

    monkeypatch.setattr(feedback_round, "select", slow)
    asker.answer(3)
    asker.ask(1)
    assert seen == [6]


def test_few_segments_leave_out_what_is_asked_ahead_of_the_plan(url: str) -> None:
    few = Asker(Store(url), segments=4)  # 6 pairs
    few.ask(0)
    assert len(few.pending()) == 6


def test_a_person_is_asked_only_about_what_can_be_drawn(asker: Asker) -> None:
    segments = [make_segment(asker.rng, state_dim=3), make_segment(asker.rng), make_segment(asker.rng, reset_seed=1)]
    assert feedback_round.drawable(segments, "Mine-v0") == [segments[0], segments[2]]
    assert feedback_round.drawable([], "Mine-v0") == []
    learner: Any = SimpleNamespace(config=PERSON, num_timesteps=0, ensemble=None)
    with pytest.raises(EnvError, match=r"^no clip of \S+ can be drawn: .*--record-frames$"):
        feedback_round.ask(learner, asker.store, asker.plan, 0, segments[1:2] * 3, [])
