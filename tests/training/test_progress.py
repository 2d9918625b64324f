from pathlib import Path

import pytest
from small import SMALL

from prefrl.errors import EnvError
from prefrl.runs.run_dir import RunDir
from prefrl.training.progress import Progress


def test_the_bar_says_that_agents_are_tried_and_then_what_it_said_before(tmp_path: Path) -> None:
    with Progress(SMALL, RunDir.create(tmp_path / "run", SMALL)) as progress:
        (task,) = progress.bar.tasks
        progress.bar.update(task.id, news="labels 20")
        with progress.trying():
            assert task.fields["news"] == "trying the last agents"
        assert task.fields["news"] == "labels 20"
        with pytest.raises(EnvError), progress.trying():
            raise EnvError("it broke")
        assert task.fields["news"] == "labels 20"
