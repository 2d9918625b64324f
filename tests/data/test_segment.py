import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from builders import make_segment

from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces


def segment(**changes: Any) -> Segment:
    return dataclasses.replace(make_segment(np.random.default_rng(0), steps=4, obs_dim=3, action_dim=2), **changes)


def test_length_and_return_of_a_segment() -> None:
    rewards = np.array([1, 2, -4, 0.5], np.float32)
    assert len(segment()) == 4
    assert segment(true_rewards=rewards).true_return == -0.5


def test_the_spaces_of_a_segment() -> None:
    seen = segment(obs={"camera": np.zeros((5, 8, 8, 3), np.uint8)})
    assert seen.spaces == Spaces({"camera": ArraySpec((8, 8, 3), "uint8")}, ActionSpec(2))
    assert segment().spaces == Spaces.vectors(3, 2)


def test_a_return_is_summed_in_double_precision() -> None:
    rewards = np.array([1e8, 1, 1, -1e8], np.float32)
    assert segment(true_rewards=rewards).true_return == 2


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("actions", np.zeros((4, 2), np.int64)),
        ("absorbing", np.zeros(4, bool)),
        ("absorbing", np.zeros(5, np.float32)),
        ("true_rewards", np.zeros(5, np.float32)),
        ("true_rewards", np.zeros((4, 1), np.float32)),
    ],
)
def test_wrong_shapes_and_types_are_refused_by_name(name: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"^Segment\.{name} is"):
        segment(**{name: array})


@pytest.mark.parametrize("actions", [np.zeros(4, np.float32), np.zeros((4, 2, 1), np.float32)])
def test_actions_are_vectors(actions: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"^Segment\.actions (is|has)"):
        segment(actions=actions)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 3), np.float32),  # one state too few
        np.zeros((5, 3), np.float64),
        np.full((5, 1), "text"),
    ],
)
def test_wrong_observations_are_refused_by_name(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"^Segment\.obs\['camera'\] is"):
        segment(obs={"state": np.zeros((5, 1), np.float32), "camera": array})


def test_observations_of_any_shape_are_kept_as_they_came() -> None:
    seen = segment(obs={"camera": np.zeros((5, 8, 8, 3), np.uint8), "lit": np.zeros(5, bool)})
    assert {name: (array.dtype, array.shape) for name, array in seen.obs.items()} == {
        "camera": (np.uint8, (5, 8, 8, 3)),
        "lit": (np.bool_, (5,)),
    }
    with pytest.raises(ValueError, match=r"^Segment\.obs is empty"):
        segment(obs={})


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Segment\.actions is empty"):
        segment(
            obs={"obs": np.zeros((1, 3), np.float32)},
            actions=np.zeros((0, 2), np.float32),
            absorbing=np.zeros(1, bool),
            true_rewards=np.zeros(0, np.float32),
        )


def test_what_belongs_to_states_has_a_row_for_each() -> None:
    assert segment(sim_states=np.zeros((5, 7))).sim_states is not None
    with pytest.raises(ValueError, match=r"^Segment\.sim_states has 4 rows, want 5$"):
        segment(sim_states=np.zeros((4, 7)))
    with pytest.raises(ValueError, match=r"^Segment\.start is -1"):
        segment(start=-1)


def test_a_film_has_a_picture_for_each_state() -> None:
    assert segment(film=Film((b"a",) * 5, 30.0)).film is not None
    with pytest.raises(ValueError, match=r"^Segment\.film has 4 pictures, want 5$"):
        segment(film=Film((b"a",) * 4, 30.0))
    with pytest.raises(ValueError, match=r"^Film\.jpegs holds an empty picture"):
        Film((b"a", b""), 30.0)
    for fps in (0.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"^Film\.fps is"):
            Film((b"a",), fps)


def test_segments_are_frozen_and_compare_by_identity() -> None:
    """Fields are arrays, for which == is no yes or no; the store, too, tells segments apart by identity."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        segment().start = 0  # type: ignore[misc]
    assert segment() != segment()
