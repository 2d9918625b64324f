import contextlib
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from prefrl.store.blobs import expand, join, pack, split, squeeze, unpack

TYPES = [np.float32, np.float64, np.bool_, np.uint8, np.int64, np.uint16]


@given(st.sampled_from(TYPES).flatmap(lambda kind: npst.arrays(kind, npst.array_shapes(max_dims=4, min_side=0))))
def test_round_trip(array):
    back = unpack(pack({"obs/é": array, "other": np.ones(3, np.float32)}))["obs/é"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()  # not-a-number and -0.0 included
    assert back.flags.owndata
    assert back.flags.writeable


@pytest.mark.parametrize("array", [np.arange(6, dtype=">f4").reshape(2, 3), np.ones((4, 6), np.float32)[::2, 1::2].T])
def test_byte_order_and_strides_do_not_matter(array):
    np.testing.assert_array_equal(unpack(pack({"x": array}))["x"], array)


def test_what_pack_did_not_write_is_refused():
    good = pack({"x": np.ones((2, 3), np.float32)})
    for data in (b"", b"f4", good[:-1], good + b"\0", good[1:], b"\x93NUMPY" + good, b"\x80\x04."):
        with pytest.raises(ValueError, match="cannot be decoded"):
            unpack(data)
    with pytest.raises(ValueError, match="truth values"):
        unpack(pack({"x": np.ones(3, np.bool_)})[:-1] + b"\2")


@given(st.binary(max_size=64))
def test_unpacking_anything_gives_arrays_or_value_error(data):
    with contextlib.suppress(ValueError):
        assert isinstance(unpack(data), dict)


def test_what_shrinks_is_squeezed_and_nothing_else():
    data = pack({"x": np.zeros(1000)})
    assert len(squeeze(data)) < 150
    assert expand(squeeze(data)) == data
    assert squeeze(np.random.default_rng(0).bytes(1000)) is None
    for bad in (b"", b"hello", squeeze(data)[:-1]):
        with pytest.raises(ValueError, match="cannot be decoded"):
            expand(bad)


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


def bomb(says: int, size: int) -> bytes:
    """A blob of so many bytes, all zero, that says it has others."""
    head = b'{"x":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (says, says)
    coder = zlib.compressobj(9)
    parts = [coder.compress(len(head).to_bytes(8, "little") + head)]
    parts += [coder.compress(bytes(2**20)) for _ in range(size // 2**20)]
    return b"".join([*parts, coder.flush()])


@pytest.mark.parametrize(("says", "what"), [(2**29, "at most are read"), (2**20, "another number")])
def test_what_unpacks_to_an_absurd_size_or_to_more_than_it_says_takes_no_memory(says, what):
    assert unpack(expand(bomb(2**24, 2**24)))["x"].shape == (2**24,)
    data = bomb(says, 2**29)
    assert len(data) < 600_000
    tracemalloc.start()
    with pytest.raises(ValueError, match=what):
        expand(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


@pytest.mark.parametrize(
    "head", [b'{"x":{"data_offsets":[0,-1]}}', b"[" * 100_000, b'{"x":{"data_offsets":[0,1e400]}}']
)
def test_headers_that_lie_are_refused(head):
    data = zlib.compress(len(head).to_bytes(8, "little") + head + bytes(2**20))
    with pytest.raises(ValueError, match="cannot be decoded"):
        expand(data)


def test_compressed_arrays_that_are_not_whole_are_refused():
    good = zlib.compress(pack({"x": np.zeros(100)}))
    for data in (good[:-1], good + b"\0", zlib.compress(b"hello, hello"), zlib.compress(bytes(100)), b""):
        with pytest.raises(ValueError, match="cannot be decoded"):
            expand(data)


def test_what_a_header_says_and_the_blob_lacks_takes_no_memory():
    head = b'{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    with pytest.raises(ValueError, match="cannot be decoded"):
        unpack(len(head).to_bytes(8, "little") + head)
