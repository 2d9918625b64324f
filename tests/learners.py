"""Settings and answers for a learner alone. Import as `from learners import SMALL, answers`."""

import dataclasses

import small
from builders import make_answer

from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode, cut
from prefrl.feedback.answer import Answer
from prefrl.feedback.comparison import Preferred
from prefrl.feedback.question import Question

SMALL = TrainConfig(
    "MoveRight-v0",
    steps=1000,
    labels=10,
    segment_length=10,
    ppo=PPOConfig(n_envs=2, n_steps=20, batch_size=20, n_epochs=2, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(8,), max_epochs=2),
)
SMALL_SAC = dataclasses.replace(SMALL, algorithm="sac", sac=small.SMALL_SAC.sac)


def answers(episodes: list[Episode], preferred: Preferred | None = None) -> list[Answer]:
    """An answer to each pair of neighbours among the segments of `episodes`: `preferred`, or what is true."""
    segments = cut(episodes, SMALL.segment_length)
    pairs = list(zip(segments[::2], segments[1::2], strict=False))
    better: list[Preferred] = ["left" if a.true_return > b.true_return else "right" for a, b in pairs]
    return [make_answer(Question(pair, id=i + 1), preferred or better[i], seq=i + 1) for i, pair in enumerate(pairs)]
