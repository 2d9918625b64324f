"""Runs that take a few seconds. Import as `from small_runs import SMALL`."""

import dataclasses

import small

from prefrl.config.rewards import RewardConfig
from prefrl.runs.run_dir import RunDir

SMALL = dataclasses.replace(small.SMALL, reward_model=RewardConfig(members=2, hidden=(8,), max_epochs=3))
SAC = dataclasses.replace(SMALL, algorithm="sac", sac=small.SMALL_SAC.sac)


def hashes(run: RunDir) -> dict[str, str]:
    """SHA-256 of each file of the latest checkpoint."""
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    return checkpoint.hashes
