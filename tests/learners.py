"""Settings and answers for a learner alone. Import as `from learners import SMALL, preferences`."""

import dataclasses

import small

from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import RewardConfig, TrainConfig
from prefrl.data.episode import Episode, cut
from prefrl.feedback.answer import Preference
from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query

SMALL = TrainConfig(
    "MoveRight-v0",
    steps=1000,
    labels=10,
    segment_length=10,
    ppo=PPOConfig(n_envs=2, n_steps=20, batch_size=20, n_epochs=2, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(8,), max_epochs=2),
)
SMALL_SAC = dataclasses.replace(SMALL, algorithm="sac", sac=small.SMALL_SAC.sac)


def preferences(episodes: list[Episode], choice: Choice | None = None) -> list[Preference]:
    segments = cut(episodes, SMALL.segment_length)
    pairs = list(zip(segments[::2], segments[1::2], strict=False))
    right: list[Choice] = ["left" if a.true_return > b.true_return else "right" for a, b in pairs]
    return [Preference(i + 1, Query(a, b, id=i + 1), choice or right[i]) for i, (a, b) in enumerate(pairs)]
