import numpy as np
from builders import make_segment

from prefrl.data.batch import some, stack


def test_segments_are_stacked_side_by_side() -> None:
    rng = np.random.default_rng(0)
    segments = [make_segment(rng, 4, 3, 2, absorbing_from=2), make_segment(rng, 4, 3, 2)]
    batch = stack(segments)
    assert {name: array.shape for name, array in batch.obs.items()} == {"obs": (2, 5, 3)}
    assert (batch.actions.shape, batch.absorbing.shape) == ((2, 4, 2), (2, 5))
    np.testing.assert_array_equal(batch.obs["obs"][1], segments[1].obs["obs"])
    np.testing.assert_array_equal(batch.absorbing[0], [False, False, True, True, True])


def test_a_function_is_applied_to_each_array() -> None:
    shapes = stack([make_segment(np.random.default_rng(0), 4, 3, 2)]).map(np.shape)
    assert (shapes.obs, shapes.actions, shapes.absorbing) == ({"obs": (1, 5, 3)}, (1, 4, 2), (1, 5))
    assert shapes.real == (1, 5)


def test_some_are_spread_evenly() -> None:
    assert some(range(3), 5) == range(3)
    assert some(range(10), 4) == [0, 3, 6, 9]


def test_shorter_segments_are_padded_with_what_they_end_with_and_marked() -> None:
    rng = np.random.default_rng(0)
    made = [make_segment(rng, 2, 3, 2), make_segment(rng, 2, 3, 2, absorbing_from=1), make_segment(rng, 4, 3, 2)]
    batch = stack(made)
    assert batch.absorbing.tolist() == [[False] * 5, [False] + [True] * 4, [False] * 5]
    assert batch.real.tolist() == [[True] * 3 + [False] * 2] * 2 + [[True] * 5]
    assert batch.alive.tolist() == [[True] * 3 + [False] * 2, [True] + [False] * 4, [True] * 5]
    assert batch.lived.tolist() == [[True] * 2 + [False] * 2, [True] + [False] * 3, [True] * 4]
    np.testing.assert_array_equal(batch.obs["obs"][0, :3], made[0].obs["obs"])
    assert not batch.obs["obs"][0, 3:].any()
    assert not batch.actions[0, 2:].any()
    assert (batch.obs["obs"].dtype, batch.actions.dtype, batch.absorbing.dtype) == (np.float32, np.float32, np.bool_)
