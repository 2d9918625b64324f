import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from prefrl.rewards.likelihoods import choice_loss

LN3 = math.log(3)  # sigmoid(log 3) = 3/4


def loss(logits: list[list[float]], targets: list[float], random_answers: float = 0.0) -> list[list[float]]:
    return of_two(torch.tensor(logits), torch.tensor(targets), random_answers).tolist()


def of_two(logits: Tensor, targets: Tensor, random_answers: float = 0.0) -> Tensor:
    """(E, C) losses of choices between an option worth `logits` and one worth nothing."""
    returns = torch.stack((logits, torch.zeros_like(logits)), dim=-1)
    return choice_loss(returns, torch.stack((targets, 1 - targets), dim=-1), random_answers)


def test_loss_by_hand() -> None:
    assert loss([[0.0, LN3, LN3], [0.0, -LN3, 0.0]], [1.0, 1.0, 0.0]) == [
        pytest.approx([math.log(2), math.log(4 / 3), math.log(4)]),
        pytest.approx([math.log(2), math.log(4), math.log(2)]),
    ]


def test_a_tie_is_half_of_each_answer() -> None:
    ((value,),) = loss([[LN3]], [0.5])
    assert value == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_a_share_of_the_answers_is_taken_to_be_random() -> None:
    ((right, wrong),) = loss([[LN3, LN3]], [1.0, 0.0], random_answers=0.2)
    assert right == pytest.approx(-math.log(0.8 * 3 / 4 + 0.1))
    assert wrong == pytest.approx(-math.log(0.8 * 1 / 4 + 0.1))


def test_an_answer_that_must_be_a_mistake_pulls_no_more() -> None:
    """Smoothed labels would pull at it with all their weight."""
    logits = torch.tensor([[2.0, 4.0, 8.0]], requires_grad=True)
    of_two(logits, torch.zeros(3), random_answers=0.1).sum().backward()
    assert logits.grad is not None
    near, far, farthest = logits.grad[0].tolist()
    assert near > far > farthest > 0
    assert farthest < 0.01


@pytest.mark.parametrize(("random_answers", "wrong"), [(0.0, 1000.0), (0.1, -math.log(0.05))])
def test_huge_logits_give_no_infinity(random_answers: float, wrong: float) -> None:
    logits = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    losses = of_two(logits, torch.ones(2), random_answers)
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
    of_two(logits, torch.tensor([target])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(1 / (1 + math.exp(-logit)) - target, abs=1e-6)


@pytest.mark.parametrize(
    ("returns", "chosen"), [((3, 2), (3, 2)), ((2, 3, 2), (2, 2)), ((2, 3, 2), (3, 2, 1)), ((2, 3, 1), (3, 1))]
)
def test_wrong_ranks_are_refused(returns: tuple[int, ...], chosen: tuple[int, ...]) -> None:
    with pytest.raises(AssertionError):
        choice_loss(torch.zeros(returns), torch.zeros(chosen))


@pytest.mark.parametrize("faults", [{"random_answers": 1.0}, {"random_answers": -0.1}, {"rationality": 0.0}])
def test_wrong_settings_are_refused(faults: dict[str, float]) -> None:
    with pytest.raises(AssertionError):
        choice_loss(torch.zeros(1, 1, 2), torch.zeros(1, 2), **faults)


def bradley_terry_loss(logits: Tensor, targets: Tensor, random_answers: float) -> Tensor:
    """What the loss was when comparisons were all there was."""
    by_chance = torch.full_like(logits, random_answers / 2).log()
    says_left, says_right = (
        torch.logaddexp(logsigmoid(x) + math.log1p(-random_answers), by_chance) for x in (logits, -logits)
    )
    return -(targets * says_left + (1 - targets) * says_right)


RETURNS = st.floats(-1e4, 1e4, width=32) | st.floats(-5, 5, width=32) | st.just(0.0)


@given(
    st.lists(st.tuples(RETURNS, RETURNS, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=20),
    st.just(0.0) | st.just(0.1) | st.floats(1e-6, 0.99),
)
def test_two_options_have_the_same_bits_as_bradley_and_terry(
    pairs: list[tuple[float, float, float]], random_answers: float
) -> None:
    """Values and gradients, so that runs of comparisons end as they did before there were other kinds."""
    targets = torch.tensor([target for *_, target in pairs])
    old, new = (torch.tensor([[pair[:2] for pair in pairs]], requires_grad=True) for _ in range(2))
    before = bradley_terry_loss(old[..., 0] - old[..., 1], targets, random_answers)
    after = choice_loss(new, torch.stack((targets, 1 - targets), dim=-1), random_answers)
    assert torch.equal(before, after)
    before.mean().backward()
    after.mean().backward()
    assert old.grad is not None
    assert new.grad is not None
    assert torch.equal(old.grad, new.grad)


def test_three_options_by_hand() -> None:
    """A ranking is its first choice of three and then one of two (Plackett 1975): weights 6, 3 and 1."""
    returns = torch.tensor([[6.0, 3.0, 1.0]]).log()
    first = choice_loss(returns[:, None], torch.tensor([[1.0, 0.0, 0.0]]))
    then = choice_loss(returns[:, None, 1:], torch.tensor([[1.0, 0.0]]))
    assert first.item() == pytest.approx(-math.log(6 / 10))
    assert (first + then).item() == pytest.approx(-math.log(6 / 10 * 3 / 4))
    open_ = choice_loss(returns[:, None], torch.tensor([[0.5, 0.5, 0.0]]), random_answers=0.3)
    assert open_.item() == pytest.approx(-(math.log(0.7 * 0.6 + 0.1) + math.log(0.7 * 0.3 + 0.1)) / 2)


def test_the_more_rational_the_surer() -> None:
    returns = torch.tensor([[[6.0, 3.0, 1.0]]]).log()
    twice = choice_loss(returns, torch.tensor([[1.0, 0.0, 0.0]]), rationality=2.0)
    assert twice.item() == pytest.approx(-math.log(36 / (36 + 9 + 1)))


@given(st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=5), st.integers(0, 4), st.floats(0, 0.9))
def test_an_option_that_is_not_there_changes_nothing(worth: list[float], best: int, random_answers: float) -> None:
    chosen = torch.nn.functional.one_hot(torch.tensor([best % len(worth)]), len(worth)).float()
    alone = torch.tensor([[worth]], requires_grad=True)
    padded = torch.tensor([[[*worth, -math.inf]]], requires_grad=True)
    losses = (
        choice_loss(alone, chosen, random_answers),
        choice_loss(padded, torch.nn.functional.pad(chosen, (0, 1)), random_answers),
    )
    torch.testing.assert_close(*losses)
    for each in losses:
        each.sum().backward()
    assert alone.grad is not None
    assert padded.grad is not None
    torch.testing.assert_close(padded.grad[..., :-1], alone.grad)
    assert padded.grad[..., -1].item() == 0
