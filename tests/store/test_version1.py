import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from prefrl.store.version1 import decode, upgrade

KINDS = [np.float32, np.float64, np.bool_]


def encode(array):
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return struct.pack(f"<2sB{data.ndim}Q", data.dtype.str[1:].encode(), data.ndim, *array.shape) + data.tobytes()


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


def test_rows_by_hand():
    given = {"submission_id": "a", "query_id": 3, "annotator": "Ada", "choice": "left", "supersedes": None}
    given |= {"shown_at": 1.0, "answered_at": 2.0}
    back = {**given, "seq": 5, "submission_id": "b", "choice": None, "supersedes": 2}
    again = {**given, "seq": 1, "annotator": "Bob", "swapped": True, "watermark": 2, "choice": "tie"}
    undone = {**again, "seq": 2, "submission_id": "c", "choice": None, "supersedes": 1, "watermark": 5}
    query = {"id": 3, "left_id": 8, "right_id": 7, "swapped": True, "num_timesteps": 9}
    query |= {"created_at": 1.5, "withdrawn_at": None}
    old = {"segments": [{"id": 8}], "films": [{"segment_id": 8}], "queries": [query]}
    new = upgrade(old | {"preferences": [{**given, "seq": 2}, back], "repeats": [again, undone]})
    assert new["annotators"] == [{"id": 1, "name": "Ada", "kind": None}, {"id": 2, "name": "Bob", "kind": None}]
    assert (new["segments"], new["films"]) == (old["segments"], old["films"])
    kept = {"num_timesteps": 9, "created_at": 1.5, "withdrawn_at": None}
    assert new["questions"] == [{"id": 3, "kind": "comparison", "wanted": 1, **kept}]
    assert [tuple(row.values()) for row in new["question_segments"]] == [(3, 0, 8), (3, 1, 7)]
    told = ("seq", "submission_id", "annotator_id", "value", "is_repeat", "shown_order", "replaces")
    assert [tuple(row[name] for name in told) for row in new["answers"]] == [
        (2, "a", 1, '"left"', False, None, None),
        (5, "b", 1, None, False, None, 2),
        (6, "a again", 2, '"tie"', True, "[1, 0]", None),
        (7, "c", 2, None, True, "[1, 0]", 6),
    ]
