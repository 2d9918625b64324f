"""Likelihoods of preferences: pure functions of tensors. Axes: E members, B pairs."""

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
