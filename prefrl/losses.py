"""Likelihoods of preferences: pure functions of tensors. Axes: E members, B pairs."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def bradley_terry_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Negative log-likelihood of each answer under the Bradley-Terry model, in nats.

    P(left better) = exp(R_left) / (exp(R_left) + exp(R_right)) = sigmoid(R_left - R_right)
    (Bradley & Terry 1952; for segments of behaviour: Christiano et al. 2017, equation 1).

    Args:
        logits: (E, B) return of the left segment minus return of the right one.
        targets: (B,) probability that left is better, as the teacher said: 1, 0, or 0.5 for a tie.
        label_smoothing: share of answers taken to be a coin's; targets move towards 0.5 by it
            (Szegedy et al. 2016; Christiano et al. 2017 assume a tenth).

    Returns:
        (E, B) losses, one per member and pair.
    """
    assert logits.ndim == 2 and targets.ndim == 1 and logits.shape[1] == targets.shape[0]
    smoothed = (1.0 - label_smoothing) * targets + label_smoothing * 0.5  # (B,)
    return binary_cross_entropy_with_logits(logits, smoothed.expand_as(logits), reduction="none")


def preference_accuracy(logits: Tensor, targets: Tensor) -> float:
    """Share of the pairs with a preferred side whose sign `logits` get right; NaN when every pair is a tie.

    Args:
        logits: (B,) difference of returns, left minus right.
        targets: (B,) 1, 0, or 0.5 for a tie. Ties are left out; a logit of exactly 0 counts half.
    """
    assert logits.ndim == 1 and logits.shape == targets.shape
    decided = targets != 0.5
    if not decided.any():
        return float("nan")
    right = torch.sign(logits[decided]) * torch.sign(targets[decided] - 0.5)  # (B',) 1 right, -1 wrong
    return float(((right + 1) / 2).mean())


def expected_calibration_error(probabilities: Tensor, targets: Tensor, bins: int = 10) -> float:
    """How far stated confidence lies from what the teacher says, averaged over the pairs (Guo et al. 2017).

    Each pair is turned so that its stated winner comes first: confidence = max(p, 1 - p) lies in [0.5, 1], which is
    divided into `bins` equal bins. In each bin the mean confidence is compared with the share of right answers.

    Args:
        probabilities: (B,) stated P(left better).
        targets: (B,) 1, 0, or 0.5 for a tie.

    Returns:
        The weighted mean of |confidence - accuracy| over the bins, in [0, 1]; NaN without pairs.
    """
    assert probabilities.ndim == 1 and probabilities.shape == targets.shape
    if len(targets) == 0:
        return float("nan")
    left_first = probabilities >= 0.5
    confidence = torch.where(left_first, probabilities, 1 - probabilities)
    right = torch.where(left_first, targets, 1 - targets)
    index = ((confidence - 0.5) * 2 * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins).index_add_(0, index, (confidence - right).float())
    return float(gaps.abs().sum() / len(targets))
