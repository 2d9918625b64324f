"""Measure prefrl: how well agents learn, how fast, and what the tools around them take.

    .venv/bin/python scripts/benchmark.py learning --envs Hopper-v5 HalfCheetah-v5 --seeds 0 1 2
    .venv/bin/python scripts/benchmark.py table

Results are CSV files in scripts/results. Each row holds the commit and the command that made it. `learning` and `speed`
run one thread a process; runs side by side need a core each.
"""

from collections.abc import Callable
from typing import Any

import tyro
from benchmarks.alarms import alarms
from benchmarks.behaviour import behaviour
from benchmarks.clips import clips
from benchmarks.curves import curves
from benchmarks.exported import exported
from benchmarks.fit import compare
from benchmarks.floor import floor
from benchmarks.forecast import forecast
from benchmarks.imitation import imitation
from benchmarks.learning import learning
from benchmarks.person import person
from benchmarks.speed import speed
from benchmarks.store import store_load
from benchmarks.table import table
from benchmarks.verdict import verdicts
from benchmarks.window import window

PARTS: dict[str, Callable[[Any], None]] = {
    "learning": learning,
    "table": table,
    "curves": curves,
    "fit": compare,
    "speed": speed,
    "imitation": imitation,
    "clips": clips,
    "floor": floor,
    "alarms": alarms,
    "forecast": forecast,
    "behaviour": behaviour,
    "exported": exported,
    "verdict": verdicts,
    "window": window,
    "store": store_load,
    "person": person,
}
"""Subcommand -> what does it."""

if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict(PARTS, description=__doc__, config=(tyro.conf.OmitArgPrefixes,))
