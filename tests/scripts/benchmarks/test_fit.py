from dataclasses import replace

import numpy as np
import pytest
from benchmarks.fit import begin, tried
from builders import make_answer, make_question, make_segment

from prefrl.config.rewards import RewardConfig
from prefrl.data.spaces import Spaces
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Preferred


@pytest.mark.parametrize("said", ["left", "right"])
def test_a_reward_is_tried_on_what_is_better_and_not_on_what_was_said(said: Preferred) -> None:
    rng = np.random.default_rng(0)

    def answer(seq: int, said: Preferred | None = None) -> Answer:
        left, right = (make_segment(rng, 5, 1, 1) for _ in range(2))
        left, right = (replace(s, true_rewards=s.obs["obs"][:-1, 0]) for s in (left, right))
        better: Preferred = "left" if left.true_return > right.true_return else "right"
        return make_answer(make_question(rng, left=left, right=right), said or better, seq=seq)

    known, new = [answer(seq) for seq in range(100)], [answer(seq, said) for seq in range(100, 160)]
    config = RewardConfig(members=2, hidden=(16,), learning_rate=1e-2)
    begun = begin(Spaces.vectors(1, 1), config, 0)
    tried(begun, known[:4], new, config, 0)  # to go on from fewer labels does no harm
    agreement, correlation = tried(begun, known, new, config, 0)
    assert agreement > 0.85
    assert correlation > 0.85
