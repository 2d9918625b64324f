import dataclasses
import math
import time

import numpy as np
import pytest
from builders import make_answer, make_segment

from prefrl.config.rewards import RewardConfig
from prefrl.feedback.answer import Answer
from prefrl.feedback.question import Question
from prefrl.rewards.foresight import FEWEST, Foresight, chance_of, foresee, quick

CONFIG = RewardConfig(members=2, hidden=(16,), learning_rate=1e-2)


def answers(count: int, wrong: float = 0.0, seed: int = 0, **fields: object) -> list[Answer]:
    """About clips whose true reward is the first number of each action; a share of the answers are the opposite."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(1, count + 1):
        left, right = (_moving_right(rng) for _ in range(2))
        better = (left.true_return > right.true_return) ^ (rng.random() < wrong)
        question = Question((left, right), id=number)
        found.append(make_answer(question, "left" if better else "right", seq=number, **fields))
    return found


def _moving_right(rng: np.random.Generator):
    segment = make_segment(rng, steps=10)
    actions = np.clip(segment.actions + rng.normal(), -1, 1).astype(np.float32)
    return dataclasses.replace(segment, actions=actions, true_rewards=actions[:, 0])


def test_chance_by_hand() -> None:
    """Of three margins, all 8 signs are alike likely of a coin, and their ranks sum to 6, 5, 4, 3, 3, 2, 1 or 0."""
    assert chance_of(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / 8)
    assert chance_of(np.array([-1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert chance_of(np.array([1.0, 2.0, -3.0])) == pytest.approx(5 / 8)  # to be sure and wrong counts most
    assert chance_of(np.array([0.0, 1.0, 0.0, 2.0])) == pytest.approx(1 / 4)  # what is not decided says nothing
    assert chance_of(np.zeros(4)) == chance_of(np.zeros(0)) == 1.0


def test_right_answers_are_foreseen() -> None:
    found = foresee(answers(40), CONFIG)
    assert (found.answers, found.decided, found.undecided) == (40, 40, 0)
    assert found.right >= 32
    assert found.chance < 1e-4
    assert found.order_share > 0.8
    assert found.pairs == 10 * (8 * 7 // 2)  # 40 questions in 10 folds: 8 clips each
    assert found.of_oracle


def test_answers_by_chance_are_not() -> None:
    found = [foresee(answers(40, wrong=0.5, seed=seed), CONFIG) for seed in range(4)]
    assert np.mean([one.right / one.decided for one in found]) == pytest.approx(0.5, abs=0.12)
    assert all(one.chance > 2e-3 for one in found)


def test_the_same_answers_give_the_same_figures_and_keep_the_generators() -> None:
    import torch

    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    some = answers(20)
    assert foresee(some, CONFIG) == foresee(some, CONFIG)
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002


def test_only_answers_that_stand_are_counted() -> None:
    some = answers(20, annotator="ann")
    question = some[0].question
    changed = [
        make_answer(question, "tie", "ann", seq=21, replaces=1),
        make_answer(some[1].question, None, "ann", seq=22, replaces=2),
        make_answer(some[2].question, "right", "ann", seq=23, is_repeat=True),
        make_answer(some[3].question, "skip", "bob", seq=24),
    ]
    found = foresee([*some, *changed], CONFIG)
    assert (found.answers, found.undecided, found.decided) == (20, 2, 18)
    assert not found.of_oracle


def test_all_answers_to_one_question_are_in_one_fold() -> None:
    """Else the reward would have been told what it is to foresee."""
    question = answers(1)[0].question
    same = [make_answer(question, "left", f"p{i}", seq=i) for i in range(1, 30)]
    found = foresee(same, CONFIG)
    assert (found.answers, found.decided, found.chance) == (29, 0, 1.0)


def test_clips_that_were_learned_from_are_not_ordered() -> None:
    """Each of these is in two questions, of which the other may be in another fold; here nearly all are."""
    some = answers(40)
    clips = [dataclasses.replace(answer.question.segments[0]) for answer in some]
    again = [
        make_answer(Question((dataclasses.replace(clips[i - 1]), clips[i]), id=i + 1), a.value.preferred, seq=i + 1)
        for i, a in enumerate(some)
    ]
    assert foresee(again, CONFIG).pairs < foresee(some, CONFIG).pairs / 10


@pytest.mark.parametrize("preferred", ["tie", "skip"])
def test_ties_and_skips_alone_foresee_nothing(preferred: str) -> None:
    undecided = [make_answer(a.question, preferred, seq=a.seq) for a in answers(30)]  # type: ignore[arg-type]
    assert foresee(undecided, CONFIG) == Foresight(30, 30, of_oracle=True)


def test_few_answers_and_none() -> None:
    assert foresee(answers(FEWEST - 1), CONFIG) == Foresight(FEWEST - 1, 0, of_oracle=True)
    assert foresee([], CONFIG) == Foresight(0, 0)
    assert math.isnan(Foresight(0, 0).order_share)


def test_the_work_is_bounded() -> None:
    some = answers(30)
    assert quick(CONFIG, some, 10).max_epochs == 30
    assert quick(dataclasses.replace(CONFIG, members=9), some, 10).members == 5
    many = answers(60) * 50  # as a list; only its size matters
    assert quick(RewardConfig(), many, 10).max_epochs == pytest.approx(8e6 / (3000 * 2 * 10 * 0.25 * 5 * 10), abs=1)
    began = time.process_time()
    foresee(answers(1000), CONFIG)
    assert time.process_time() - began < 20
