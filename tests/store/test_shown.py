"""Segments in a run folder that a person is shown beside the questions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_segment
from label_bot import record_segment

from prefrl.config.run import TrainConfig
from prefrl.data.segment import Film, Segment
from prefrl.errors import StorageError
from prefrl.rendering.clips import Renderer
from prefrl.runs.run_dir import RunDir
from prefrl.store.schema import segment_arrays
from prefrl.store.shown import SHOWN, read_shown, shown_path, write_shown

RNG = np.random.default_rng(0)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "run", TrainConfig("CartPole-v1"))


def assert_same(got: Segment | None, wanted: Segment) -> None:
    assert got is not None
    arrays, expected = segment_arrays(got), segment_arrays(wanted)
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert (got.start, got.reset_seed) == (wanted.start, wanted.reset_seed)
    assert (got.film and (got.film.jpegs, got.film.fps)) == (wanted.film and (wanted.film.jpegs, wanted.film.fps))


SEGMENTS = {
    "simulator states": make_segment(RNG, 200, state_dim=5, absorbing_from=150),
    "states that are no numbers": replace(make_segment(RNG, 9), sim_states=np.full((10, 2), np.nan)),
    "a replay from the reset": make_segment(RNG, 30, reset_seed=2**31 - 1),
    "a replay from within": make_segment(RNG, 30, reset_seed=0, replay_steps=12, start=12),
    "a film": replace(make_segment(RNG, 3), film=Film((b"one", b"two", b"two", b"three"), 12.5)),
    "images": replace(
        make_segment(RNG, 3), obs={"eye": np.zeros((4, 8, 8, 3), np.uint8), "arm": np.zeros((4, 2), np.float32)}
    ),
}


@pytest.mark.parametrize("kind", SEGMENTS)
def test_a_segment_comes_back_with_all_that_it_takes_to_draw_it(run: RunDir, kind: str) -> None:
    for name in SHOWN:
        write_shown(run, name, SEGMENTS[kind])
        assert_same(read_shown(run, name), SEGMENTS[kind])


def test_each_name_has_its_own_and_the_next_takes_its_place(run: RunDir) -> None:
    first, second, other = (make_segment(RNG, steps, state_dim=2) for steps in (5, 50, 7))
    write_shown(run, "now", first)
    write_shown(run, "before", other)
    write_shown(run, "now", second)
    assert_same(read_shown(run, "now"), second)
    assert_same(read_shown(run, "before"), other)
    assert read_shown(run, "after") is None
    assert sorted(path.name for path in (run.path / "shown").iterdir()) == ["before.safetensors", "now.safetensors"]


@pytest.mark.fault
def test_whatever_byte_is_damaged_it_counts_as_missing(run: RunDir) -> None:
    write_shown(run, "now", SEGMENTS["a film"])
    whole = shown_path(run, "now").read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        shown_path(run, "now").write_bytes(damaged)
        got = read_shown(run, "now")
        if got is not None:  # the header's own blanks mean nothing
            assert_same(got, SEGMENTS["a film"])
            assert whole[place : place + 1] == b" "
    for length in (0, 1, 8, len(whole) // 2, len(whole) - 1):
        shown_path(run, "now").write_bytes(whole[:length])
        assert read_shown(run, "now") is None


@pytest.mark.fault
def test_a_file_of_another_kind_counts_as_missing(run: RunDir) -> None:
    write_shown(run, "now", SEGMENTS["a film"])
    shown_path(run, "now").unlink()
    shown_path(run, "now").mkdir()
    assert read_shown(run, "now") is None


@pytest.mark.fault
def test_a_folder_that_cannot_be_written_is_told(run: RunDir) -> None:
    (run.path / "shown").write_text("in the way")
    with pytest.raises(StorageError, match="shown"):
        write_shown(run, "now", SEGMENTS["a film"])


def test_what_comes_back_can_be_drawn(run: RunDir) -> None:
    segment = record_segment(3)
    write_shown(run, "now", segment)
    shown = read_shown(run, "now")
    assert shown is not None
    with Renderer("CartPole-v1") as renderer:
        np.testing.assert_array_equal(renderer.frames(shown), renderer.frames(segment))
