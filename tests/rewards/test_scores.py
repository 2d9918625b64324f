import numpy as np
import torch
from builders import make_segment
from torch import Tensor

from prefrl.data.batch import Batch, stack
from prefrl.data.spaces import Spaces
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.scores import StepScores


def of_a_policy(batch: Batch[Tensor]) -> Tensor:
    """Of one that wants to do nothing."""
    return -(batch.actions**2).sum(-1).unsqueeze(0) * ~batch.absorbing[:, :-1]


def test_what_explains_answers_scores_each_step_and_no_absorbing_ones() -> None:
    rng = np.random.default_rng(0)
    batch = stack([make_segment(rng, 5, 3, 2), make_segment(rng, 5, 3, 2, absorbing_from=3)]).map(torch.from_numpy)
    ensemble = RewardEnsemble(Spaces.vectors(3, 2), 4, (8,))
    kinds: list[tuple[StepScores, int]] = [(ensemble.segment_rewards, 4), (of_a_policy, 1)]
    for scores, members in kinds:
        given = scores(batch)
        assert given.shape == (members, 2, 5)
        assert (given[:, 1, 3:] == 0).all()
        assert (given[:, 0] != 0).all()
