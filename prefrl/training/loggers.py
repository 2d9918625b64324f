"""Where the figures of a run go: TensorBoard always, Weights & Biases if asked; what PPO itself records, too.

Both are writers of Stable-Baselines3's logger, so that there is one way that figures go.
"""

import importlib.util
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from prefrl.config.run import TrainConfig
from prefrl.config.saved import to_json
from prefrl.errors import UsageError
from prefrl.runs.files import sha256
from prefrl.runs.run_dir import RunDir


def make_logger(config: TrainConfig, run: RunDir) -> Logger:
    """The logger of a run."""
    run.tensorboard.mkdir(exist_ok=True)
    writers: list[KVWriter] = [TensorBoardOutputFormat(str(run.tensorboard))]
    if config.wandb is not None:
        writers.append(WandbWriter(config, run))
    return Logger(str(run.tensorboard), writers)


def check_installed(config: TrainConfig) -> None:
    """Refuse a configuration whose loggers are not there, before anything is made.

    Raises:
        UsageError: Weights & Biases is asked for, but not installed.
    """
    if config.wandb is not None and importlib.util.find_spec("wandb") is None:
        raise UsageError("--wandb needs a package that is not installed; install it with: pip install 'prefrl[wandb]'")


class WandbWriter(KVWriter):
    """Sends what is recorded to a project of Weights & Biases; a resumed run goes on in the same place.

    Their own variables apply: WANDB_MODE=offline sends nothing and writes beside the run, WANDB_ENTITY names a team.
    """

    def __init__(self, config: TrainConfig, run: RunDir) -> None:
        import wandb

        saved = run.path / "config.json"
        identity = sha256(saved.read_bytes() + str(saved.stat().st_mtime_ns).encode())[:16]
        self._run: Any = wandb.init(
            project=config.wandb,
            name=run.path.name,
            id=identity,
            resume="allow",
            config=to_json(config),
            dir=str(run.path),
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Send the numbers among `key_values`, of environment step `step`."""
        numbers = {key: float(value) for key, value in key_values.items() if _is_number(value)}
        self._run.log(numbers, step=step)

    def close(self) -> None:
        """Wait until all is sent."""
        self._run.finish()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "dtype") and getattr(value, "size", 0) == 1)
