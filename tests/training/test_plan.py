import dataclasses
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prefrl.config.algorithms import PPOConfig
from prefrl.config.run import TrainConfig
from prefrl.errors import UsageError
from prefrl.training.plan import Plan


def config(**changes: object) -> TrainConfig:
    small = PPOConfig(n_envs=4, n_steps=25)  # 100 steps a rollout
    blank = TrainConfig("X-v0", ppo=small, steps=1100, labels=20, segment_length=10, spans=5, explore_steps=100)
    return dataclasses.replace(blank, **changes)  # type: ignore[arg-type]


def test_a_plan_in_numbers() -> None:
    plan = Plan(config(initial_share=0.5))
    assert plan.explore_steps == 100
    assert plan.spans == 5
    assert [plan.steps_after(span) for span in range(6)] == [100, 300, 500, 700, 900, 1100]
    # Half of them at first, the others in four sessions as 4 : 3 : 2 : 1, none after the last span.
    assert [plan.labels_after(span) for span in range(-1, 6)] == [0, 10, 14, 17, 19, 20, 20]


@pytest.mark.parametrize(
    ("until", "spans", "asked"),
    [
        (0.5, 6, [10, 15, 18, 20, 20, 20, 20]),  # half of them at first, the others in three sessions, as 3 : 2 : 1
        (0.5, 5, [10, 17, 20, 20, 20, 20]),  # the third would end after half of the training
        (0.5, 2, [10, 20, 20]),
        (0.5, 1, [20, 20]),
        (0.0, 5, [20] * 6),
    ],
)
def test_all_labels_can_be_asked_early(until: float, spans: int, asked: list[int]) -> None:
    plan = Plan(config(initial_share=0.5, labels_until=until, spans=spans))
    assert [plan.labels_after(span) for span in range(spans + 1)] == asked


def test_what_is_explored_is_whole_steps_of_all_environments_and_a_tenth_at_most() -> None:
    assert Plan(config(explore_steps=90)).explore_steps == 92
    assert Plan(config(explore_steps=10**6)).explore_steps == 112  # a tenth of 1100 in steps of 4


def test_there_are_no_more_spans_than_rollouts() -> None:
    plan = Plan(config(spans=1000))
    assert plan.spans == 10
    assert [plan.steps_after(span) for span in (0, 1, 10)] == [100, 200, 1100]


@pytest.mark.parametrize(("steps", "limit", "spans"), [(1100, 50, 5), (1100, 51, 3), (1100, 1000, 1), (100, 50, 1)])
def test_each_span_is_long_enough_for_a_whole_episode(steps: int, limit: int, spans: int) -> None:
    """Rollouts of 100 steps in 4 environments: two of them for 50 steps in each, three for 51."""
    plan = Plan(config(steps=steps, reward="true", labels=0), time_limit=limit)
    assert plan.spans == spans


def test_spans_are_long_enough_for_whole_episodes() -> None:
    config = TrainConfig("CartPole-v1", steps=100_000, labels=200)
    plan = Plan(config, time_limit=500)
    steps = [plan.steps_after(span) for span in range(plan.spans + 1)]
    assert plan.spans == 11
    assert min(after - before for before, after in pairwise(steps)) >= 500 * config.ppo.n_envs


def test_a_person_who_is_late_is_asked_about_no_more_pairs_than_there_are() -> None:
    """3 labels first, then 5, 3, 2, 1. Each span gives 4 segments, one an environment, and 6 pairs.

    The 3 must be answered before training goes on; of the 8 after span 1, slack many may be missing.
    """
    late = config(steps=1600, explore_steps=160, segment_length=40, initial_share=0.2, labels=14, slack=4)
    assert [Plan(late).labels_after(span) for span in range(5)] == [3, 8, 11, 13, 14]
    person = dataclasses.replace(late, teacher="human")
    assert Plan(dataclasses.replace(person, slack=3)).answers_needed(1) == 5
    with pytest.raises(UsageError, match=r"asks for 7 pairs after step 760.* smaller --slack"):
        Plan(person)


def test_a_single_span_asks_everything_before_it() -> None:
    plan = Plan(config(spans=1))
    assert [plan.labels_after(span) for span in (-1, 0, 1)] == [0, 20, 20]


def test_the_true_reward_needs_no_labels_and_no_exploration() -> None:
    plan = Plan(config(reward="true", labels=0))
    assert plan.explore_steps == 0
    assert plan.steps_after(plan.spans) == 1100
    assert {plan.labels_after(span) for span in range(-1, plan.spans + 1)} == {0}


@pytest.mark.parametrize("labels", [0, 1])
def test_a_reward_is_not_learned_from_fewer_than_two_labels(labels: int) -> None:
    with pytest.raises(UsageError, match=rf"^--labels is {labels}; .*--reward true$"):
        Plan(config(labels=labels))


@pytest.mark.parametrize(
    "impossible",
    [
        {"labels": 10**6},
        {"labels": 200, "initial_share": 1.0},  # 8 segments of random behaviour make 28 pairs
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
    """100 steps in 4 environments are 4 * 2 segments of 10, and 28 pairs."""
    assert Plan(config(labels=28, initial_share=1.0)).labels_after(0) == 28
    with pytest.raises(UsageError, match="8 segments of 10"):
        Plan(config(labels=29, initial_share=1.0))


plans = st.builds(
    TrainConfig,
    env_id=st.just("X-v0"),
    ppo=st.builds(PPOConfig, n_envs=st.integers(1, 32), n_steps=st.integers(2, 300)),
    steps=st.integers(1, 10**6),
    labels=st.integers(0, 2000),
    reward=st.sampled_from(["learned", "learned", "true"]),
    segment_length=st.integers(1, 100),
    spans=st.integers(1, 60),
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
    assert 1 <= plan.spans <= config.spans
    steps = [plan.steps_after(span) for span in range(plan.spans + 1)]
    taken = [after - before for before, after in pairwise(steps)]
    assert steps[0] == plan.explore_steps
    assert plan.explore_steps % config.ppo.n_envs == 0
    assert all(part > 0 and part % rollout == 0 for part in taken)  # PPO takes whole rollouts
    assert steps[-1] >= config.steps
    assert steps[-1] - config.steps < rollout + config.ppo.n_envs
    assert max(taken) - min(taken) <= rollout
    labels = [plan.labels_after(span) for span in range(-1, plan.spans + 1)]
    asked = [after - before for before, after in pairwise(labels)]
    assert labels[0] == 0
    assert labels[-1] == (config.labels if learned else 0)
    assert all(count >= 0 for count in asked)
    assert plan.spans == 1 or asked[-1] == 0
    for span, count in enumerate(asked):
        recorded = steps[0] if span == 0 else taken[span - 1]
        segments = config.ppo.n_envs * (recorded // config.ppo.n_envs // config.segment_length)
        assert count <= segments * (segments - 1) // 2
