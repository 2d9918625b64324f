"""Likelihoods of preferences: pure functions of tensors. Axes: E members, B pairs."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def bradley_terry_loss(logits: Tensor, targets: Tensor, random_answers: float = 0.0) -> Tensor:
    """Negative log-likelihood of each answer under the Bradley-Terry model, in nats.

        P(left better) = exp(R_left) / (exp(R_left) + exp(R_right)) = sigmoid(R_left - R_right)

    (Bradley & Terry 1952; for segments of behaviour: Christiano et al. 2017, equation 1), given by a teacher who
    answers at random in a share `random_answers` of all cases:

        P(says left) = (1 - random_answers) P(left better) + random_answers / 2

    (section 2.2.3 there). Unlike with smoothed labels, an answer pulls the less the surer it seems to be a mistake. A
    tie counts as half of either answer.

    Args:
        logits: (E, B) return of the left segment minus return of the right one.
        targets: (B,) probability that left is better, as the teacher said: 1, 0, or 0.5 for a tie.
        random_answers: share of answers taken to be a coin's, in [0, 1).

    Returns:
        (E, B) losses, one per member and pair.
    """
    assert logits.ndim == 2 and targets.ndim == 1 and logits.shape[1] == targets.shape[0]
    assert 0 <= random_answers < 1
    says_left, says_right = _log_likelihood(logits, random_answers), _log_likelihood(-logits, random_answers)
    return -(targets * says_left + (1 - targets) * says_right)


def _log_likelihood(logits: Tensor, random_answers: float) -> Tensor:
    """log((1 - random_answers) sigmoid(logits) + random_answers / 2), without overflow."""
    by_chance = torch.full_like(logits, random_answers / 2).log()
    return torch.logaddexp(logsigmoid(logits) + math.log1p(-random_answers), by_chance)
