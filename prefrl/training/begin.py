"""What a run begins with: the answers that `--store` names."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prefrl.config.run import TrainConfig
from prefrl.config.trust import trust_store
from prefrl.environments.make import make_env
from prefrl.environments.spaces import spaces_of
from prefrl.errors import StoreError
from prefrl.rendering.close import close_env
from prefrl.runs.run_dir import STORE_FILE, is_url, named_store, sqlite_url, versions
from prefrl.store.begin import absolute_url, copy_store, store_file
from prefrl.store.database import is_missing
from prefrl.store.store import Store, StoreInfo


@dataclass(frozen=True)
class Beginning:
    """What is there when a run begins."""

    config: TrainConfig
    """Its settings, by which any process finds the store, wherever it was started."""

    asked: int = 0
    """Labels that were asked for already."""

    file: Path | None = None
    """A store to put into the run's folder."""

    def furnish(self, folder: Path) -> None:
        """Put into the run's folder what it begins with."""
        if self.file is not None:
            shutil.copyfile(self.file, folder / STORE_FILE)


@contextmanager
def beginning(config: TrainConfig, path: Path) -> Iterator[Beginning]:
    """What a run with these settings in the folder `path` begins with; a file or run that it names is left as it is.

    Raises:
        UsageError: `config.store` is no file, no folder of a run, and no URL of a database.
        StoreError: it cannot be read, or is of another environment.
    """
    named, asked = config.store, 0
    if named is None:
        yield Beginning(config)
    elif is_url(named):
        config = replace(config, store=absolute_url(named))
        shared = named_store(config, path.name)
        assert shared is not None
        trust_store(shared[0])
        if not is_missing(shared[0]):
            with Store(*shared) as store:
                asked = _asked(store, config)
        yield Beginning(config, asked)
    else:
        source = store_file(named)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / STORE_FILE
            copy_store(source, copy)
            with Store(sqlite_url(copy)) as store:
                asked = _asked(store, config)
            yield Beginning(config, asked, copy)


def _asked(store: Store, config: TrainConfig) -> int:
    """The labels that `store` has asked for.

    Raises:
        StoreError: of another environment than that of `config`.
    """
    held = store.info()
    if held is None:
        return 0
    env = make_env(config.env_id, config.env_kwargs)
    try:
        ours = spaces_of(env.observation_space, env.action_space, config.env_id)
    finally:
        close_env(env, config.env_id)
    difference = held.difference(StoreInfo(config.env_id, config.env_kwargs, ours, versions()))
    if difference is not None:
        raise StoreError(f"--store {config.store} holds another environment: {difference}; name another")
    return store.num_questions()
