"""Learning curves of the runs that `learning` made, as a figure."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from benchmarks.csv_rows import rows
from benchmarks.learning import RESULTS
from prefrl.report.arms import band
from prefrl.rewards.metrics import Floats, iqm

Series = tuple[Floats, Floats]
"""Environment steps and true returns, each (K,)."""

COLUMNS = 4
RUN = re.compile(r"(?P<env>.+)-(?P<arm>[a-z0-9_]+)-(?P<seed>\d+)")


@dataclass(frozen=True)
class Curves:
    """Draw learning curves: true return of training episodes, interquartile mean over seeds and its 95 % interval.

    Where the run folders of an arm are gone, a dotted line shows what its agents earned in the end.
    """

    runs: Path = Path("runs/benchmark")
    """Folder of the run folders."""

    arms: tuple[str, ...] = ("learned", "true")
    """Arms to draw."""

    results: Path = RESULTS
    """CSV file that `learning` wrote, with what agents earned in the end."""

    output: Path = Path(__file__).parents[1] / "results" / "curves.svg"
    """File to write."""


def curves(what: Curves) -> None:
    """Draw a panel for each environment."""
    found, ends = series(what.runs, what.arms), final_returns(what.results)
    shape = -(-len(found) // COLUMNS), COLUMNS
    figure, panels = plt.subplots(*shape, figsize=(3.2 * COLUMNS, 2.5 * shape[0]), layout="constrained", squeeze=False)
    rng = np.random.default_rng(0)
    colors = {arm: "0.35" if arm == "true" else f"C{i}" for i, arm in enumerate(what.arms)}
    shown: dict[str, Artist] = {}
    for ax, (env_id, of_env) in zip(panels.flat, found.items(), strict=False):
        ax.set_title(env_id, fontsize=10)
        _draw(ax, {arm: of_env[arm] for arm in what.arms if arm in of_env}, colors, rng)
        for arm in what.arms:
            if arm not in of_env and (env_id, arm) in ends:
                ax.axhline(ends[env_id, arm], label=f"{_label(arm)}: in the end", color=colors[arm], linestyle=":")
        lines, labels = ax.get_legend_handles_labels()
        shown |= zip(labels, lines, strict=True)
    for ax in panels.flat[len(found) :]:
        ax.axis("off")
    figure.legend(list(shown.values()), list(shown), loc="outside upper center", ncols=len(shown), frameon=False)
    what.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(what.output, metadata={"Date": None})
    print(f"written to {what.output}")


def final_returns(results: Path) -> dict[tuple[str, str], float]:
    """(Environment, arm) -> interquartile mean over seeds of what the finished agents earned."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows(results):
        found[row["env_id"], row["arm"]].append(float(row["true_return"]))
    return {key: iqm(np.array(returns)) for key, returns in found.items()}


def series(folder: Path, arms: Sequence[str]) -> dict[str, dict[str, list[Series]]]:
    """Environment -> arm -> the curve of each run in `folder`."""
    found: dict[str, dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("**/metrics.jsonl")):
        name = RUN.fullmatch(str(path.parent.relative_to(folder)))
        if name is not None and name["arm"] in arms:
            rounds = [json.loads(line) for line in path.read_text().splitlines()]
            known = [(s["num_timesteps"], s["true_return"]) for s in rounds if s["true_return"] is not None]
            steps, returns = np.array(known, np.float64).reshape(-1, 2).T
            found[name["env"]][name["arm"]].append((steps, returns))
    if not found:
        raise SystemExit(f"{folder} has no run of {', '.join(arms)}; make some with: benchmark.py learning")
    return found


def _draw(ax: Axes, arms: Mapping[str, Sequence[Series]], colors: Mapping[str, str], rng: np.random.Generator) -> None:
    for arm, runs in arms.items():
        found = band(runs, rng)
        if found is not None:
            style = "--" if arm == "true" else "-"
            look: dict[str, Any] = {"color": colors[arm], "linestyle": style, "linewidth": 1.5}
            ax.plot(found.x, found.middle, label=_label(arm), **look)
            ax.fill_between(found.x, found.low, found.high, color=colors[arm], alpha=0.2, linewidth=0)
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _label(arm: str) -> str:
    return "paid the true reward" if arm == "true" else arm
