"""Snapshot and restore the Arcade Learning Environment (Bellemare et al. 2013), generators and screen included."""

import struct
import sys
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPACITY = 14 * 1024
"""Bytes of every snapshot, so that all are of one size: ALE's own state takes 8 KB packed, the screen 1 to 5 KB."""


def is_ale(simulator: Any) -> bool:
    """Whether `simulator` is an environment of ale-py."""
    ale_py = sys.modules.get("ale_py")
    return ale_py is not None and isinstance(getattr(simulator, "ale", None), ale_py.ALEInterface)


def snapshot_ale(ale: Any) -> NDArray[np.float64]:
    """(1792,) the whole of an `ALEInterface` as bytes, in 0.2 ms; a number means nothing by itself.

    ALE's own state lacks the screen, so that is added. It also lacks the action that a sticky action would repeat,
    which ALE tells nobody: going on from a restored state repeats what followed if `repeat_action_probability` is 0,
    and nine times in ten if it is a quarter.
    """
    state = zlib.compress(ale.cloneSystemState().serialize(), 1)
    screen = zlib.compress(ale.getScreenRGB(), 1)
    if 8 + len(state) + len(screen) > CAPACITY:
        screen = b""  # such noise no known game shows; `restore_ale` draws something like it
    data = struct.pack("<II", len(state), len(screen)) + state + screen
    return np.frombuffer(data.ljust(CAPACITY, b"\0"), np.float64).copy()


def restore_ale(simulator: Any, state: NDArray[np.float64]) -> None:
    """Put `simulator` into a state from `snapshot_ale`; it renders the screen of that state until it moves on.

    Raises:
        ValueError: it is no such state, or one of another game.
    """
    import ale_py

    data, ale = state.tobytes(), simulator.ale
    try:
        length, screen_length = struct.unpack_from("<II", data)
        wanted = ale_py.ALEState(zlib.decompress(data[8 : 8 + length]))
        ale.restoreSystemState(wanted)
        screen = zlib.decompress(data[8 + length :][:screen_length]) if screen_length else None
    except (struct.error, zlib.error, SystemError, RuntimeError) as error:  # SystemError: what ALE raises in C++
        raise ValueError("this is no state of this game") from error
    if screen is None:
        ale.act(0)  # nothing but emulating draws: the screen of one sixtieth of a second later
        ale.restoreSystemState(wanted)
    else:
        picture = np.frombuffer(screen, np.uint8).reshape(*ale.getScreenDims(), 3)
        _show(simulator, picture, wanted)


def _show(simulator: Any, picture: NDArray[np.uint8], state: Any) -> None:
    """Let `simulator` render `picture` while it is in `state`, because ALE does not draw a state that was restored."""

    def render() -> Any:
        still = simulator.ale.cloneSystemState() == state
        return picture.copy() if still else type(simulator).render(simulator)

    simulator.render = render
