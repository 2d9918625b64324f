import numpy as np
import pytest
from builders import make_segment
from stores import named_segment

from prefrl.data.segment import Film
from prefrl.store.schema import film_row, films, row_film, row_segment, seal, segment_row, verify


def test_segment_row_notices_every_changed_value():
    row = segment_row(make_segment(np.random.default_rng(0), state_dim=4, reset_seed=5, replay_steps=7, start=7), 1)
    row_segment(row)
    for name, value in row.items():
        changed = value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + 1
        for other in (changed, None):
            with pytest.raises(ValueError, match="checksum"):
                row_segment({**row, name: other})


def test_film_row_notices_every_changed_value():
    row = film_row(7, Film((b"abc", b"d"), 30))
    assert row_film(row).jpegs == (b"abc", b"d")
    for name, value in row.items():
        changed = value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + 1
        with pytest.raises(ValueError, match="checksum"):
            row_film({**row, name: changed})


def test_checksum_tells_columns_apart():
    row = seal(films, {"fps": 1.0, "jpegs": b"c"})
    with pytest.raises(ValueError, match="checksum"):
        verify(films, {**row, "fps": None, "jpegs": b"1.0c"})


@pytest.mark.parametrize("field", ["obs/obs", "actions", "true_rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(field, value):
    segment = make_segment(np.random.default_rng(0))
    array = segment.obs["obs"] if field == "obs/obs" else getattr(segment, field)
    array[3] = value
    with pytest.raises(ValueError, match=f"{field} holds a value that is not finite"):
        segment_row(segment, 1)


def test_only_images_are_compressed():
    rng = np.random.default_rng(0)
    assert not segment_row(make_segment(rng, state_dim=40), 1)["compressed"]
    row = segment_row(named_segment(rng), 1)
    assert row["compressed"]
    np.testing.assert_array_equal(row_segment(row).obs["lives"], np.arange(6))
