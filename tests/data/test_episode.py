import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.data.batch import is_finite, some, stack
from prefrl.data.episode import Episode, cut, num_segments
from prefrl.data.segment import Segment


def episode(steps: int, ends: str = "stops", first: int = 1, states: bool = False, seed: int | None = None) -> Episode:
    """An episode that counts: state t observes [first + t, -(first + t)], the step from it is paid first + t."""
    count = np.arange(first, first + steps + 1, dtype=np.float32)
    return Episode(
        obs={"obs": np.stack([count, -count], axis=1)},
        actions=10 * count[:-1, None],
        true_rewards=count[:-1].copy(),
        terminated=ends == "terminates",
        truncated=ends == "truncates",
        sim_states=np.stack([count, count, count], axis=1).astype(np.float64) if states else None,
        reset_seed=seed,
    )


def living(segment: Segment) -> list[list[float]]:
    """The observations before the end."""
    return segment.obs["obs"][~segment.absorbing].tolist()


def test_an_episode_that_terminates_is_padded_with_absorbing_states() -> None:
    first, second = cut([episode(5, "terminates")], length=3)
    assert first.obs["obs"].tolist() == [[1, -1], [2, -2], [3, -3], [4, -4]]
    assert first.actions.tolist() == [[10], [20], [30]]
    assert first.true_rewards.tolist() == [1, 2, 3]
    assert first.absorbing.tolist() == [False] * 4
    assert living(second) == [[4, -4], [5, -5]]
    assert second.obs["obs"][3].tolist() == [0, 0]
    assert second.actions.tolist() == [[40], [50], [0]]
    assert second.true_rewards.tolist() == [4, 5, 0]
    assert second.absorbing.tolist() == [False, False, True, True]
    assert (first.start, second.start) == (0, 3)


def test_a_termination_at_the_very_end_of_a_segment_is_absorbing_too() -> None:
    (segment,) = cut([episode(3, "terminates")], length=3)
    assert living(segment) == [[1, -1], [2, -2], [3, -3]]
    assert segment.absorbing.tolist() == [False, False, False, True]
    assert segment.true_rewards.tolist() == [1, 2, 3]


def test_an_episode_of_one_step_gives_a_segment() -> None:
    (segment,) = cut([episode(1, "terminates")], length=4)
    assert living(segment) == [[1, -1]]
    assert segment.obs["obs"][2:].tolist() == [[0, 0]] * 3
    assert segment.absorbing.tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("ends", ["truncates", "stops"])
def test_nothing_is_said_about_what_would_have_followed_a_time_limit(ends: str) -> None:
    assert cut([episode(1, ends)], length=2) == []


@pytest.mark.parametrize("ends", ["truncates", "stops"])
def test_the_last_segment_ends_where_the_episode_does(ends: str) -> None:
    segments = cut([episode(5, ends, states=True)], length=2)
    assert [s.true_rewards.tolist() for s in segments] == [[1, 2], [3, 4], [4, 5]]
    assert [s.start for s in segments] == [0, 2, 3]
    assert not any(s.absorbing.any() for s in segments)
    last = segments[-1]
    assert last.obs["obs"].tolist() == [[4, -4], [5, -5], [6, -6]]
    assert last.sim_states is not None
    assert last.sim_states[:, 0].tolist() == [4, 5, 6]


def test_the_replay_of_the_last_segment_begins_where_it_does() -> None:
    last = cut([episode(5, "truncates", seed=8)], length=3)[-1]
    assert last.replay_actions is not None
    assert (last.start, last.replay_actions.tolist()) == (2, [[10], [20]])


@pytest.mark.parametrize("steps", range(1, 12))
def test_segments_are_counted_as_they_are_cut(steps: int) -> None:
    assert num_segments(steps, 4) == len(cut([episode(steps, "truncates")], length=4))


def test_a_segment_that_ends_at_a_time_limit_shows_the_last_observation() -> None:
    (segment,) = cut([episode(2, "truncates")], length=2)
    assert segment.obs["obs"].tolist() == [[1, -1], [2, -2], [3, -3]]
    assert not segment.absorbing.any()


def test_no_segment_holds_steps_of_two_episodes() -> None:
    segments = cut([episode(3, "truncates"), episode(3, "terminates", first=100), episode(3, first=200)], length=2)
    assert [s.true_rewards.tolist() for s in segments] == [[1, 2], [2, 3], [100, 101], [102, 0], [200, 201], [201, 202]]


