import json
from pathlib import Path

import pytest
from benchmark_rows import row
from benchmarks.csv_rows import append
from benchmarks.curves import final_returns, series


def test_curves_are_read_from_run_folders(tmp_path: Path) -> None:
    for name, rounds in {
        "A-v0-learned-0": [(100, None), (200, 3.0)],
        "prefrl/B-v0-true-12": [(100, 1.0)],
        "A-v0-uniform-0": [(100, 1.0)],
    }.items():
        (tmp_path / name).mkdir(parents=True)
        lines = [json.dumps({"num_timesteps": steps, "true_return": value}) for steps, value in rounds]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(lines))
    found = series(tmp_path, ["learned", "true"])
    assert {env_id: list(arms) for env_id, arms in found.items()} == {"A-v0": ["learned"], "prefrl/B-v0": ["true"]}
    ((steps, returns),) = found["A-v0"]["learned"]
    assert (steps.tolist(), returns.tolist()) == ([200.0], [3.0])
    with pytest.raises(SystemExit, match="has no run of kcentre"):
        series(tmp_path, ["kcentre"])


def test_what_agents_earned_in_the_end_is_the_mean_without_the_outermost_seeds(tmp_path: Path) -> None:
    results = tmp_path / "learning.csv"
    for seed, value in enumerate([-900.0, 1.0, 2.0, 900.0]):
        append(results, row("A-v0", "true", seed, value))
    append(results, row("A-v0", "learned", 0, 7.0))
    assert final_returns(results) == {("A-v0", "true"): 1.5, ("A-v0", "learned"): 7.0}
    assert final_returns(tmp_path / "none.csv") == {}
