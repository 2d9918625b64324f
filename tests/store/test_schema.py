import contextlib

import numpy as np
import pytest
from builders import make_segment
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from prefrl.data.segment import Film
from prefrl.store.schema import (
    decode,
    encode,
    film_row,
    join,
    row_film,
    row_segment,
    seal,
    segment_row,
    segments,
    split,
    verify,
)

KINDS = [np.float32, np.float64, np.bool_]


def test_bytes_of_an_array_by_hand():
    array = np.array([[1.0, -2.0]], np.float32)
    header = b"f4" + b"\x02" + (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    data = header + bytes([0, 0, 0x80, 0x3F]) + bytes([0, 0, 0, 0xC0])
    assert encode(array) == data
    np.testing.assert_array_equal(decode(data, np.float32), array)


@given(st.sampled_from(KINDS).flatmap(lambda kind: npst.arrays(kind, npst.array_shapes(max_dims=3, min_side=0))))
def test_round_trip(array):
    back = decode(encode(array), array.dtype.type)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()  # not-a-number and -0.0 included
    assert back.flags.owndata
    assert back.flags.writeable


@pytest.mark.parametrize("array", [np.arange(6, dtype=">f4").reshape(2, 3), np.ones((4, 6), np.float32)[::2, 1::2].T])
def test_byte_order_and_strides_do_not_matter(array):
    np.testing.assert_array_equal(decode(encode(array), np.float32), array)


def test_decode_refuses_what_encode_did_not_write():
    good = encode(np.ones((2, 3), np.float32))
    huge = b"f4\x02" + (2**63).to_bytes(8, "little") * 2
    bad_bool = encode(np.ones(3, np.bool_))[:-1] + b"\2"
    for data in (
        b"",
        b"f4",
        good[:-1],
        good + b"\0",
        good[1:],
        b"f8" + good[2:],
        huge,
        b"\x93NUMPY" + good,
        b"\x80\x04.",
    ):
        with pytest.raises(ValueError, match="cannot be decoded"):
            decode(data, np.float32)
    with pytest.raises(ValueError, match="truth values"):
        decode(bad_bool, np.bool_)
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode(good, np.float64)


@given(st.binary(max_size=64))
def test_decode_of_anything_is_an_array_or_value_error(data):
    with contextlib.suppress(ValueError):
        assert decode(data, np.float32).dtype == np.float32


def test_segment_row_notices_every_changed_value():
    row = segment_row(make_segment(np.random.default_rng(0), state_dim=4, reset_seed=5, replay_steps=7, start=7))
    row_segment(row)
    for name, value in row.items():
        changed = value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + 1
        for other in (changed, None):
            with pytest.raises(ValueError, match="checksum"):
                row_segment({**row, name: other})


def test_bytes_of_pictures_by_hand():
    data = b"\x02\0\0\0ab" + b"\0\0\0\0" * 2 + b"\x01\0\0\0c" + b"\x02\0\0\0ab"
    assert join((b"ab", b"ab", b"ab", b"c", b"ab")) == data
    assert split(data) == (b"ab", b"ab", b"ab", b"c", b"ab")


@given(st.lists(st.binary(min_size=1, max_size=3) | st.just(b"x"), max_size=9).map(tuple))
def test_round_trip_of_pictures(pictures):
    assert split(join(pictures)) == pictures


@given(st.binary(max_size=64))
def test_splitting_anything_gives_whole_pictures_or_value_error(data):
    with contextlib.suppress(ValueError):
        assert all(split(data))


def test_pictures_that_are_cut_short_are_refused():
    data = join((b"abc", b"abc", b"d"))
    for cut in (data[:-1], data[:3], data[:6], data[4:], data + b"\1\0"):
        with pytest.raises(ValueError, match="pictures cannot be decoded"):
            split(cut)


def test_film_row_notices_every_changed_value():
    row = film_row(7, Film((b"abc", b"d"), 30))
    assert row_film(row).jpegs == (b"abc", b"d")
    for name, value in row.items():
        changed = value[:-1] + bytes([value[-1] ^ 1]) if isinstance(value, bytes) else value + 1
        with pytest.raises(ValueError, match="checksum"):
            row_film({**row, name: changed})


def test_checksum_tells_columns_apart():
    row = seal(segments, {"obs": b"ab", "actions": b"c"})
    with pytest.raises(ValueError, match="checksum"):
        verify(segments, {**row, "obs": b"a", "actions": b"bc"})


@pytest.mark.parametrize("field", ["obs", "actions", "true_rewards"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(field, value):
    segment = make_segment(np.random.default_rng(0))
    getattr(segment, field)[3] = value
    with pytest.raises(ValueError, match=f"{field} holds a value that is not finite"):
        segment_row(segment)
