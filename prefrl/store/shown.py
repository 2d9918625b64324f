"""What a person is shown of the agent beside the questions: segments in the run folder, each replaced by the next."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prefrl.data.segment import Film, Segment
from prefrl.runs.files import atomic_write, storage
from prefrl.runs.run_dir import RunDir
from prefrl.store import blobs, schema

ShownName = Literal["now", "before", "after"]
"""now: what the agent does at the moment; before: what it did at first; after: what the agent does that is left."""

SHOWN: tuple[ShownName, ...] = ("now", "before", "after")


def shown_path(run: RunDir, name: ShownName) -> Path:
    """The file of the segment called `name`: safetensors, by the names of `schema.segment_arrays`, and a few more."""
    return run.path / "shown" / f"{name}.safetensors"


def write_shown(run: RunDir, name: ShownName, segment: Segment) -> None:
    """Replace the segment called `name`. It holds what it takes to draw it, and may be longer than those asked about.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    arrays = schema.segment_arrays(segment) | {"start": np.array([segment.start])}
    if segment.reset_seed is not None:
        arrays["reset_seed"] = np.array([segment.reset_seed])
    if segment.film is not None:
        arrays["film/fps"] = np.array([segment.film.fps])
        arrays["film/jpegs"] = np.frombuffer(blobs.join(segment.film.jpegs), np.uint8)
    path = shown_path(run, name)
    with storage(path):
        path.parent.mkdir(exist_ok=True)
    atomic_write(path, blobs.pack({**arrays, "sha256": _digest(arrays)}))


def read_shown(run: RunDir, name: ShownName) -> Segment | None:
    """The segment that `write_shown` kept under this name; None if there is none, or its file is damaged."""
    try:
        arrays = blobs.unpack(shown_path(run, name).read_bytes())
        digest = arrays.pop("sha256")
        if not np.array_equal(digest, _digest(arrays)):
            return None
        start, seed = arrays.pop("start").item(), arrays.pop("reset_seed", None)
        fps, jpegs = arrays.pop("film/fps", None), arrays.pop("film/jpegs", None)
        film = None if fps is None or jpegs is None else Film(blobs.split(jpegs.tobytes()), fps.item())
        return schema.make_segment(arrays, None if seed is None else seed.item(), start, film)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(arrays: dict[str, Any]) -> NDArray[np.uint8]:
    return np.frombuffer(sha256(blobs.pack(arrays)).digest(), np.uint8)
