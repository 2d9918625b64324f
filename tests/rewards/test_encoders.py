import numpy as np
import pytest
import torch

from prefrl.data.spaces import ArraySpec, Spaces
from prefrl.errors import EnvError
from prefrl.rewards.encoders import make_encoder


def test_a_single_vector_is_taken_as_it_is() -> None:
    encoder = make_encoder(Spaces.vectors(3, 1).obs)
    obs = np.ones((2, 3), np.float32)
    assert encoder.width == 3
    assert encoder({"obs": obs}) is obs
    assert torch.equal(encoder({"obs": torch.ones(4, 2, 3)}), torch.ones(4, 2, 3))


def test_vectors_lie_one_after_the_other_by_name() -> None:
    encoder = make_encoder({"b": ArraySpec((2,)), "a": ArraySpec((1,), "int64")})
    obs = {"b": np.array([[1, 2], [3, 4]], np.float32), "a": np.array([[10], [20]])}
    expected = [[10, 1, 2], [20, 3, 4]]
    assert encoder.width == 3
    assert encoder(obs).tolist() == expected
    assert encoder({name: torch.from_numpy(array) for name, array in obs.items()}).tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_whole_numbers_become_fractions(dtype: type) -> None:
    encoder = make_encoder({"obs": ArraySpec((2,), np.dtype(dtype).name)})
    obs = np.array([[1, 0]], dtype)
    assert encoder({"obs": obs}).dtype == np.float32
    assert encoder({"obs": torch.from_numpy(obs)}).dtype == torch.float32
    assert encoder({"obs": obs}).tolist() == [[1, 0]]


@pytest.mark.parametrize("shape", [(8, 8, 3), ()])
def test_what_no_encoder_takes_is_refused_in_one_line(shape: tuple[int, ...]) -> None:
    with pytest.raises(EnvError) as caught:
        make_encoder({"camera": ArraySpec(shape, "uint8"), "joints": ArraySpec((3,))})
    assert f"no reward net takes observations of camera uint8{list(shape)}, joints float32[3]" in str(caught.value)
    assert "\n" not in str(caught.value)
