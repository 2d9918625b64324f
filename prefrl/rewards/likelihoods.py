"""Likelihoods of answers: pure functions of tensors. Axes: E members, C choices, K options."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def choice_loss(returns: Tensor, chosen: Tensor, random_answers: float = 0.0, rationality: float = 1.0) -> Tensor:
    """Negative log-likelihood of each choice among options, in nats.

    Option k is the better the more it returns, R_k, in log-odds:

        P(k is best) = exp(b R_k) / sum_j exp(b R_j) = sigmoid(b R_k - log sum_{j != k} exp(b R_j))

    with the rationality b (Luce 1959; of two options: Bradley & Terry 1952; for segments of behaviour: Christiano et
    al. 2017, equation 1; for other kinds of feedback: Jeon et al. 2020). Whoever answers at random in a share e of all
    cases

        P(says k) = (1 - e) P(k is best) + e / K

    (Christiano et al. 2017, section 2.2.3). Unlike with smoothed labels, an answer pulls the less the surer it seems to
    be a mistake. An answer that leaves several options open, as a tie does, counts as a part of each.

    Args:
        returns: (E, C, K) of each option; -inf for one that is not there, since other choices have more.
        chosen: (C, K) probability that each option was chosen, as the answer says; each row sums to 1.
        random_answers: share of answers taken to be random, in [0, 1).
        rationality: > 0.

    Returns:
        (E, C) losses, one per member and choice.
    """
    assert returns.ndim == 3 and chosen.ndim == 2 and returns.shape[1:] == chosen.shape and chosen.shape[1] > 1
    assert 0 <= random_answers < 1 and rationality > 0
    missing = returns == -math.inf
    scaled = rationality * returns
    # Of what is missing, the gradient would be NaN.
    is_best = logsigmoid((scaled - _others(scaled)).masked_fill(missing, 0.0))
    by_chance = (random_answers / (~missing).sum(-1, keepdim=True).to(returns.dtype)).log()
    says = torch.logaddexp(is_best + math.log1p(-random_answers), by_chance)
    return -(chosen * says).sum(-1)


def _others(returns: Tensor) -> Tensor:
    """(E, C, K) for each option, the log of the sum of all others' exponentials."""
    if returns.shape[-1] == 2:
        return returns.flip(-1)  # the same, in a tenth of the time
    itself = torch.eye(returns.shape[-1], dtype=torch.bool)
    return returns.unsqueeze(-2).masked_fill(itself, -math.inf).logsumexp(-1)
