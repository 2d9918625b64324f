import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import num_segments
from prefrl.errors import UsageError
from prefrl.training.plan import Plan, label_schedule


def config(**changes: object) -> TrainConfig:
    small = PPOConfig(n_envs=4, n_steps=25)  # 100 steps a rollout
    blank = TrainConfig("X-v0", ppo=small, steps=1100, labels=20, segment_length=10, rounds=5, explore_steps=100)
    return dataclasses.replace(blank, **changes)  # type: ignore[arg-type]


def test_a_plan_in_numbers() -> None:
    plan = Plan(config(initial_share=0.5))
    assert plan.explore_steps == 100
    assert plan.rounds == 5
    assert [plan.steps_after(round_index) for round_index in range(6)] == [100, 300, 500, 700, 900, 1100]
    # Half of them at first, the others in four sessions as 4 : 3 : 2 : 1, none after the last round.
    assert [plan.labels_after(round_index) for round_index in range(-1, 6)] == [0, 10, 14, 17, 19, 20, 20]


@pytest.mark.parametrize(
    ("until", "rounds", "asked"),
    [
        (0.5, 6, [10, 15, 18, 20, 20, 20, 20]),  # half of them at first, the others in three sessions, as 3 : 2 : 1
        (0.5, 5, [10, 17, 20, 20, 20, 20]),  # the third would end after half of the training
        (0.5, 2, [10, 20, 20]),
        (0.5, 1, [20, 20]),
        (0.0, 5, [20] * 6),
    ],
)
def test_all_labels_can_be_asked_early(until: float, rounds: int, asked: list[int]) -> None:
    plan = Plan(config(initial_share=0.5, labels_until=until, rounds=rounds))
    assert [plan.labels_after(round_index) for round_index in range(rounds + 1)] == asked


def test_what_is_explored_is_whole_steps_of_all_environments_and_a_tenth_at_most() -> None:
    assert Plan(config(explore_steps=90)).explore_steps == 92
    assert Plan(config(explore_steps=10**6)).explore_steps == 112  # a tenth of 1100 in steps of 4


def test_there_are_no_more_rounds_than_rollouts() -> None:
    plan = Plan(config(rounds=1000))
    assert plan.rounds == 10
    assert [plan.steps_after(round_index) for round_index in (0, 1, 10)] == [100, 200, 1100]


@pytest.mark.parametrize(("steps", "limit", "rounds"), [(1100, 50, 5), (1100, 51, 3), (1100, 1000, 1), (100, 50, 1)])
def test_each_round_is_long_enough_for_a_whole_episode(steps: int, limit: int, rounds: int) -> None:
    """Rollouts of 100 steps in 4 environments: two of them for 50 steps in each, three for 51."""
    plan = Plan(config(steps=steps, reward="true", labels=0), time_limit=limit)
    assert plan.rounds == rounds


def test_rounds_are_long_enough_for_whole_episodes() -> None:
    config = TrainConfig("CartPole-v1", steps=100_000, labels=200)
    plan = Plan(config, time_limit=500)
    steps = [plan.steps_after(round_index) for round_index in range(plan.rounds + 1)]
    assert plan.rounds == 11
    assert min(after - before for before, after in pairwise(steps)) >= 500 * config.ppo.n_envs


def test_a_person_who_is_late_is_asked_about_no_more_pairs_than_there_are() -> None:
    """3 labels first, then 5, 3, 2, 1. Each round gives 4 segments, an episode of 40 in each environment, and 6 pairs.

    The 3 must be answered before training goes on; of the 8 after round 1, slack many may be missing.
    """
    late = config(steps=1600, explore_steps=160, segment_length=40, initial_share=0.2, labels=14, slack=4)
    assert [Plan(late, 40).labels_after(round_index) for round_index in range(5)] == [3, 8, 11, 13, 14]
    person = dataclasses.replace(late, teacher="human")
    assert Plan(dataclasses.replace(person, slack=3), 40).answers_needed(1) == 5
    with pytest.raises(UsageError, match=r"asks for 7 pairs after step 760.* smaller --slack"):
        Plan(person, 40)


def test_a_person_is_asked_ahead_of_the_plan_but_never_for_more_than_all() -> None:
    plan = config(steps=1600, explore_steps=160, segment_length=10, initial_share=0.2, labels=14, slack=4)
    person = Plan(dataclasses.replace(plan, teacher="human"), 40)
    assert [person.labels_after(round_index) for round_index in range(5)] == [3, 8, 11, 13, 14]
    assert [person.asked_after(round_index) for round_index in range(6)] == [7, 12, 14, 14, 14, 14]
    assert [Plan(plan, 40).asked_after(round_index) for round_index in range(5)] == [3, 8, 11, 13, 14]


def test_the_last_round_learns_from_the_answers_before_it() -> None:
    plan = Plan(config())
    assert [plan.is_last_chance(k) for k in (0, plan.rounds - 2, plan.rounds - 1, plan.rounds)] == [0, 0, 1, 1]


def test_a_single_round_asks_everything_before_it() -> None:
    plan = Plan(config(rounds=1))
    assert [plan.labels_after(round_index) for round_index in (-1, 0, 1)] == [0, 20, 20]


def test_the_true_reward_needs_no_labels_and_no_exploration() -> None:
    plan = Plan(config(reward="true", labels=0))
    assert plan.explore_steps == 0
    assert plan.steps_after(plan.rounds) == 1100
    assert {plan.labels_after(round_index) for round_index in range(-1, plan.rounds + 1)} == {0}


