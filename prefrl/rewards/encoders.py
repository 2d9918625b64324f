"""Observations as vectors, which is what reward nets take. Adding an encoder is a class and a line in `ENCODERS`."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrl.data.spaces import ArraySpec
from prefrl.errors import EnvError

A = TypeVar("A", Tensor, NDArray[Any])


class Encoder(Protocol):
    """Turns named observations into vectors."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""

    def __call__(self, obs: Mapping[str, A]) -> A:
        """Vectors (..., width), as float32, of arrays or tensors (..., *shape); the axes in front are the same."""


class FlatEncoder:
    """The observed vectors themselves, one after the other by name. It has no parameters."""

    @staticmethod
    def takes(specs: Mapping[str, ArraySpec]) -> bool:
        """Whether all observations are vectors."""
        return all(len(spec.shape) == 1 for spec in specs.values())

    def __init__(self, specs: Mapping[str, ArraySpec]) -> None:
        self._names = sorted(specs)
        self.width = sum(spec.size for spec in specs.values())

    def __call__(self, obs: Mapping[str, A]) -> A:
        """As `Encoder`; a single vector is not copied."""
        arrays = [_as_float32(obs[name]) for name in self._names]
        if len(arrays) == 1:
            return arrays[0]
        if isinstance(arrays[0], Tensor):
            return torch.cat(arrays, dim=-1)
        return np.concatenate(arrays, axis=-1)


ENCODERS = (FlatEncoder,)
"""In this order they are asked whether they take what an environment observes."""


def make_encoder(specs: Mapping[str, ArraySpec]) -> Encoder:
    """An encoder for observations of these `specs`.

    Raises:
        EnvError: there is none.
    """
    for encoder in ENCODERS:
        if encoder.takes(specs):
            return encoder(specs)
    observed = ", ".join(f"{name} {spec.dtype}{list(spec.shape)}" for name, spec in specs.items())
    raise EnvError(
        f"no reward net takes observations of {observed}; prefrl learns from vectors: flatten them with "
        "gymnasium.wrappers.FlattenObservation"
    )


def _as_float32(array: A) -> A:
    return array.float() if isinstance(array, Tensor) else array.astype(np.float32, copy=False)
