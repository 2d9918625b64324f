import dataclasses
import math
from itertools import combinations

import numpy as np
import pytest
import toy_envs  # noqa: F401
from builders import make_answer

from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.batch import stack
from prefrl.data.episode import Episode, cut
from prefrl.data.spaces import Spaces
from prefrl.evaluation.agreement import _preference_figures, agreement, answer_agreement
from prefrl.feedback.answer import Answer, is_held_out
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question
from prefrl.rewards.metrics import answer_probability, item_weights
from prefrl.training.learner import Learner

SMALL = TrainConfig(
    "MoveRight-v0",
    steps=800,
    labels=20,
    segment_length=10,
    ppo=PPOConfig(n_envs=4, n_steps=20, batch_size=40, n_epochs=2, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(32,), learning_rate=3e-3),
)


def taught(always: Preferred | None = None) -> tuple[Learner, list[Episode], list[Answer]]:
    """A learner that was taught by 150 answers, and other episodes to judge it by; `always` turns them round."""
    learner = Learner(SMALL)
    episodes = learner.explore(4000)
    segments = cut(episodes, SMALL.segment_length)
    turned: dict[bool, Preferred] = {True: always or "left", False: "left" if always else "right"}
    answers = [
        make_answer(Question((a, b), id=i), turned[a.true_return > b.true_return], seq=i)
        for i, (a, b) in enumerate(zip(segments[:150], segments[150:300], strict=True), 1)
    ]
    learner.learn_reward(0, answers, episodes, segments)
    return learner, Learner(dataclasses.replace(SMALL, seed=1)).explore(440), answers


@pytest.mark.parametrize(("answers", "sign"), [(None, 1), ("right", -1)])
def test_agreement_is_that_of_the_two_rewards(answers: Preferred | None, sign: int) -> None:
    learner, episodes, _ = taught(answers)
    found = agreement(learner.ensemble, episodes, SMALL.segment_length, 0.99, seed=0)
    assert sign * (found.preference_accuracy - 0.5) > 0.2
    for name in ("spearman_step", "spearman_segment", "pearson_step", "pearson_segment"):
        assert sign * getattr(found, name) > 0.5
    assert sign * (found.epic_distance - math.sqrt(0.5)) < -0.1
    assert sign * (found.brier_score - 0.25) < 0
    assert found.epic_fit > 0.99  # the reward is the action
    assert 0 < found.ensemble_spread < 1
    for name, (low, high) in found.ci95.items():
        assert low <= getattr(found, name) <= high
        assert low < high
    # By hand: all pairs, of which there are fewer than are looked at in a longer evaluation.
    segments = cut(episodes, SMALL.segment_length)
    assert found.segments == len(segments)
    assert math.comb(len(segments), 2) <= 1000
    learned = learner.ensemble.returns(stack(segments)).mean(0)
    right = [
        (learned[i] > learned[j]) == (segments[i].true_return > segments[j].true_return)
        for i, j in combinations(range(len(segments)), 2)
    ]
    assert found.preference_accuracy == pytest.approx(np.mean(right), abs=1e-6)


def test_the_true_reward_itself_would_be_perfect() -> None:
    class Perfect(type(Learner(SMALL).ensemble)):
        def forward(self, inputs):
            return inputs[:, 1].expand(self.members, -1)  # the action

        def raw_reward(self, obs, actions, *_):
            return actions[:, 0]

    episodes = Learner(SMALL).explore(800)
    found = agreement(Perfect(Spaces.vectors(1, 1), members=2), episodes, SMALL.segment_length, 0.99, seed=0)
    assert found.preference_accuracy == 1
    assert found.epic_distance == pytest.approx(0, abs=0.01)
    assert found.spearman_step == found.spearman_segment == pytest.approx(1)
    assert found.ensemble_spread == 0


def test_too_little_to_compare_is_nan_and_one_episode_has_no_intervals() -> None:
    learner, episodes, _ = taught()
    none = agreement(learner.ensemble, [], SMALL.segment_length, 0.99, seed=0)
    assert (none.segments, none.ci95) == (0, {})
    assert math.isnan(none.preference_accuracy)
    assert math.isnan(none.ensemble_spread)
    one = agreement(learner.ensemble, episodes[:1], SMALL.segment_length, 0.99, seed=0)
    assert one.segments == 2
    assert math.isfinite(one.spearman_step)
    assert all(math.isnan(bound) for interval in one.ci95.values() for bound in interval)


def test_held_out_answers_are_those_that_no_gradient_came_from() -> None:
    learner, _, answers = taught()
    found = answer_agreement(learner.ensemble, answers, RewardConfig(held_out=0.1), seed=0)
    assert found is not None
    held_out = [a for a, out in zip(answers, is_held_out(answers, 0.1), strict=True) if out]
    assert found.answers == len(held_out) == 15
    returns = [learner.ensemble.returns(stack(a.question.segments)).mean(0) for a in held_out]
    logits = np.array([left - right for left, right in returns], np.float64)
    targets = np.array([a.value == Comparison("left") for a in held_out])
    assert found.preference_accuracy == pytest.approx(np.mean((logits > 0) == targets))
    said = 0.9 / (1 + np.exp(-logits)) + 0.05  # a tenth of the answers are at random
    assert found.brier_score == pytest.approx(np.mean((said - targets) ** 2), abs=1e-5)
    low, high = found.ci95["preference_accuracy"]
    assert low <= found.preference_accuracy <= high
    assert answer_agreement(learner.ensemble, answers, RewardConfig(held_out=0.0), seed=0) is None
    assert answer_agreement(learner.ensemble, [], RewardConfig(held_out=0.1), seed=0) is None


def test_rewards_without_bounds_may_be_as_sure_as_they_like() -> None:
    logits, targets = np.array([-800.0, 800.0], np.float32), np.array([0.0, 1.0])
    counts, each = np.ones((0, 2), np.int64), np.arange(2)
    better = answer_probability(logits, 0.0)
    figures = _preference_figures(logits, better, targets, lambda: item_weights(counts, each))
    assert figures["brier_score"].value == figures["expected_calibration_error"].value == 0.0
