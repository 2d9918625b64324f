import logging

import odd_envs
import pytest

from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.environments.make import make_venv, try_env
from prefrl.rendering.clips import Renderer
from prefrl.rendering.close import close_env

SAID = "odd_envs:Stuck: close() raised OSError: the window is gone; mend it there"


def test_what_goes_wrong_at_the_end_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    close_env(odd_envs.Stuck(), "odd_envs:Stuck")
    assert caplog.record_tuples == [("prefrl", logging.WARNING, SAID)]


def test_nothing_is_lost_to_an_environment_that_cannot_be_closed(caplog: pytest.LogCaptureFixture) -> None:
    try_env(preset("odd_envs:Stuck", steps=1000, labels=10, segment_length=10))
    for record_frames in (False, True):
        make_venv(TrainConfig("odd_envs:Stuck", record_frames=record_frames), 1).close()
    with Renderer("odd_envs:Stuck"):
        pass
    assert len(caplog.records) == 4
    assert all("close() raised OSError: the window is gone; mend" in record.message for record in caplog.records)
