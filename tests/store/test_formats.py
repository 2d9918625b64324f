import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prefrl.store.formats import FORMATS, read_npz, write_npz
from prefrl.store.rows import Row, columns

FORMS = sorted(FORMATS)
OBS = {"obs": np.dtype(np.float32)}
F32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def segment(number: int, rng: np.random.Generator, **changes: object) -> Row:
    row: Row = {
        "id": number,
        "obs": rng.normal(size=(4, 2)).astype(np.float32),
        "actions": rng.normal(size=(3, 1)).astype(np.float32),
        "absorbing": np.array([False, False, True, True]),
        "true_rewards": np.array([0.1, -0.0, 1e-40], np.float32),
        "sim_states": None,
        "reset_seed": None,
        "replay_actions": None,
        "start": 0,
        "true_return": 0.1,
    }
    return row | changes


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return type(a) is type(b) and a == b


def there_and_back(form: str, folder: Path, table: str, rows: list[Row]) -> list[Row]:
    write, read = FORMATS[form]
    path = folder / f"{table}.{form}"
    path.unlink(missing_ok=True)
    write(path, columns(table, OBS), rows)
    return read(path, columns(table, OBS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(data=st.data())
def test_segments_come_back_bit_by_bit(form: str, folder: Path, data: st.DataObject) -> None:
    rng, rows = np.random.default_rng(0), []
    for number in range(data.draw(st.integers(0, 3))):
        steps = data.draw(st.integers(0, 2))
        states = data.draw(st.none() | hnp.arrays(np.float64, (4, 3)))
        replay = data.draw(st.none() | hnp.arrays(np.float32, (steps, 1), elements=F32))
        seed = data.draw(st.none() | st.integers(0, 2**63 - 1))
        obs = data.draw(hnp.arrays(np.float32, (4, 2), elements=F32))
        rows.append(segment(number, rng, sim_states=states, replay_actions=replay, reset_seed=seed, obs=obs))
    back = there_and_back(form, folder, "segments", rows)
    assert [row.keys() for row in back] == [row.keys() for row in rows]
    assert all(same(old[name], new[name]) for old, new in zip(rows, back, strict=True) for name in old)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(
    jpegs=st.lists(st.lists(st.binary(min_size=1), min_size=1), max_size=3),
    texts=st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=4),
    time=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_pictures_and_answers_come_back(
    form: str, folder: Path, jpegs: list[list[bytes]], texts: list[str | None], time: float | None
) -> None:
    films: list[Row] = [{"segment_id": i, "fps": 12.5, "jpegs": tuple(film)} for i, film in enumerate(jpegs)]
    assert there_and_back(form, folder, "films", films) == films
    answers: list[Row] = [
        {
            "seq": i,
            "submission_id": text or "",
            "question_id": 1,
            "annotator_id": 1,
            "value": None if text is None else json.dumps(text),
            "is_repeat": bool(i % 2),
            "shown_order": None if i % 2 else "[1, 0]",
            "replaces": None,
            "shown_at": time,
            "answered_at": None,
        }
        for i, text in enumerate(texts)
    ]
    assert there_and_back(form, folder, "answers", answers) == answers


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(), (2,), (3, 2), (2, 3, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float32"])
def test_observations_of_every_rank_and_type_come_back(
    form: str, shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    obs = {"obs.x": np.dtype(dtype)}
    rows = [segment(i, np.random.default_rng(i)) for i in range(3)]
    for row in rows:
        del row["obs"]
        row["obs.x"] = np.random.default_rng(1).integers(2, size=(4, *shape)).astype(dtype)
    write, read = FORMATS[form]
    write(tmp_path / "x", columns("segments", obs), rows)
    back = read(tmp_path / "x", columns("segments", obs))
    assert all(same(old[name], new[name]) for old, new in zip(rows, back, strict=True) for name in old)


def test_npz_has_one_array_a_column_where_shapes_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [segment(i, rng, reset_seed=i or None) for i in range(3)]
    write_npz(tmp_path / "segments.npz", columns("segments", OBS), rows)
    with np.load(tmp_path / "segments.npz", allow_pickle=False) as found:
        np.testing.assert_array_equal(found["obs"], np.stack([row["obs"] for row in rows]))
        assert found["reset_seed"].tolist() == [0, 1, 2]
        assert found["reset_seed.missing"].tolist() == [True, False, False]
        assert found["sim_states.shapes"].tolist() == [[-1], [-1], [-1]]
        assert "obs.values" not in found


def test_npz_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "segments.npz"
    write_npz(path, columns("segments", OBS), [segment(i, np.random.default_rng(2)) for i in range(3)])
    with np.load(path) as archive:
        found = dict(archive)
    np.savez(path, **{**found, "start": found["start"][:2]})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="different lengths"):
        read_npz(path, columns("segments", OBS))
