"""Where a new run goes."""

import os
from pathlib import Path

from prefrl.config.env_ids import folder_name
from prefrl.config.run import TrainConfig
from prefrl.data.text import shell
from prefrl.errors import UsageError


def new_path(config: TrainConfig) -> Path:
    """Where a new run of `config` is to be kept."""
    return config.run_dir or Path(f"runs/{folder_name(config.env_id)}-{config.seed}")


def require_new(path: Path) -> None:
    """Raise `UsageError` if there is something at `path` already."""
    if os.path.lexists(path):
        again = f"go on with: prefrl resume {shell(path)}"
        raise UsageError(f"{path} exists already; choose another --run-dir, or {again}")
