"""The folder of a run: create it, lock it, write checkpoints and records into it, go on from them."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from prefrl.config.run import TrainConfig
from prefrl.config.saved import from_json, to_json
from prefrl.config.trust import require_trusted_store
from prefrl.data.verdict import Verdict
from prefrl.errors import CheckpointError, UsageError
from prefrl.runs import checkpoints
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.files import atomic_write, json_values, sealed, sha256, storage, sync, unsealed, write
from prefrl.runs.locks import locked
from prefrl.runs.new_path import require_new

__all__ = ["Checkpoint", "RunDir", "versions"]

IN_URL = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "%?#"})
"""What has a meaning in a URL, and what is written for it."""

STORE_FILE = "preferences.sqlite"
VERDICT_FILE = "verdict.json"
PACKAGES = ("prefrl", "gymnasium", "mujoco", "numpy", "safetensors", "sqlalchemy", "stable-baselines3", "torch")


@dataclass(frozen=True)
class RunDir:
    """A run folder that exists. All writing methods raise `StorageError` if the disk is full, read-only or gone."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: TrainConfig, furnish: Callable[[Path], None] = lambda _: None) -> Self:
        """Make the folder, whole or not at all, and save `config` in it; `furnish` puts into it what else there is.

        Raises:
            UsageError: `path` exists.
            StorageError: it cannot be made there.
        """
        path = path.absolute()  # an environment may change the working folder
        require_new(path)
        saved = {"config": to_json(config), "versions": versions(), "git_commit": git_commit()}
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                (temporary / "checkpoints").mkdir(parents=True)
                write(temporary / "config.json", sealed(saved))
                furnish(temporary)
                sync(temporary)
                temporary.rename(path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            sync(path.parent)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The run folder at `path`.

        Raises:
            UsageError: there is none.
            CheckpointError: it is a file, an agent that was saved by another program for example.
        """
        if path.is_file():
            raise CheckpointError(f"{path} is a file; prefrl reads run folders, and never a pickle: name the folder")
        if not path.is_dir():
            raise UsageError(f"{path} is no folder; name a run folder, or start a run with: prefrl train")
        if not (path / "config.json").is_file():
            raise UsageError(f"{path} is no run folder: config.json is missing; name the folder that prefrl train made")
        return cls(path.absolute())

    @property
    def config(self) -> TrainConfig:
        """The settings of the run.

        Raises:
            UsageError: config.json is damaged, or of a version of prefrl that does not fit.
        """
        file = self.path / "config.json"
        try:
            return from_json(unsealed(file.read_bytes())["config"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} cannot be read ({error}); restore it, or start a new run") from error

    def write_config(self, config: TrainConfig) -> None:
        """Replace the settings of the run; what else was noted at its start stays."""
        file = self.path / "config.json"
        if config != self.config:
            atomic_write(file, sealed({**unsealed(file.read_bytes()), "config": to_json(config)}))

    @property
    def store_path(self) -> Path:
        return self.path / STORE_FILE

    @property
    def store_url(self) -> str:
        """The database that holds its questions and answers, under `store_run`."""
        shared = self.shared_store
        return shared[0] if shared else sqlite_url(self.store_path)

    @property
    def store_run(self) -> str:
        """The run's name in that database."""
        shared = self.shared_store
        return shared[1] if shared else "main"

    @property
    def shared_store(self) -> tuple[str, str] | None:
        """URL of a database outside the folder, and the run's name there; None if the folder has a file of its own.

        Raises:
            StoreError: the user has not named it.
        """
        config = self.config if (self.path / "config.json").is_file() else None
        shared = None if config is None else named_store(config, self.path.name)
        if shared is not None:
            require_trusted_store(shared[0])
        return shared

    @property
    def clips(self) -> Path:
        return self.path / "clips"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def agent_zip(self) -> Path:
        return self.path / "agent.zip"

    def write_agent(self, agent_zip: bytes) -> None:
        """Replace agent.zip."""
        atomic_write(self.agent_zip, agent_zip)
        (self.path / "vec_normalize.json").unlink(missing_ok=True)  # that of an agent.zip of before it held its own

    def has_agent(self, checkpoint: Checkpoint) -> bool:
        """Whether agent.zip was written with `checkpoint`."""
        return self.agent_zip.exists() and sha256(self.agent_zip.read_bytes()) == checkpoint.state["agent.zip"]

    def write_verdict(self, verdict: Verdict) -> None:
        """Keep what is said of the learned reward for programs that cannot judge it themselves."""
        atomic_write(self.path / VERDICT_FILE, sealed(asdict(verdict)))

    def verdict(self) -> Verdict | None:
        """What `write_verdict` kept; None if nothing was, or the file is damaged."""
        try:
            saved = unsealed((self.path / VERDICT_FILE).read_bytes())
            return Verdict(saved["level"], saved["sentence"], saved.get("figures", {}), saved.get("about", ""))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other trainers out of the folder. The kernel lets go of the lock whenever this process ends.

        Raises:
            LockedError: another process has it.
        """
        with locked(self.path / "lock", self.path):
            yield

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add a line to metrics.jsonl; a number that is not finite becomes null."""
        line = json.dumps(json_values(record), allow_nan=False) + "\n"
        with storage(self.metrics_path), self.metrics_path.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)  # what a killed process left of a line
            file.write(line.encode())

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, but for a last one that is not finished."""
        if not self.metrics_path.exists():
            return []
        with storage(self.metrics_path):
            lines = self.metrics_path.read_bytes().split(b"\n")[:-1]
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(_upgraded(json.loads(line)))
            except ValueError:
                warnings.warn(f"{self.metrics_path}: line {number} is damaged; left out", stacklevel=2)
        return records

    def write_checkpoint(self, num_timesteps: int, files: Mapping[str, bytes], state: Mapping[str, Any]) -> None:
        """Add a checkpoint, whole or not at all, and keep the last three. See `checkpoints.write`.

        It notes the sums of what else the folder holds, for the doctor.
        """
        with storage(self.path):
            grown = {name: (self.path / name).read_bytes() for name in self.records()}
        sums = {name: {"size": len(data), "sha256": sha256(data)} for name, data in grown.items()}
        checkpoints.write(self.path / "checkpoints", num_timesteps, files, {**state, "records": sums})

    def records(self) -> list[str]:
        """Names of the files that grow line by line: metrics.jsonl, and TensorBoard's."""
        found = [self.metrics_path, *self.tensorboard.glob("events.*")]
        return sorted(str(path.relative_to(self.path)) for path in found if path.is_file())

    def rewind(self, checkpoint: Checkpoint) -> None:
        """Take out of metrics.jsonl what a run that is resumed will write again."""
        size = checkpoint.state["records"].get(self.metrics_path.name, {"size": 0})["size"]
        if self.metrics_path.exists() and self.metrics_path.stat().st_size > size:
            with storage(self.metrics_path):
                os.truncate(self.metrics_path, size)

    def latest_checkpoint(self) -> Checkpoint | None:
        """The latest checkpoint that is whole, each damaged one being warned of; None if none was ever written.

        Raises:
            CheckpointError: there are checkpoints, but all are damaged.
        """
        return checkpoints.latest(self.path / "checkpoints")

    def whole_checkpoints(self) -> list[Checkpoint]:
        """All that are whole, latest first, each damaged one being warned of."""
        return list(checkpoints.whole(self.path / "checkpoints"))


