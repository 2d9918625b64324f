"""A display without a screen, on which programs are driven by keys and seen by their pixels."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SWAPPED = [2, 1, 0]
"""X keeps pixels as blue, green, red and a byte that is not used."""


@dataclass(frozen=True)
class Screen:
    """A running X server that draws into memory."""

    name: str
    """What programs find in DISPLAY."""

    file: Path
    """What it shows, as an XWD file that changes with every pixel."""

    def press(self, key: str) -> None:
        """Press a key, named as xdotool does: Left, Right, Up, Down, u, space, ..."""
        subprocess.run(["xdotool", "key", key], env={**os.environ, "DISPLAY": self.name}, check=True)

    def pixels(self) -> NDArray[np.uint8]:
        """What it shows now, (H, W, 3)."""
        data = self.file.read_bytes()
        head = np.frombuffer(data, ">u4", 25).astype(int)
        offset, width, height, line, colours = head[0], head[4], head[5], head[12], head[19]
        image = np.frombuffer(data, np.uint8, height * line, offset + 12 * colours).reshape(height, -1, 4)
        return image[:, :width, SWAPPED]


@contextlib.contextmanager
def screen(size: tuple[int, int]) -> Iterator[Screen]:
    """A display of `size` (width, height) in pixels, while it is wanted. Needs Xvfb and xdotool."""
    read, write = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "{}x{}x24".format(*size), "-fbdir", folder]
        server = subprocess.Popen(
            [*command, "-nolisten", "tcp", "-noreset"], pass_fds=[write], stderr=subprocess.DEVNULL
        )
        os.close(write)
        try:
            with os.fdopen(read) as pipe:
                yield Screen(f":{pipe.readline().strip()}", Path(folder) / "Xvfb_screen0")
        finally:
            server.kill()
            server.wait()
