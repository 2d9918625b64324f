import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import make_question
from stores import answer_to, contents, fill, named_segment, version1_run

from prefrl.config.rewards import RewardConfig
from prefrl.data.spaces import Spaces
from prefrl.errors import StoreError, UsageError
from prefrl.feedback.answer import fingerprint
from prefrl.feedback.question import Question
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import fit
from prefrl.runs.run_dir import sqlite_url
from prefrl.store import rows as dump
from prefrl.store import version1
from prefrl.store.engines import make_engine
from prefrl.store.export import export, import_
from prefrl.store.formats import FORMATS
from prefrl.store.store import Store

FORMS = ("jsonl", "npz", "parquet")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "preferences.sqlite"
    with Store(sqlite_url(path)) as store:
        fill(store, np.random.default_rng(0))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_import_gives_back_every_byte_of_every_row(form: str, filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "x"
    assert export(filled, form, folder)["questions"] == 12  # type: ignore[arg-type]
    rows = import_(folder, tmp_path / "new" / "copy.sqlite")
    assert contents(tmp_path / "new" / "copy.sqlite") == contents(filled)
    assert rows["questions"] == 12
    assert json.loads((folder / "meta.json").read_text())["environment"]["env_kwargs"] == {"speed": 2.0, "name": "é"}


@pytest.mark.parametrize("form", FORMS)
def test_a_reward_refitted_to_an_import_has_the_same_weights(form: str, tmp_path: Path) -> None:
    rng, path, copy = np.random.default_rng(3), tmp_path / "a%b.sqlite", tmp_path / "copy.sqlite"
    with Store(sqlite_url(path)) as store:
        ids = store.add_questions([make_question(rng, 6) for _ in range(40)])
        store.withdraw(ids[5:8])  # so that numbers of questions and answers differ
        store.add_answers([answer_to(i, "left" if rng.random() < 0.5 else "right") for i in ids[:5] + ids[8:]])
    export(path, form, tmp_path / "x")  # type: ignore[arg-type]
    import_(tmp_path / "x", copy)
    assert weights(path) == weights(copy)


def weights(path: Path) -> bytes:
    ensemble = RewardEnsemble(Spaces.vectors(3, 2), 2, (8,))
    with Store(sqlite_url(path)) as store:
        config = RewardConfig(members=2, hidden=(8,), max_epochs=3)
        fit(ensemble, store.answers(), config=config, generator=torch.Generator().manual_seed(1))
    return ensemble.to_bytes()


def test_nothing_is_written_over(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    export(filled, "npz", folder)
    with pytest.raises(UsageError, match="exists already"):
        export(filled, "npz", folder)
    with pytest.raises(UsageError, match="exists already"):
        import_(folder, filled)


def test_what_is_no_run_and_no_export_is_named(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        export(tmp_path / "missing", "npz", tmp_path / "x")
    with pytest.raises(UsageError, match="choose one of jsonl, npz, parquet, minari"):
        export(filled, "csv", tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is no export"):
        import_(tmp_path, tmp_path / "copy.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir() if "journal" not in path.name) == ["preferences.sqlite"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def infinite(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["obs"][0][0] = 1e300  # beyond what 32 bits hold
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def rename_key(path: Path) -> None:
    path.write_text(path.read_text().replace('"value"', '"vague"'))


def bad_choice(path: Path) -> None:
    path.write_text(path.read_text().replace('"left"', '"lefty"'))


def newer(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 2', '"version": 3'))


@pytest.mark.fault
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(
    ("form", "file", "damage", "said"),
    [
        ("jsonl", "segments.jsonl", cut, "cannot be imported"),
        ("jsonl", "answers.jsonl", drop_line, "has 11 rows, and meta.json says 12"),
        ("jsonl", "segments.jsonl", infinite, "not finite"),
        ("jsonl", "answers.jsonl", rename_key, "'value'"),
        ("jsonl", "answers.jsonl", bad_choice, "unknown comparison 'lefty'"),
        ("jsonl", "segments.jsonl", Path.unlink, "No such file"),
        ("jsonl", "meta.json", newer, "format version 3"),
        ("npz", "segments.npz", cut, "cannot be imported"),
        ("npz", "questions.npz", Path.unlink, "No such file"),
        ("parquet", "segments.parquet", cut, "cannot be imported"),
        ("parquet", "films.parquet", Path.unlink, "films.parquet"),
    ],
)
def test_a_damaged_export_is_refused_and_leaves_nothing(
    form: str, file: str, damage: Callable[[Path], None], said: str, filled: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "x"
    export(filled, form, folder)  # type: ignore[arg-type]
    damage(folder / file)
    with pytest.raises(StoreError, match=said) as caught:
        import_(folder, tmp_path / "new" / "copy.sqlite")
    assert str(folder) in str(caught.value)
    assert list((tmp_path / "new").glob("*")) == []


@pytest.mark.fault
def test_what_is_whole_of_a_damaged_store_is_exported_if_asked(filled: Path, tmp_path: Path) -> None:
    with sqlite3.connect(filled) as db:
        db.execute("UPDATE segments SET crc = crc + 1 WHERE id = 1")
    with pytest.raises(StoreError, match=r"checksum.*--salvage"):
        export(filled, "npz", tmp_path / "x")
    saved = export(filled, "npz", tmp_path / "x", salvaged=True)
    assert saved["segments"] == len(np.load(tmp_path / "x" / "segments.npz")["id"]) > 0
    assert import_(tmp_path / "x", tmp_path / "copy.sqlite") == saved
    filled.write_bytes(b"")
    with pytest.raises(StoreError, match=r"nothing in .* can be read"):
        export(filled, "jsonl", tmp_path / "y", salvaged=True)
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("form", FORMS)
def test_named_observations_come_back_with_their_types(form: str, tmp_path: Path) -> None:
    rng, path, copy = np.random.default_rng(3), tmp_path / "a.sqlite", tmp_path / "copy.sqlite"
    with Store(sqlite_url(path)) as store:
        segments = (named_segment(rng), named_segment(rng, absorbing_from=3))
        store.add_questions([Question(segments), Question(segments[::-1], wanted=2)])
    export(path, form, tmp_path / "x")  # type: ignore[arg-type]
    told = json.loads((tmp_path / "x" / "meta.json").read_text())["observations"]
    assert told == {"obs.image": "uint8", "obs.lives": "int64", "obs.speed": "float32"}
    import_(tmp_path / "x", copy)
    assert contents(copy) == contents(path)


@pytest.mark.parametrize("form", FORMS)
def test_an_export_of_version_1_can_still_be_imported(form: str, tmp_path: Path) -> None:
    path = version1_run(tmp_path) / "preferences.sqlite"
    engine = make_engine(sqlite_url(path))
    with engine.connect() as connection:
        old, info = version1.read(connection), version1.read_info(connection)
    engine.dispose()
    folder = tmp_path / "export"
    folder.mkdir()
    for table, rows in old.items():
        FORMATS[form][0](folder / f"{table}.{form}", version1.columns(table), rows)
    assert info is not None
    environment = {"env_id": info.env_id, "env_kwargs": {}, "obs_dim": 4, "action_dim": 2}
    environment |= {"versions": info.versions, "goal": info.goal}
    head = {"format": "prefrl preferences", "version": 1, "files": form, "environment": environment}
    head |= {"rows": {table: len(rows) for table, rows in old.items()}}
    (folder / "meta.json").write_text(json.dumps(head))
    import_(folder, tmp_path / "copy.sqlite")
    with Store(sqlite_url(tmp_path / "copy.sqlite")) as new, Store(sqlite_url(path)) as migrated:
        assert repr(dump.read(new)) == repr(dump.read(migrated))
        assert fingerprint(new.answers()) == fingerprint(migrated.answers())


def test_an_export_that_version_1_made_is_imported(tmp_path: Path) -> None:
    """`version1_export.tar.xz` is what commit ece3c02 exported, as JSON lines, of the run in `version1_run.tar.xz`."""
    with tarfile.open(Path(__file__).parents[1] / "data_files" / "version1_export.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    import_(tmp_path / "x_jsonl", tmp_path / "copy.sqlite")
    migrated_url = sqlite_url(version1_run(tmp_path) / "preferences.sqlite")
    with Store(sqlite_url(tmp_path / "copy.sqlite")) as new, Store(migrated_url) as migrated:
        assert repr(dump.read(new)) == repr(dump.read(migrated))
        assert fingerprint(new.answers()) == fingerprint(migrated.answers())
        assert new.num_answers() == 14