def _upgraded(record: Any) -> Any:
    """A line of metrics.jsonl by the names of today: rounds were called spans before 0.2."""
    if isinstance(record, dict) and "span" in record:
        return {"round" if key == "span" else key: value for key, value in record.items()}
    return record


def named_store(config: TrainConfig, folder: str) -> tuple[str, str] | None:
    """URL of the database that `config` names, and the name in it of the run in that `folder`; None if it names none.

    The name may follow the URL: URL#NAME. On a server it is else that of the folder; a file holds one run.
    """
    if config.store is None or not is_url(config.store):
        return None
    url, _, name = config.store.partition("#")
    return url, name or ("main" if url.startswith("sqlite") else folder)


def is_url(store: str) -> bool:
    """Whether `TrainConfig.store` is the URL of a database, and no file or folder."""
    return "://" in store


def sqlite_url(path: Path) -> str:
    """The URL of the store in the file at `path`."""
    return "sqlite:///" + str(path.absolute()).translate(IN_URL)


def versions() -> dict[str, str]:
    """Version of Python, and of each package that a run depends on and that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def git_commit() -> str | None:
    """Commit of prefrl's own checkout, with "-dirty" if it was changed; None if it is installed without one."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=10)
        described = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        result = subprocess.run(described, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if tracked.returncode == result.returncode == 0 else None