@pytest.mark.parametrize("field", ["obs", "actions", "true_rewards"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_segments_with_values_that_are_not_finite_are_left_out(field: str, bad: float) -> None:
    broken = episode(6)
    (broken.obs["obs"] if field == "obs" else getattr(broken, field))[2] = bad
    kept = cut([broken], length=2)
    assert [s.start for s in kept] == ([4] if field == "obs" else [0, 4])  # both neighbours show state 2
    assert all(is_finite(s) for s in kept)


def test_a_terminal_observation_that_is_not_finite_is_in_no_segment() -> None:
    broken = episode(4, "terminates")
    broken.obs["obs"][-1] = np.nan
    assert all(np.isfinite(s.obs["obs"]).all() for s in cut([broken], length=2))
    assert cut([broken], length=2)[0].start == 0


def test_kept_segments_hold_on_to_no_episode() -> None:
    for ends in ("stops", "terminates"):
        for made in (episode(4, ends, states=True), episode(4, ends, seed=3)):
            for segment in cut([made], length=2):
                for array in (segment.obs["obs"], segment.actions, segment.true_rewards, segment.sim_states):
                    for original in (made.obs["obs"], made.actions, made.true_rewards, made.sim_states):
                        assert array is None or original is None or not np.shares_memory(array, original)
                assert segment.replay_actions is None or not np.shares_memory(segment.replay_actions, made.actions)


def test_later_changes_of_an_episode_change_no_segment() -> None:
    made = episode(4, "terminates", states=True)
    segments = cut([made], length=2)
    before = [s.obs["obs"].tolist() for s in segments]
    for array in (made.obs["obs"], made.actions, made.true_rewards, made.sim_states):
        assert array is not None
        array.fill(-1)
    assert [s.obs["obs"].tolist() for s in segments] == before


def test_the_last_simulator_state_is_repeated() -> None:
    (segment,) = cut([episode(2, "terminates", states=True, seed=8)], length=4)
    assert segment.sim_states is not None
    assert segment.sim_states.tolist() == [[1, 1, 1], [2, 2, 2], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert segment.sim_states.dtype == np.float64
    assert segment.replay_actions is None  # states are enough


def test_a_film_is_cut_with_the_episode_and_its_last_picture_repeated() -> None:
    made = dataclasses.replace(episode(5, "terminates"), jpegs=[b"a", b"b", b"c", b"d", b"e", b"f"], fps=12.5)
    first, second = cut([made], length=3)
    assert first.film is not None
    assert second.film is not None
    assert (first.film.jpegs, first.film.fps) == ((b"a", b"b", b"c", b"d"), 12.5)
    assert second.film.jpegs == (b"d", b"e", b"f", b"f")


def test_a_segment_of_which_pictures_were_forgotten_has_no_film() -> None:
    made = dataclasses.replace(episode(7), jpegs=[None, b"b", b"c", b"d", b"e", b"f", b"g", b"h"])
    assert [s.film is not None for s in cut([made], length=2)] == [False, True, True, True]
    assert [s.film for s in cut([episode(4)], length=2)] == [None, None]


def test_without_states_the_actions_since_the_reset_are_kept() -> None:
    first, second = cut([episode(5, "terminates", seed=8)], length=3)
    assert (first.reset_seed, second.reset_seed) == (8, 8)
    assert first.replay_actions is not None
    assert second.replay_actions is not None
    assert first.replay_actions.shape == (0, 1)
    assert second.replay_actions.tolist() == [[10], [20], [30]]


def test_without_states_and_seed_there_is_nothing_to_replay() -> None:
    (segment,) = cut([episode(2)], length=2)
    assert (segment.sim_states, segment.reset_seed, segment.replay_actions) == (None, None, None)


def test_states_that_are_not_finite_belong_to_a_simulator_and_are_kept() -> None:
    """Pendulum's torque before its first step is NaN."""
    made = episode(2, states=True)
    assert made.sim_states is not None
    made.sim_states[0] = np.nan
    assert len(cut([made], length=2)) == 1


def test_what_an_episode_says_of_itself() -> None:
    assert episode(3).true_return == 6
    assert [episode(3, ends).finished for ends in ("stops", "terminates", "truncates")] == [False, True, True]


ends = st.sampled_from(["stops", "terminates", "truncates"])


@given(st.lists(st.tuples(st.integers(1, 12), ends), max_size=5), st.integers(1, 6))
def test_every_step_is_in_a_segment_or_left_out_as_said(made: list[tuple[int, str]], length: int) -> None:
    episodes = [episode(steps, end, first=100 * i + 1) for i, (steps, end) in enumerate(made)]
    segments = cut(episodes, length)
    assert {len(s) for s in segments} <= {length}
    kept = [e for e in episodes if e.terminated or len(e.actions) >= length]
    shown = [r for s in segments for r in s.true_rewards[~s.absorbing[:-1]].tolist()]
    assert sorted(set(shown)) == sorted(r for e in kept for r in e.true_rewards.tolist())
    overlap = sum(-len(e.actions) % length for e in kept if not e.terminated)
    assert len(shown) == sum(len(e.actions) for e in kept) + overlap
    assert sum(s.absorbing[-1] for s in segments) == sum(e.terminated for e in episodes)
    for s in segments:
        assert (np.diff(s.absorbing.astype(int)) >= 0).all()  # nobody comes back
        assert not s.absorbing[0]
        for dead in (s.obs["obs"][1:][s.absorbing[:-1]], s.actions[s.absorbing[:-1]], s.true_rewards[s.absorbing[:-1]]):
            assert not dead.any()


def test_some_are_evenly_spread_and_all_if_there_are_few() -> None:
    assert some([3, 1, 2], 3) == [3, 1, 2]
    assert some(list(range(11)), 3) == [0, 5, 10]
    assert some([], 3) == []


def test_stacking_keeps_order_and_types() -> None:
    segments: list[Segment] = cut([episode(5, "terminates")], length=3)
    batch = stack(segments)
    obs, actions, absorbing = batch.obs["obs"], batch.actions, batch.absorbing
    assert (obs.shape, actions.shape, absorbing.shape) == ((2, 4, 2), (2, 3, 1), (2, 4))
    assert (obs.dtype, actions.dtype, absorbing.dtype) == (np.float32, np.float32, np.bool_)
    assert obs[1, 0].tolist() == [4, -4]
