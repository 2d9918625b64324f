import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from builders import make_query, make_segment

from prefrl.data.segment import Film, Segment
from prefrl.feedback.answer import Preference
from prefrl.feedback.comparison import CHOICES, target
from prefrl.feedback.question import Query


def segment(**changes: Any) -> Segment:
    return dataclasses.replace(make_segment(np.random.default_rng(0), steps=4, obs_dim=3, action_dim=2), **changes)


def test_a_choice_is_the_probability_that_left_is_better() -> None:
    assert CHOICES == ("left", "right", "tie", "skip")
    assert [target(choice) for choice in CHOICES] == [1.0, 0.0, 0.5, None]


def test_an_unknown_choice_is_refused_and_the_valid_ones_are_named() -> None:
    with pytest.raises(ValueError, match="'both'; valid choices are left, right, tie, skip"):
        target("both")  # type: ignore[arg-type]


def test_length_and_return_of_a_segment() -> None:
    rewards = np.array([1, 2, -4, 0.5], np.float32)
    assert len(segment()) == 4
    assert segment(true_rewards=rewards).true_return == -0.5


def test_a_return_is_summed_in_double_precision() -> None:
    rewards = np.array([1e8, 1, 1, -1e8], np.float32)
    assert segment(true_rewards=rewards).true_return == 2


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("obs", np.zeros((4, 3), np.float32)),  # one state too few
        ("obs", np.zeros((5, 3), np.float64)),
        ("obs", np.zeros((5, 3, 1), np.float32)),
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


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Segment\.actions is empty"):
        segment(
            obs=np.zeros((1, 3), np.float32),
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


def test_sides_of_a_query_have_equal_shapes() -> None:
    rng = np.random.default_rng(0)
    for other in (make_segment(rng, 5, 3, 2), make_segment(rng, 4, 2, 2), make_segment(rng, 4, 3, 1)):
        with pytest.raises(ValueError, match=r"^Query\.left\.(obs|actions) has shape"):
            Query(segment(), other)


def test_data_is_frozen() -> None:
    query = make_query(np.random.default_rng(0))
    for data, name in ((query.left, "start"), (query, "swapped"), (Preference(1, query, "tie"), "choice")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(data, name, 0)


def test_data_compares_by_identity() -> None:
    """Fields are arrays, for which == is no yes or no; the store, too, tells segments apart by identity."""
    assert segment() != segment()
