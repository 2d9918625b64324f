"""Draw a run in one picture: a question, the agent's true return as it learned, and what it does now.

.venv/bin/python scripts/picture.py runs/demo-1 --output scripts/results/picture.png
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tyro
from numpy.typing import NDArray

from prefrl.data.episode import cut
from prefrl.errors import CheckpointError
from prefrl.evaluation.evaluate import play
from prefrl.feedback.answer import Preference
from prefrl.rendering.clips import Renderer
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store

BLUE, GREY = "#1f6feb", "#57606a"


@dataclass(frozen=True)
class Picture:
    """Draw a run in one picture."""

    run_dir: tyro.conf.Positional[Path]
    """Folder of a run whose reward was learned."""

    output: Path = Path("picture.png")
    """Image to write."""

    frames: int = 6
    """Moments shown of each clip."""


def draw(what: Picture) -> None:
    """Render the clips, and put them around the learning curve."""
    run = RunDir.open(what.run_dir)
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"{what.run_dir} has no checkpoint")
    with Store(run.store_url) as store:
        asked = telling(store.preferences())
    (episode,) = play(run.config, checkpoint, np.zeros(1), seed=1_000_000)
    shown = cut([episode], 50)[2 if len(episode.actions) >= 150 else 0]
    with Renderer(run.config.env_id, run.config.env_kwargs) as renderer:
        left, right, agent = (
            filmstrip(renderer.frames(s), what.frames) for s in (asked.query.left, asked.query.right, shown)
        )

    figure = plt.figure(figsize=(11, 6.2), layout="constrained")
    axes: Any = figure.subplot_mosaic([["left", "curve"], ["right", "curve"], ["agent", "agent"]], width_ratios=[3, 2])
    marks = {
        "left": "  ✓ better" if asked.choice == "left" else "",
        "right": "  ✓ better" if asked.choice == "right" else "",
    }
    strip(axes["left"], left, f"1   Which is better? This clip ...{marks['left']}")
    strip(axes["right"], right, f"... or this one{marks['right']}")
    strip(axes["agent"], agent, f"3   What the agent does after {len_text(run, checkpoint.num_timesteps)}")
    curve(axes["curve"], run.metrics())
    what.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(what.output, dpi=110)


def len_text(run: RunDir, steps: int) -> str:
    """How much it took, in words."""
    return f"{run.config.labels} such answers and {steps / 1e6:.1f} million steps"


def telling(preferences: list[Preference]) -> Preference:
    """Of the questions in the middle of the run, one whose two clips are unlike each other and both stay alive."""
    middle = preferences[len(preferences) // 3 : 2 * len(preferences) // 3]
    decided = [p for p in middle if p.choice in ("left", "right")]
    alive = [p for p in decided if not (p.query.left.absorbing.any() and p.query.right.absorbing.any())]
    return max(alive or decided, key=lambda p: abs(p.query.left.true_return - p.query.right.true_return))


def filmstrip(frames: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """`count` frames (T, H, W, 3), evenly spread in time, side by side."""
    moments = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.concatenate([frames[m] for m in moments], axis=1)


def strip(axis: Any, picture: NDArray[np.uint8], title: str) -> None:
    """Show a filmstrip."""
    axis.imshow(picture)
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_axis_off()


def curve(axis: Any, records: Iterable[dict[str, Any]]) -> None:
    """True return against steps, labels along the top."""
    points = [r for r in records if r["true_return"] is not None]
    steps = [r["num_timesteps"] / 1e6 for r in points]
    axis.plot(steps, [r["true_return"] for r in points], color=BLUE, linewidth=2)
    axis.set_title("2   The agent learns what the answers say", loc="left", fontsize=11)
    axis.set_xlabel("million steps")
    axis.set_ylabel("true return while it explores; it never sees it", color=GREY)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_ylim(bottom=0)
    for share in (0.25, 0.5, 1.0):
        record = points[max(0, round(share * len(points)) - 1)]
        axis.annotate(
            f"{record['num_preferences']} answers",
            (record["num_timesteps"] / 1e6, record["true_return"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="right",
            color=GREY,
        )


def main() -> None:
    """Draw what the command line asks for."""
    draw(tyro.cli(Picture))


if __name__ == "__main__":
    main()
