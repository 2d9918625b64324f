import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefrl.losses import bradley_terry_loss

LN3 = math.log(3)  # sigmoid(log 3) = 3/4


def loss(logits: list[list[float]], targets: list[float], label_smoothing: float = 0.0) -> list[list[float]]:
    return bradley_terry_loss(torch.tensor(logits), torch.tensor(targets), label_smoothing).tolist()


def test_loss_by_hand() -> None:
    assert loss([[0.0, LN3, LN3], [0.0, -LN3, 0.0]], [1.0, 1.0, 0.0]) == [
        pytest.approx([math.log(2), math.log(4 / 3), math.log(4)]),
        pytest.approx([math.log(2), math.log(4), math.log(2)]),
    ]


def test_a_tie_is_half_of_each_answer() -> None:
    ((value,),) = loss([[LN3]], [0.5])
    assert value == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_smoothing_takes_a_share_of_the_answers_for_a_coins() -> None:
    ((value,),) = loss([[LN3]], [1.0], label_smoothing=0.2)
    assert value == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_smoothing_makes_a_bounded_logit_the_best() -> None:
    logits = torch.linspace(0, 8, 801)
    best = logits[bradley_terry_loss(logits[None], torch.ones(801), 0.1)[0].argmin()]
    assert float(best) == pytest.approx(math.log(0.95 / 0.05), abs=0.01)


def test_huge_logits_give_no_infinity() -> None:
    assert loss([[1000.0, -1000.0]], [1.0, 1.0]) == [[0.0, 1000.0]]


@given(st.floats(-30, 30), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
def test_swapping_the_sides_changes_no_loss(logit: float, target: float, smoothing: float) -> None:
    assert loss([[logit]], [target], smoothing)[0] == pytest.approx(
        loss([[-logit]], [1 - target], smoothing)[0], abs=1e-5
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
