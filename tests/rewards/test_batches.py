import math

import numpy as np
import pytest
import torch
from builders import make_answer, make_question, make_segment

from prefrl.feedback import kinds
from prefrl.feedback.answer import Answer
from prefrl.feedback.choice import Choice
from prefrl.feedback.comparison import Comparison
from prefrl.feedback.question import Question
from prefrl.rewards.batches import Choices, segments_of

STEPS = 4
RAMP = np.arange(STEPS, dtype=np.float32)


class Mixed(kinds.ComparisonKind):
    """A kind for tests, on three segments: their ranking, and what is said of a part of one."""

    name = "mixed"

    def choices(self, feedback: Comparison, question: Question) -> list[Choice]:
        return [
            Choice(({0: 1.0}, {1: 1.0}, {2: 1.0}), (1.0, 0.0, 0.0)),
            Choice(({1: 1.0}, {2: 1.0}), (0.5, 0.5)),
            Choice(({2: RAMP, 0: -2.0}, {}), (0.0, 1.0)),
        ]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """A comparison, one of three segments, and a tie."""
    monkeypatch.setitem(kinds.KINDS, "mixed", Mixed())
    rng = np.random.default_rng(0)
    three = Question(tuple(make_segment(rng, STEPS) for _ in range(3)), kind="mixed")
    return [
        make_answer(make_question(rng, STEPS), "right"),
        make_answer(three),
        make_answer(make_question(rng, STEPS), "tie"),
    ]


def scores_of(segments: int, steps: int = STEPS) -> torch.Tensor:
    """(2, S, T) of two members: segment s, step t scores 100 s + t; the other member says the opposite."""
    ours = 100.0 * torch.arange(segments)[:, None] + torch.arange(steps)
    return torch.stack((ours, -ours))


def test_segments_lie_answer_by_answer(answers: list[Answer]) -> None:
    segments = segments_of(answers)
    assert len(segments) == 7
    assert segments[2:5] == list(answers[1].question.segments)


def test_returns_by_hand(answers: list[Answer]) -> None:
    choices = Choices.of(answers)
    assert len(choices) == 3
    assert choices.chosen.tolist() == [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0.5, 0.5, 0]]
    returns = choices.returns(scores_of(7), torch.ones(7, STEPS))
    whole = [400 * s + 6 for s in range(7)]  # steps score 0 + 1 + 2 + 3 more
    ramp = 400 * (0 + 1 + 2 + 3) + (0 + 1 + 4 + 9)  # of segment 4, weighed by 0, 1, 2, 3
    none = -math.inf
    assert returns[0].tolist() == [
        [whole[0], whole[1], none],
        [whole[2], whole[3], whole[4]],
        [whole[3], whole[4], none],
        [ramp - 2 * whole[2], 0, none],
        [whole[5], whole[6], none],
    ]
    assert returns[1][1].tolist() == [-whole[2], -whole[3], -whole[4]]


def test_steps_that_do_not_count_and_steps_that_stand_for_several(answers: list[Answer]) -> None:
    choices = Choices.of(answers[1:2])
    steps = torch.tensor([[3, 1], [0, 2], [1, 3]])
    counts = torch.tensor([[2.0, 0.0], [1.0, 1.0], [3.0, 1.0]])
    scores = scores_of(3).gather(2, steps.expand(2, -1, -1))
    returns = choices.returns(scores, counts, steps)[0]
    assert returns[0].tolist() == [2 * 3, 100 + 102, 3 * 201 + 203]
    assert returns[2, 0].item() == 3 * 201 * 1 + 203 * 3 - 2 * (2 * 3)  # weighed by what their places weigh


def test_some_answers_are_as_if_there_were_no_others(answers: list[Answer]) -> None:
    everything, scores = Choices.of(answers), scores_of(7)
    for some in ([1], [2, 0], [0, 2, 1], [1, 1]):
        index = torch.tensor(some)
        rows = everything.segment_rows(index)
        alone = Choices.of([answers[i] for i in some])
        assert [segments_of(answers)[i] for i in rows] == segments_of([answers[i] for i in some])
        got = everything[index].returns(scores[:, rows], torch.ones(len(rows), STEPS))
        wanted = alone.returns(scores[:, rows], torch.ones(len(rows), STEPS))
        assert torch.equal(got[..., : wanted.shape[2]], wanted)
        assert torch.equal(everything[index].by_answer(got.nan_to_num(neginf=0.0)[..., 0])[:, :1], (
            alone.by_answer(wanted.nan_to_num(neginf=0.0)[..., 0])[:, :1]
        ))  # fmt: skip


def test_losses_are_summed_answer_by_answer(answers: list[Answer]) -> None:
    choices, losses = Choices.of(answers), torch.tensor([[1.0, 10.0, 20.0, 30.0, 5.0], [0.0, 1.0, 1.0, 1.0, 0.0]])
    assert choices.by_answer(losses).tolist() == [[1, 60, 5], [0, 3, 0]]
    comparisons = Choices.of([answers[0], answers[2]])
    assert torch.equal(comparisons.by_answer(losses[:, :2]), losses[:, :2])
