"""What answers are explained by."""

from typing import Protocol

from torch import Tensor

from prefrl.data.batch import Batch


class StepScores(Protocol):
    """Scores of steps, whose sums over segments explain what was chosen (`likelihoods.choice_loss`).

    A reward net gives its rewards (`RewardEnsemble.segment_rewards`, Christiano et al. 2017). A policy gives
    alpha * log pi(a | s), and is then learned from the answers without a reward (Hejna et al. 2024, CPL).
    """

    def __call__(self, batch: Batch[Tensor]) -> Tensor:
        """(E, S, T) score that each of E members gives each step of S segments; 0 where `batch.lived` is false."""
