from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.learning import Learning, jobs_left, learning, one_run


def test_a_row_of_other_options_is_not_taken_for_what_was_asked(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    results.write_text(
        "env_id,arm,seed,command\nX-v0,learned,1,prefrl train X-v0 --run-dir runs/X --seed 1 --steps 9\n"
    )
    asked = Learning(("X-v0",), ("learned",), seeds=(1, 2), options="--steps 9", results=results)
    assert jobs_left(asked) == [("X-v0", 2, "learned")]
    one_run(asked, "X-v0", 1, "learned")  # there is nothing left to do
    with pytest.raises(SystemExit, match="X-v0 learned seed 1 with other options"):
        learning(replace(asked, options=""))
    with pytest.raises(SystemExit, match="X-v0 learned seed 1 with other options"):
        one_run(replace(asked, options=""), "X-v0", 1, "learned")
