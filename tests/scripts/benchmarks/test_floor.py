from pathlib import Path

import numpy as np
import pytest
from benchmark_rows import row
from benchmarks.csv_rows import append, rows
from benchmarks.floor import Floor, floor
from benchmarks.table import Table, table
from simple_agents import idle_returns


def test_the_floor_is_what_comes_of_acting_at_random_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    floor(Floor(("Pendulum-v1",), episodes=2, results=tmp_path / "floor.csv"))
    floor(Floor(("CartPole-v1", "Pendulum-v1"), episodes=2, results=tmp_path / "floor.csv"))
    cart, pendulum = rows(tmp_path / "floor.csv")
    assert float(cart["at_random"]) > float(cart["idle"]) == np.mean(idle_returns("CartPole-v1", {}, 0, 2))
    assert -2000 < float(pendulum["at_random"]) < -500
    for seed, (arm, value) in enumerate((("learned", -200), ("true", -150))):
        append(tmp_path / "learning.csv", row("Pendulum-v1", arm, seed, value))
    capsys.readouterr()
    table(Table(tmp_path / "learning.csv", floor=tmp_path / "floor.csv"))
    best = max(float(pendulum["at_random"]), float(pendulum["idle"]))
    assert f"{(best + 200) / (best + 150):.2f} of the way" in capsys.readouterr().out
