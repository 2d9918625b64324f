"""Measure prefrl: how well agents learn, how fast, and how fast clips are drawn.

    .venv/bin/python scripts/benchmark.py learning --envs Hopper-v5 HalfCheetah-v5 --seeds 0 1 2
    .venv/bin/python scripts/benchmark.py table

Results are CSV files in scripts/results, each row with the commit and the command that made it. `learning` and `speed`
run one thread a process; runs side by side need a core each.
"""

from typing import Annotated

import tyro
from benchmark_clips import Clips, clips
from benchmark_curves import Curves, curves
from benchmark_fit import Fit, compare
from benchmark_floor import Floor, floor
from benchmark_imitation import Imitation, imitation
from benchmark_learning import Learning, learning
from benchmark_speed import Speed, speed
from benchmark_table import Table, table

Part = (
    Annotated[Learning, tyro.conf.subcommand("learning")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Curves, tyro.conf.subcommand("curves")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[Speed, tyro.conf.subcommand("speed")]
    | Annotated[Imitation, tyro.conf.subcommand("imitation")]
    | Annotated[Clips, tyro.conf.subcommand("clips")]
    | Annotated[Floor, tyro.conf.subcommand("floor")]
)


def main(part: Part) -> None:
    """Measure, or show, what is asked."""
    match part:
        case Learning():
            learning(part)
        case Table():
            table(part)
        case Curves():
            curves(part)
        case Fit():
            compare(part)
        case Speed():
            speed(part)
        case Imitation():
            imitation(part)
        case Clips():
            clips(part)
        case Floor():
            floor(part)


if __name__ == "__main__":
    main(tyro.cli(Part, description=__doc__))
