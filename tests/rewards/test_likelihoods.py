import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefrl.rewards.likelihoods import bradley_terry_loss

LN3 = math.log(3)  # sigmoid(log 3) = 3/4


def loss(logits: list[list[float]], targets: list[float], random_answers: float = 0.0) -> list[list[float]]:
    return bradley_terry_loss(torch.tensor(logits), torch.tensor(targets), random_answers).tolist()


def test_loss_by_hand() -> None:
    assert loss([[0.0, LN3, LN3], [0.0, -LN3, 0.0]], [1.0, 1.0, 0.0]) == [
        pytest.approx([math.log(2), math.log(4 / 3), math.log(4)]),
        pytest.approx([math.log(2), math.log(4), math.log(2)]),
    ]


def test_a_tie_is_half_of_each_answer() -> None:
    ((value,),) = loss([[LN3]], [0.5])
    assert value == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_a_share_of_the_answers_is_taken_for_a_coins() -> None:
    ((right, wrong),) = loss([[LN3, LN3]], [1.0, 0.0], random_answers=0.2)
    assert right == pytest.approx(-math.log(0.8 * 3 / 4 + 0.1))
    assert wrong == pytest.approx(-math.log(0.8 * 1 / 4 + 0.1))


def test_an_answer_that_must_be_a_mistake_pulls_no_more() -> None:
    """Smoothed labels would pull at it with all their weight."""
    logits = torch.tensor([[2.0, 4.0, 8.0]], requires_grad=True)
    bradley_terry_loss(logits, torch.zeros(3), random_answers=0.1).sum().backward()
    assert logits.grad is not None
    near, far, farthest = logits.grad[0].tolist()
    assert near > far > farthest > 0
    assert farthest < 0.01


@pytest.mark.parametrize(("random_answers", "wrong"), [(0.0, 1000.0), (0.1, -math.log(0.05))])
def test_huge_logits_give_no_infinity(random_answers: float, wrong: float) -> None:
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    losses = bradley_terry_loss(logits, torch.ones(2), random_answers)
    losses.sum().backward()
    assert losses[0].tolist() == pytest.approx([-math.log(1 - random_answers / 2), wrong], abs=1e-6)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@given(st.floats(-30, 30), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 0.99))
def test_swapping_the_sides_changes_no_loss(logit: float, target: float, random_answers: float) -> None:
    assert loss([[logit]], [target], random_answers)[0] == pytest.approx(
        loss([[-logit]], [1 - target], random_answers)[0], abs=1e-5
    )


@given(st.floats(-30, 30), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_gradient_is_the_error_of_the_stated_probability(logit: float, target: float) -> None:
    logits = torch.tensor([[logit]], requires_grad=True)
    bradley_terry_loss(logits, torch.tensor([target])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(1 / (1 + math.exp(-logit)) - target, abs=1e-6)


@pytest.mark.parametrize(("logits", "targets"), [((3,), (3,)), ((2, 3), (2,)), ((2, 3), (3, 1))])
def test_wrong_ranks_are_refused(logits: tuple[int, ...], targets: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError):
        bradley_terry_loss(torch.zeros(logits), torch.zeros(targets))
