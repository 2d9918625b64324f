import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, here and in the processes that tests start

os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="prefrl-tests-")  # what tests train with is nobody's choice

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what they start with & ignore Ctrl-C

settings.register_profile("prefrl", deadline=None)  # the first example pays for imports
settings.load_profile("prefrl")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a store may be made."""
    return f"sqlite:///{tmp_path}/preferences.sqlite"
