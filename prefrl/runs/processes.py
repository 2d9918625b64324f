"""Whether processes of this machine are alive."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has the number `pid`, and has not ended."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # somebody else's
        return True
    except (OSError, OverflowError):
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it ended, but its parent has not asked how yet; never in some containers. False where nothing tells."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:1] == [b"Z"]
    except OSError:
        return False