@pytest.mark.parametrize("labels", [0, 1])
def test_a_reward_is_not_learned_from_fewer_than_two_labels(labels: int) -> None:
    with pytest.raises(UsageError, match=rf"^--labels is {labels}; .*--reward true$"):
        Plan(config(labels=labels))


@pytest.mark.parametrize(
    "impossible",
    [
        {"labels": 10**6},
        {"labels": 200, "initial_share": 1.0},  # 12 segments of random behaviour make 66 pairs
        {"segment_length": 26},  # longer than what one environment explores
        {"explore_steps": 0},
    ],
)
def test_a_budget_that_cannot_be_met_is_refused_in_one_line(impossible: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Plan(config(**impossible))
    said = str(caught.value)
    assert "\n" not in said
    for option in ("--labels", "--steps", "--segment-length"):
        assert option in said


def test_the_largest_budget_is_taken_and_one_more_is_not() -> None:
    """100 steps in 4 environments are 4 * 3 segments of 10, the third overlapping the second, and 66 pairs."""
    assert Plan(config(labels=66, initial_share=1.0)).labels_after(0) == 66
    with pytest.raises(UsageError, match="12 segments of 10"):
        Plan(config(labels=67, initial_share=1.0))


def test_episodes_shorter_than_a_clip_are_told_with_their_length() -> None:
    with pytest.raises(UsageError, match=r"episodes of 9 steps are shorter than a clip of 10.*--segment-length 9"):
        Plan(config(), time_limit=9)
    assert Plan(config(), time_limit=10).labels_after(-1) == 0


plans = st.builds(
    TrainConfig,
    env_id=st.just("X-v0"),
    ppo=st.builds(PPOConfig, n_envs=st.integers(1, 32), n_steps=st.integers(2, 300)),
    steps=st.integers(1, 10**6),
    labels=st.integers(0, 2000),
    reward=st.sampled_from(["learned", "learned", "true"]),
    segment_length=st.integers(1, 100),
    rounds=st.integers(1, 60),
    explore_steps=st.integers(0, 20000),
    initial_share=st.floats(0, 1),
    labels_until=st.floats(0, 1),
)


@given(plans)
def test_every_plan_spends_exactly_what_was_asked(config: TrainConfig) -> None:
    try:
        plan = Plan(config)
    except UsageError:
        assume(False)
    learned = config.reward == "learned"
    rollout = config.ppo.n_envs * config.ppo.n_steps
    assert 1 <= plan.rounds <= config.rounds
    steps = [plan.steps_after(round_index) for round_index in range(plan.rounds + 1)]
    taken = [after - before for before, after in pairwise(steps)]
    assert steps[0] == plan.explore_steps
    assert plan.explore_steps % config.ppo.n_envs == 0
    assert all(part > 0 and part % rollout == 0 for part in taken)  # PPO takes whole rollouts
    assert steps[-1] >= config.steps
    assert steps[-1] - config.steps < rollout + config.ppo.n_envs
    assert max(taken) - min(taken) <= rollout
    labels = [plan.labels_after(round_index) for round_index in range(-1, plan.rounds + 1)]
    asked = [after - before for before, after in pairwise(labels)]
    assert labels[0] == 0
    assert labels[-1] == (config.labels if learned else 0)
    assert all(count >= 0 for count in asked)
    assert plan.rounds == 1 or asked[-1] == 0
    for round_index, count in enumerate(asked):
        recorded = steps[0] if round_index == 0 else taken[round_index - 1]
        segments = config.ppo.n_envs * num_segments(recorded // config.ppo.n_envs, config.segment_length)
        assert count <= segments * (segments - 1) // 2


def test_schedule_by_hand() -> None:
    # 10 before training; 30 left in shares 4/10, 3/10, 2/10, 1/10.
    assert label_schedule(40, 4, 0.25) == (10, 12, 9, 6, 3)
    # 8 left in shares 3/6, 2/6, 1/6: 4, 2 2/3, 1 1/3; the largest remainder is rounded up.
    assert label_schedule(10, 3, 0.2) == (2, 4, 3, 1)


def test_schedule_at_its_edges() -> None:
    assert label_schedule(0, 3, 0.5) == (0, 0, 0, 0)
    assert label_schedule(7, 0, 0.1) == (7,)
    assert label_schedule(1, 2, 0.0) == (1, 0, 0)
    assert label_schedule(7, 2, 1.0) == (7, 0, 0)
    assert label_schedule(3, 1, 0.0) == (2, 1)


@given(st.integers(0, 10**6), st.integers(0, 300), st.floats(0, 1))
def test_mistake_15_the_budget_is_exact(total: int, sessions: int, share: float) -> None:
    schedule = label_schedule(total, sessions, share)
    later = schedule[1:]
    assert sum(schedule) == total
    assert len(schedule) == sessions + 1
    assert min(schedule) >= 0
    assert schedule[0] >= min(total, 2)
    assert list(later) == sorted(later, reverse=True)
    if sessions:
        assert abs(schedule[0] - max(total * share, min(total, 2))) <= 0.5
        weight_sum = sessions * (sessions + 1) / 2
        exact = [sum(later) * (sessions - k) / weight_sum for k in range(sessions)]
        assert all(abs(got - want) < 1.001 for got, want in zip(later, exact, strict=True))


@pytest.mark.parametrize("arguments", [(-1, 3, 0.5), (5, -1, 0.5), (5, 3, 1.1), (5, 3, math.nan)])
def test_schedule_refuses_nonsense(arguments: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="label_schedule"):
        label_schedule(*arguments)
