import numpy as np
import pytest

from prefrl.data.model_change import MOST, MOST_A_STATE, FreshModel, ModelChange, model_rows


def changes(size: int, varies: bool, states: int) -> list[ModelChange]:
    """Of states whose models differ from a fresh one in an array of `size` bytes."""
    fresh = FreshModel({"tex_data": np.zeros(size, np.uint8)}, {"tex_data"})
    same = np.ones(size, np.uint8)
    arrays = [np.full(size, state + 1, np.uint8) if varies else same for state in range(states)]
    return [ModelChange(fresh, {"tex_data": array}) for array in arrays]


@pytest.mark.parametrize("states", [4, 26, 61])
def test_what_is_kept_does_not_depend_on_how_long_segments_are(states: int) -> None:
    """So that a trial of a few steps tells before a run begins."""
    assert model_rows(changes(MOST, varies=False, states=states))["tex_data"].shape == (1, MOST)
    assert model_rows(changes(MOST + 1, varies=False, states=states)) is None
    assert model_rows(changes(MOST_A_STATE, varies=True, states=states))["tex_data"].shape == (states, MOST_A_STATE)
    assert model_rows(changes(MOST_A_STATE + 1, varies=True, states=states)) is None


def test_what_is_the_same_is_copied_for_no_segment() -> None:
    found = changes(8, varies=False, states=3)
    assert model_rows(found)["tex_data"].base is found[0].changed["tex_data"]
