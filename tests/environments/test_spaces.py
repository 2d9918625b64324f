import numpy as np
import pytest
from gymnasium import spaces

from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces
from prefrl.environments.spaces import action_array, spaces_of
from prefrl.errors import EnvError

PLACE = spaces.Box(-np.inf, np.inf, (2,), np.float32)
PUSH = spaces.Discrete(3)


def test_discrete_actions_are_one_hot() -> None:
    space = spaces.Discrete(3)
    assert spaces_of(PLACE, space, "it").action == ActionSpec(3, "discrete")
    assert action_array(space, np.array([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_continuous_actions_are_flattened_and_clipped_to_each_bound() -> None:
    low, high = np.array([[-1, 0], [-np.inf, -5]], np.float32), np.array([[1, 1], [np.inf, 5]], np.float32)
    space = spaces.Box(low, high)
    assert spaces_of(PLACE, space, "it").action == ActionSpec(4, "box")
    drawn = np.array([[[-3, 0.5], [1e6, -9]], [[0, 2], [-1e6, 5]]])
    assert action_array(space, drawn).tolist() == [[-1, 0.5, 1e6, -5], [0, 1, -1e6, 5]]
    assert action_array(space, drawn).dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "kept"), [(np.float32, "float32"), (np.float64, "float32"), (np.uint8, "uint8"), (np.int64, "int64")]
)
def test_a_vector_is_observed_under_one_name_and_whole_numbers_stay_whole(dtype: type, kept: str) -> None:
    seen = spaces_of(spaces.Box(0, 9, (4,), dtype), PUSH, "it")
    assert seen == Spaces({"obs": ArraySpec((4,), kept)}, ActionSpec(3, "discrete"))


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Dict({"place": PLACE}), "it observes Dict('place': Box"),
        (spaces.Tuple((PLACE,)), "it observes Tuple(Box"),
        (spaces.Discrete(4), "it observes Discrete(4)"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "it observes Box(0, 255, (8, 8, 3), uint8)"),
        (spaces.Box(0, 1, ()), "it observes Box(0.0, 1.0, (), float32)"),
        (spaces.Box(0, 1, (0,)), "it observes nothing (Box([], [], (0,), float32))"),
    ],
)
def test_other_observations_are_refused_in_one_line(space: spaces.Space, said: str) -> None:
    with pytest.raises(EnvError) as caught:
        spaces_of(space, PUSH, "it")
    assert str(caught.value).startswith(said)
    assert "choose another" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.MultiDiscrete([2, 3]), "prefrl acts by Box or Discrete"),
        (spaces.MultiBinary(4), "prefrl acts by Box or Discrete"),
        (spaces.Dict({"push": PUSH}), "prefrl acts by Box or Discrete"),
        (spaces.Box(0, 1, (0,)), "prefrl acts by Box or Discrete"),
        (spaces.Discrete(3, start=1), "SB3 counts actions from 0"),
        (spaces.Box(0, 9, (2,), np.int64), "prefrl's continuous actions are floats"),
    ],
)
def test_other_actions_are_refused_in_one_line(space: spaces.Space, said: str) -> None:
    with pytest.raises(EnvError) as caught:
        spaces_of(PLACE, space, "it")
    assert str(caught.value).startswith(f"it acts by {space}; {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.0, 1.0, "where there is nothing to choose"),
        ([0.0, 2.0], [0.0, 2.0], "where there is nothing to choose"),
        (np.nan, 1.0, "with bounds that are no numbers"),
        (2.0, 1.0, "with a lower bound above the upper one"),
        (-1e15, 1e15, "with finite bounds beyond 1e+12"),
        (0.0, 1e20, "with finite bounds beyond 1e+12"),
        (100.0, 100.0001, "with bounds so near each other"),
        (-1e-40, 1e-40, "with bounds so near each other"),
    ],
)
def test_bounds_between_which_nothing_can_be_chosen_are_refused(low: object, high: object, said: str) -> None:
    space = spaces.Box(-1, 1, (2,), np.float32)  # changed afterwards: Gymnasium refuses some of them at first
    space.low[:], space.high[:] = low, high
    with pytest.raises(EnvError) as caught:
        spaces_of(PLACE, space, "it")
    assert said in str(caught.value)
    assert str(caught.value).startswith("it acts by Box(")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("low", "high"), [(-np.inf, np.inf), (0, np.inf), (-3.4e38, 3.4e38), (-1e-6, 1e-6), (0, 1e9)])
def test_other_bounds_are_fine(low: float, high: float) -> None:
    assert spaces_of(PLACE, spaces.Box(low, high, (2,), np.float32), "it").action == ActionSpec(2, "box")
