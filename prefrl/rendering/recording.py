"""Pictures that are taken while the agent acts, for environments that cannot be drawn afterwards."""

import io
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from prefrl.data.info_keys import JPEG_FRAME
from prefrl.data.segment import Film
from prefrl.errors import StoreError
from prefrl.rendering.camera import Camera, Frame

LONGER_SIDE = 256
"""Most pixels of a picture's longer side; larger ones are scaled down."""

QUALITY = 80
"""Of JPEG, from 0 to 95."""

MAX_BYTES = 256_000_000
"""Most memory for the pictures of one recording. A finished one stays while the next is made, so twice that in all."""


def compress(frame: Frame) -> bytes:
    """`frame` (H, W, 3) as JPEG, scaled down to `LONGER_SIDE`."""
    image = Image.fromarray(frame)
    image.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def decompress(jpeg: bytes) -> Frame:
    """The pixels (H, W, 3) of a picture from `compress`.

    Raises:
        StoreError: it is no such picture.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            if max(image.size) > LONGER_SIDE:  # a few bytes may claim to be a gigabyte of pixels
                raise ValueError(f"{image.width} x {image.height} pixels")
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StoreError(f"a recorded picture cannot be read ({error}); restore a copy of the store") from error


def show(film: Film) -> Iterator[Frame]:
    """Its pictures as pixels (H, W, 3), one at a time; a repeated one is the same array."""
    for step, jpeg in enumerate(film.jpegs):
        if step == 0 or jpeg != film.jpegs[step - 1]:
            frame = decompress(jpeg)
        yield frame


class RecordFrames(gym.Wrapper[Any, Any, Any, Any]):
    """Adds to every `info` a picture of the state that comes with it: `info[JPEG_FRAME]`, bytes of a JPEG.

    Raises:
        EnvError: from `reset` and `step`, if the environment draws no picture.
    """

    def __init__(self, env: gym.Env[Any, Any], env_kwargs: Mapping[str, Any]) -> None:
        """`env`: made with `env_kwargs` and `render_mode="rgb_array"`."""
        super().__init__(env)
        self._kwargs = env_kwargs
        self._camera: Camera | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._camera = self._camera or Camera(self.env, self._kwargs, size=LONGER_SIDE)
        info[JPEG_FRAME] = compress(self._camera.draw())
        return obs, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step; `info` shows the state after the step."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        assert self._camera is not None
        info[JPEG_FRAME] = compress(self._camera.draw())
        return obs, reward, terminated, truncated, info

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
        super().close()


class Shot:
    """A picture in a `Reel`, and None once it is forgotten."""

    def __init__(self, jpeg: bytes) -> None:
        self.jpeg: bytes | None = jpeg


class Reel:
    """The pictures of a recording; beyond `max_bytes` the oldest are forgotten, of the oldest policy."""

    def __init__(self, max_bytes: int | None = None) -> None:
        """`max_bytes`: `MAX_BYTES` if None."""
        self.max_bytes = MAX_BYTES if max_bytes is None else max_bytes
        self._shots: deque[Shot] = deque()
        self._bytes = 0

    def keep(self, jpeg: bytes | None) -> Shot | None:
        """Add a picture; None if there is none."""
        if jpeg is None:
            return None
        shot = Shot(jpeg)
        self._shots.append(shot)
        self._bytes += len(jpeg)
        while self._bytes > self.max_bytes:
            oldest = self._shots.popleft()
            self._bytes -= len(oldest.jpeg or b"")
            oldest.jpeg = None
        return shot
