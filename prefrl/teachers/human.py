"""A person as the teacher. They answer through the store, from another process, whenever they like."""

import time
from collections.abc import Callable

from prefrl.store.store import Store

POLL_SECONDS = 0.5


def wait_for_answers(store: Store, needed: int, on_wait: Callable[[int], None]) -> None:
    """Come back as soon as `store` holds `needed` answers that count.

    `on_wait` is called again and again meanwhile, with the number of answers that are missing.
    """
    while (missing := needed - store.num_answers()) > 0:
        on_wait(missing)
        time.sleep(POLL_SECONDS)
