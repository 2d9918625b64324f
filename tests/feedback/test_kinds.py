"""What every kind of feedback must do."""

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from builders import make_question

from prefrl.config.teachers import OracleConfig
from prefrl.feedback.kinds import KINDS, Kind, kind_of
from prefrl.feedback.noise import ReturnStats
from prefrl.feedback.question import Question

DRAWS = 4000
FAULTS = {
    "perfect": OracleConfig(),
    "noisy": OracleConfig(beta=1.0),
    "coin": OracleConfig(beta=0.0),
    "myopic": OracleConfig(gamma=0.9),
    "mistaken": OracleConfig(mistake=0.3),
    "skipping": OracleConfig(skip=0.9),
    "tying": OracleConfig(tie=0.5),
    "all faults": OracleConfig(beta=2.0, gamma=0.95, mistake=0.1, skip=0.9, tie=0.2),
}
EXAMPLES = {"comparison": lambda rng: make_question(rng, 6)}
"""A question of each kind, at random."""

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
every_fault = pytest.mark.parametrize("noise", FAULTS.values(), ids=FAULTS.keys())


def _questions(kind: Kind[Any], count: int = 20) -> list[Question]:
    rng = np.random.default_rng(1)
    return [EXAMPLES[kind.name](rng) for _ in range(count)]


def _context(questions: list[Question]) -> ReturnStats:
    return ReturnStats.of(np.array([side.true_return for question in questions for side in question.segments]))


def _said(kind: Kind[Any], noise: OracleConfig, questions: list[Question], seed: int = 0) -> list[Any]:
    rng, context = np.random.default_rng(seed), _context(questions)
    return [kind.simulate(question, context, noise, rng) for question in questions]


@every_kind
def test_a_kind_answers_to_its_name(kind: Kind[Any]) -> None:
    question = _questions(kind, 1)[0]
    assert kind_of(question) is KINDS[kind.name] is kind
    kind.check(question)


def test_an_unknown_kind_is_refused_and_the_known_ones_are_named() -> None:
    segments = make_question(np.random.default_rng(0), 2).segments
    with pytest.raises(ValueError, match="no kind of feedback 'mood'; there are comparison"):
        kind_of(Question(segments, kind="mood"))


@every_kind
@every_fault
def test_feedback_survives_json(kind: Kind[Any], noise: OracleConfig) -> None:
    questions = _questions(kind)
    for question, said in zip(questions, _said(kind, noise, questions), strict=True):
        assert kind.from_json(json.loads(json.dumps(kind.to_json(said))), question) == said


@every_kind
@every_fault
def test_choices_are_among_the_segments_of_the_question(kind: Kind[Any], noise: OracleConfig) -> None:
    questions = _questions(kind)
    for question, said in zip(questions, _said(kind, noise, questions), strict=True):
        for choice in kind.choices(said, question) or ():
            for option in choice.options:
                assert set(option) <= set(range(len(question.segments)))


@every_kind
def test_another_order_and_back_is_what_was_said(kind: Kind[Any]) -> None:
    questions, rng = _questions(kind), np.random.default_rng(2)
    for question, said in zip(questions, _said(kind, FAULTS["noisy"], questions), strict=True):
        order = rng.permutation(len(question.segments))
        assert kind.reorder(kind.reorder(said, order), np.argsort(order)) == said


@every_kind
@every_fault
def test_the_same_seed_says_the_same_and_leaves_questions_as_they_were(kind: Kind[Any], noise: OracleConfig) -> None:
    questions = _questions(kind)
    before = [segment.true_rewards.copy() for question in questions for segment in question.segments]
    assert _said(kind, noise, questions, 7) == _said(kind, noise, questions, 7)
    after = [segment.true_rewards for question in questions for segment in question.segments]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@every_kind
@every_fault
def test_as_many_numbers_are_drawn_whatever_the_faults(kind: Kind[Any], noise: OracleConfig) -> None:
    """So that the next question's answer does not depend on this one's."""
    drawn, perfect = np.random.default_rng(3), np.random.default_rng(3)
    for question in (questions := _questions(kind)):
        kind.simulate(question, _context(questions), noise, drawn)
        kind.simulate(question, _context(questions), OracleConfig(), perfect)
    assert drawn.random() == perfect.random()


@every_kind
@every_fault
def test_in_another_order_a_teacher_says_the_same_as_often(kind: Kind[Any], noise: OracleConfig) -> None:
    questions = _questions(kind)
    for question in questions[:2]:
        order = list(range(len(question.segments)))[::-1]
        other = Question(tuple(question.segments[i] for i in order), question.kind)
        there, back = (Counter[Any](), Counter[Any]())
        rng, context = np.random.default_rng(4), _context(questions)
        for _ in range(DRAWS):
            there[kind.reorder(kind.simulate(question, context, noise, rng), order)] += 1
            back[kind.simulate(other, context, noise, rng)] += 1
        for said in there | back:
            pooled = (there[said] + back[said]) / (2 * DRAWS)
            bound = 4.5 * math.sqrt(pooled * (1 - pooled) * 2 / DRAWS)
            assert abs(there[said] - back[said]) / DRAWS <= bound
