"""A person as the teacher. They answer through the store, from another process, whenever they like."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from prefrl.store.claims import Claims
from prefrl.store.store import Store

POLL_SECONDS = 0.5

IDLE_SECONDS = 120.0
"""Seconds without an answer after which a person is taken to have left, though their window is open."""

NICENESS = 10
"""Of training beside a person: what they wait for, such as drawing, gets about nine tenths of a core that both want."""


def step_back() -> None:
    """Let this thread, and those that it starts from now on, compute behind what a person waits for."""
    if sys.platform == "linux":  # elsewhere a niceness is the whole process's, and no more is known of its effect
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def wait_for_answers(store: Store, needed: int, on_wait: Callable[[int], None]) -> None:
    """Come back as soon as `store` holds `needed` answers that count.

    `on_wait` is called again and again meanwhile, with the number of answers that are missing.
    """
    while (missing := needed - store.num_answers()) > 0:
        on_wait(missing)
        time.sleep(POLL_SECONDS)


def wait_while_somebody_answers(
    store: Store, needed: int, on_wait: Callable[[int], None], idle: float = IDLE_SECONDS
) -> None:
    """As `wait_for_answers`, but come back as well once nobody is there who could give them.

    Whoever labels is there, until they gave no answer for `idle` seconds.
    """
    watch, before, since = Claims(store, "trainer"), -1, time.monotonic()
    while (missing := needed - store.num_answers()) > 0:
        if missing != before:
            before, since = missing, time.monotonic()
        if time.monotonic() - since > idle or not watch.living():
            return
        on_wait(missing)
        time.sleep(POLL_SECONDS)
