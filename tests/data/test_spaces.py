import json

import numpy as np
import pytest

from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces, is_finite, named, rows

ROBOT = Spaces({"camera": ArraySpec((8, 8, 3), "uint8"), "joints": ArraySpec((7,))}, ActionSpec(2, "box"))


def test_a_plain_observation_has_the_name_obs() -> None:
    seen = named(np.arange(3.0))
    assert list(seen) == ["obs"]
    assert seen["obs"].dtype == np.float32


def test_named_observations_are_copies_whose_whole_numbers_stay_as_they_are() -> None:
    given = {"camera": np.ones((2, 2), np.uint8), "joints": np.ones(3), "lit": np.array(True)}
    seen = named(given)
    given["camera"][:] = 9
    assert {name: array.dtype for name, array in seen.items()} == {
        "camera": np.uint8,
        "joints": np.float32,
        "lit": np.bool_,
    }
    assert seen["camera"].max() == 1


def test_rows_of_each_array() -> None:
    seen = {"a": np.arange(4), "b": np.arange(8).reshape(4, 2)}
    assert {name: array.tolist() for name, array in rows(seen, slice(1, 3)).items()} == {
        "a": [1, 2],
        "b": [[2, 3], [4, 5]],
    }


def test_one_number_that_is_not_finite_is_enough() -> None:
    assert is_finite({"a": np.ones(2), "b": np.ones(2, np.uint8)})
    assert not is_finite({"a": np.ones(2), "b": np.array([1.0, np.nan])})


def test_spaces_survive_json() -> None:
    assert Spaces.from_json(json.loads(json.dumps(ROBOT.to_json()))) == ROBOT
    assert ROBOT.obs["camera"].size == 192


def test_data_fit_where_arrays_and_widths_are_the_same() -> None:
    plain = Spaces.vectors(3, 2)
    assert plain.fits(Spaces({"obs": ArraySpec((3,))}, ActionSpec(2, "discrete")))
    assert not plain.fits(Spaces.vectors(3, 1))
    assert not plain.fits(Spaces.vectors(4, 2))
    assert not plain.fits(ROBOT)
    assert str(plain) == "observations of obs float32[3] and actions of width 2"


def test_something_must_be_observed() -> None:
    with pytest.raises(ValueError, match=r"Spaces\.obs is empty"):
        Spaces({}, ActionSpec(1))
