"""What is damaged in a run folder, and what can be had back."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import true

from prefrl.data.text import plain, shell
from prefrl.errors import CheckpointError, PrefrlError, StoreError
from prefrl.feedback.answer import fingerprint
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.files import sha256
from prefrl.runs.run_dir import RunDir
from prefrl.store.pages import read_pages
from prefrl.store.run_store import has_store, open_store
from prefrl.store.salvage import readable
from prefrl.store.schema import metadata, row_segment, segments, verify
from prefrl.store.store import Store


def checkup(run_dir: Path) -> int:
    """Look at every file of a run, and print what is found.

    Returns:
        0 if all is whole, else the exit code that the first damage would give.

    Raises:
        UsageError: there is no run folder.
    """
    run = RunDir.open(run_dir)
    found, codes = find(run), dict[str, int]()
    for name, check in CHECKS.items():
        try:
            print(plain(f"{'ok':8}{name:20}{check(run, found)}"))
        except PrefrlError as error:
            if str(error) not in codes:  # the store's place is written in the settings, which may be damaged
                print(plain(f"{'PROBLEM':8}{name:20}{error}"))
            codes.setdefault(str(error), error.exit_code)
    print("All is whole." if not codes else f"{len(codes)} problem{'s' * (len(codes) > 1)}.")
    return next(iter(codes.values()), 0)


class Found(NamedTuple):
    """The checkpoints of a run."""

    whole: list[Checkpoint]  # latest first
    damages: list[str]  # what is wrong with the others

    @property
    def latest(self) -> Checkpoint | None:
        """The latest that is whole."""
        return next(iter(self.whole), None)


def check_config(run: RunDir, _found: Found) -> str:
    """The configuration is the one that the run began with."""
    return f"{run.config.env_id}, {run.config.steps} steps, {run.config.labels} labels, seed {run.config.seed}"


def check_store(run: RunDir, found: Found) -> str:
    """Every row of the store, those that nobody reads any more too."""
    if not has_store(run):
        if found.latest is None:
            return "not there yet"
        raise StoreError("missing; restore a copy")
    try:
        with open_store(run, reads_only=True) as store:
            store.check()
            with store.explained():
                _verify_rows(store)
            return f"{store.num_answers()} answers to {store.num_questions()} questions"
    except StoreError as error:
        saved = len(readable(run.store_url))
        raise StoreError(
            f"{error}; {saved} answers and undos in it can still be read: prefrl export {shell(run.path)} --salvage"
        ) from error


def _verify_rows(store: Store) -> None:
    for table in metadata.tables.values():
        if "crc" in table.columns:
            for page in read_pages(store.transaction, table, true()):
                for row in page:
                    verify(table, row)
                    if table is segments:
                        row_segment(row)


def check_answers(run: RunDir, found: Found) -> str:
    """The store holds what the latest checkpoint has learned from."""
    checkpoint = found.latest
    if checkpoint is None:
        return "none was learned from yet"
    with open_store(run, reads_only=True) as store:
        known = store.answers(until=checkpoint.state["watermark"])
    if fingerprint(known) != checkpoint.state["answers"]:
        raise StoreError("the store lacks answers that the run has learned from; restore a copy")
    return f"those that the run has learned from, {len(known)}, are there"


def check_checkpoints(_run: RunDir, found: Found) -> str:
    """All of them can be loaded."""
    whole, damages = found
    steps = ", ".join(str(checkpoint.num_timesteps) for checkpoint in whole)
    if damages:
        remedy = f"prefrl resume goes on from step {whole[0].num_timesteps}" if whole else "restore a copy"
        raise CheckpointError("; ".join([*damages, remedy]))
    return f"after steps {steps}" if whole else "none yet"


def check_copies(run: RunDir, found: Found) -> str:
    """What is written for other programs is what one of the checkpoints was written with."""
    whole, damages = found
    if damages:
        return "cannot be judged: a checkpoint is damaged"
    if whole and sha256(_read(run.agent_zip)) not in {checkpoint.state["agent.zip"] for checkpoint in whole}:
        raise CheckpointError("agent.zip is damaged; prefrl never reads it, and writes it anew with a checkpoint")
    return "agent.zip" if whole else "none yet"


def check_records(run: RunDir, found: Found) -> str:
    """What grows line by line begins as it did at the latest checkpoint."""
    checkpoint = found.latest
    sums = checkpoint.state["records"] if checkpoint else {}
    for name, entry in sums.items():
        if sha256(_read(run.path / name)[: entry["size"]]) != entry["sha256"]:
            raise CheckpointError(f"{name} is damaged; training goes on without it, but what it tells may be wrong")
    return f"metrics.jsonl and TensorBoard, {len(sums)} files"


CHECKS: dict[str, Callable[[RunDir, Found], str]] = {
    "config.json": check_config,
    "preferences.sqlite": check_store,
    "answers": check_answers,
    "checkpoints": check_checkpoints,
    "for others": check_copies,
    "records": check_records,
}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def find(run: RunDir) -> Found:
    """All checkpoints of a run, each read and hashed once."""
    with warnings.catch_warnings(record=True) as damages:
        warnings.simplefilter("always")
        whole = run.whole_checkpoints()
        return Found(whole, [str(damage.message).partition(";")[0] for damage in damages])
