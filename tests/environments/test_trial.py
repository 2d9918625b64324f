import dataclasses
from pathlib import Path

import odd_envs  # noqa: F401  # registers the environment
import pytest
import toy_envs  # noqa: F401  # and others
from small import SMALL

from prefrl.environments.make import try_env
from prefrl.errors import UsageError
from prefrl.training.loop import train


def test_episodes_shorter_than_a_clip_are_told_with_their_length(tmp_path: Path) -> None:
    for env_id, limit in (("Odd-v0", 20), ("MoveRight-v0", 20)):  # a limit of its own, and one that Gymnasium knows
        with pytest.raises(
            UsageError, match=f"{limit} steps, .*--segment-length 25 .*--segment-length {limit} or less"
        ):
            train(dataclasses.replace(SMALL, env_id=env_id, segment_length=25), tmp_path / "run")
        assert list(tmp_path.iterdir()) == []
        try_env(dataclasses.replace(SMALL, env_id=env_id, segment_length=20))
        try_env(dataclasses.replace(SMALL, env_id=env_id, segment_length=25, reward="true"))


def test_episodes_that_terminate_early_are_fine() -> None:
    try_env(dataclasses.replace(SMALL, env_id="Counter-v0", segment_length=25))
