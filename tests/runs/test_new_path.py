from pathlib import Path

import pytest

from prefrl.config.run import TrainConfig
from prefrl.errors import UsageError
from prefrl.runs.new_path import new_path, require_new


def test_where_a_run_goes() -> None:
    assert new_path(TrainConfig("Hopper-v5", seed=3)) == Path("runs/Hopper-v5-3")
    assert new_path(TrainConfig("prefrl/Drive-v0")) == Path("runs/prefrl-Drive-v0-0")
    assert new_path(TrainConfig("Hopper-v5", run_dir=Path("here"))) == Path("here")


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    require_new(tmp_path / "new")
    (tmp_path / "dangling").symlink_to("nowhere")
    for taken in (tmp_path, tmp_path / "dangling"):
        with pytest.raises(UsageError, match=f"{taken} exists already"):
            require_new(taken)
