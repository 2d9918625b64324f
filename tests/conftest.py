import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in the processes that tests start

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start with & ignore Ctrl-C

settings.register_profile("prefrl", deadline=None)  # the first example pays for imports
settings.load_profile("prefrl")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a store may be made."""
    return f"sqlite:///{tmp_path}/preferences.sqlite"
