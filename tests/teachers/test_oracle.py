"""What every teacher that answers at once must do. What it says to a question is tested with each kind of feedback."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from builders import make_question
from hypothesis import given
from hypothesis import strategies as st

from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS, OracleConfig
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.noise import ReturnStats
from prefrl.feedback.question import Question
from prefrl.store.store import Store
from prefrl.teachers.base import Teacher, answer_pending
from prefrl.teachers.oracle import Oracle
from prefrl.teachers.registry import AT_ONCE, make_teacher

TEACHERS: dict[str, Teacher] = {
    **{name: make_teacher(TrainConfig("X-v0", teacher=name)) for name in AT_ONCE},  # type: ignore[arg-type]
    "all faults": Oracle(OracleConfig(beta=2.0, gamma=0.95, mistake=0.1, skip=0.9, tie=0.2)),
}
every_teacher = pytest.mark.parametrize("teacher", TEACHERS.values(), ids=TEACHERS.keys())


def _questions(count: int = 40) -> list[Question]:
    rng = np.random.default_rng(1)
    return [make_question(rng, 6) for _ in range(count)]


def _context(questions: list[Question]) -> ReturnStats:
    return ReturnStats.of(np.array([side.true_return for question in questions for side in question.segments]))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_those_who_answer_at_once_are_the_ones_with_a_teacher_to_make() -> None:
    assert {name for name, traits in TRAITS.items() if traits.at_once} == set(AT_ONCE)


@every_teacher
def test_one_valid_answer_for_each_question(teacher: Teacher) -> None:
    questions = _questions()
    values = teacher.answer(questions, _context(questions), _rng())
    assert len(values) == len(questions)
    for question, value in zip(questions, values, strict=True):
        kind = kind_of(question)
        assert kind.from_json(kind.to_json(value), question) == value
    assert teacher.answer([], ReturnStats(0.0, 1.0), _rng()) == []
    assert teacher.name


@every_teacher
def test_the_same_seed_gives_the_same_answers(teacher: Teacher) -> None:
    questions = _questions()
    first, again = (teacher.answer(questions, _context(questions), _rng(7)) for _ in range(2))
    assert first == again


@every_teacher
@given(cut=st.integers(0, 40))
def test_cutting_a_batch_in_two_changes_no_answer(teacher: Teacher, cut: int) -> None:
    questions = _questions()
    context, rng = _context(questions), _rng(3)
    parts = teacher.answer(questions[:cut], context, rng) + teacher.answer(questions[cut:], context, rng)
    assert parts == teacher.answer(questions, context, _rng(3))


@every_teacher
def test_questions_are_left_as_they_were(teacher: Teacher) -> None:
    questions = _questions(5)
    sides = [side for question in questions for side in question.segments]
    before = [(s.obs["obs"].copy(), s.actions.copy(), s.absorbing.copy(), s.true_rewards.copy()) for s in sides]
    teacher.answer(questions, _context(questions), _rng())
    for side, copies in zip(sides, before, strict=True):
        for array, copy in zip((side.obs["obs"], side.actions, side.absorbing, side.true_rewards), copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@every_teacher
def test_answers_land_in_the_store_exactly_once(teacher: Teacher, tmp_path: Path) -> None:
    rng = _rng()
    with Store(f"sqlite:///{tmp_path / 'preferences.sqlite'}") as store:
        store.add_questions([make_question(rng, steps=6, num_timesteps=i) for i in range(9)])
        assert answer_pending(store, teacher, _rng()) == 9
        assert answer_pending(store, teacher, _rng()) == 0
        assert store.pending() == []
        answers = store.answers()
    assert sorted(answer.question.num_timesteps for answer in answers) == list(range(9))
    assert {answer.annotator for answer in answers} == {teacher.name}
    questions = [answer.question for answer in answers]
    assert [answer.value for answer in answers] == teacher.answer(questions, _context(questions), _rng())


@every_teacher
def test_a_question_that_wants_several_annotators_is_answered_once_by_each(teacher: Teacher, tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'preferences.sqlite'}") as store:
        store.add_questions([dataclasses.replace(make_question(_rng(), steps=6), wanted=2)])
        assert [answer_pending(store, teacher, _rng()) for _ in range(3)] == [1, 0, 0]
        assert len(store.pending()) == 1
