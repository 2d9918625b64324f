"""Charts as SVG that takes its colours and its font from the page around it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from itertools import count
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from prefrl.data.batch import some
from prefrl.feedback.answer import Answer
from prefrl.report.arms import Arm, Curve, curve
from prefrl.report.gather import Floats, Judged, Run, standardise
from prefrl.rewards.metrics import reliability, wilson

INK, MUTED, GRID = "#010101", "#020202", "#030303"
LEARNED, TRUE, THIRD, FOURTH, FIFTH, SIXTH = SERIES = tuple(f"#0{i}0{i}c1" for i in range(1, 7))
"""Colours that stand for those of the page, which differ by day and night: see `_themed`."""

VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", **{c: f"c{i}" for i, c in enumerate(SERIES, 1)}}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.transparent": True,
}
WIDE, HIGH = 4.6, 2.7  # inches; small, so that letters are large where the page is narrow
STEPS = EngFormatter(sep="")
_numbers = count()


def _figure(rows: int = 1, high: float = HIGH) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDE, high), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for ax in axes:
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.tick_params(length=0)
    return figure, list(axes)


@contextmanager
def styled() -> Iterator[None]:
    """Within, charts may be drawn."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def _svg(figure: Figure, label: str) -> str:
    """The chart as an element of a page; `label` tells those who cannot see it what it shows."""
    file = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": f"prefrl {next(_numbers)}"}):  # no two charts share an id
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _themed(file.getvalue(), label)


def _themed(svg: str, label: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.S)
    svg = re.sub(
        r' id="(?:figure|axes|patch|text|line2d|legend|matplotlib|xtick|ytick|[A-Za-z]*Collection)[^"]*"', "", svg
    )
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    for colour, name in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)


def learning(run: Run, paid_true: Sequence[Run], rng: np.random.Generator) -> str:
    """True and learned return against steps, with the runs that were paid the true reward."""
    learned = run.series("num_timesteps", "learned_return")
    figure, (top, *rest) = _figure(2, 3.6) if len(learned[0]) else _figure()
    reference = curve(paid_true, rng)
    if reference is not None:
        _band(top, reference, TRUE, "paid the true reward", "--")
    colour, name = (LEARNED, "paid the learned reward") if run.learned else (TRUE, "paid the true reward")
    top.plot(*run.series("num_timesteps", "true_return"), color=colour, label=name)
    top.set_title("true return of training episodes")
    if reference is not None or run.learned:
        _legend(top)
    for ax in rest:
        ax.plot(*learned, color=LEARNED)
        ax.set_title("learned return of training episodes")
    _steps((top, *rest)[-1])
    return _svg(figure, f"Learning curve of {run.name}: returns against environment steps")


def by_labels(run: Run) -> str:
    """Held-out agreement, true and learned return against labels."""
    figure, (top, *returns) = _figure(3, 4.8)
    labels, agreed = run.series("num_preferences", "reward/held_out_accuracy")
    top.plot(labels, agreed, color=THIRD, marker="o", markersize=2.5)
    top.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    top.set_ylim(min(0.4, *agreed, 1.0), 1.02)
    top.yaxis.set_major_formatter(PercentFormatter(1, 0))
    top.set_title("agreement with held-out answers (dotted: a coin)")
    for ax, kind in zip(returns, ("true", "learned"), strict=True):
        ax.plot(*run.series("num_preferences", f"{kind}_return"), color=LEARNED, marker="o", markersize=2.5)
        ax.set_title(f"{kind} return of training episodes")
    returns[-1].set_xlabel("labels")
    return _svg(figure, f"Agreement and returns of {run.name} against labels")


def timeline(run: Run) -> str:
    """When answers came, and which: against the clock if people gave them, else against training."""
    every = [a for answers in run.by_annotator.values() for a in answers if not a.is_repeat]
    timed = sorted((a for a in every if a.answered_at is not None), key=lambda a: a.answered_at or 0.0)
    figure, (ax,) = _figure()
    if len(timed) > len(every) / 2:
        _against_clock(ax, timed)
    else:
        _against_steps(ax, run, every)
    handles, names = ax.get_legend_handles_labels()
    if handles:  # above the bars, which leave it no room
        narrow = dict(handletextpad=0.4, columnspacing=0.9, borderaxespad=0.0, labelcolor=MUTED, ncols=4)
        ax.legend(handles, names, loc="lower right", bbox_to_anchor=(1.01, 0.97), **narrow)
    return _svg(figure, f"Labels of {run.name} over time, by answer")


COLOURS = {"left": LEARNED, "right": TRUE, "tie": THIRD, "skip": MUTED}


def _colours(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """What was answered, in a fixed order where it is known, each with its colour."""
    said = dict.fromkeys([*COLOURS, *sorted(answer.words for answer in answers)])
    return [(words, COLOURS.get(words, MUTED)) for words in said]


def _against_clock(ax: Axes, timed: Sequence[Answer]) -> None:
    minutes = np.array([(a.answered_at or 0.0) - (timed[0].answered_at or 0.0) for a in timed]) / 60
    for kind, colour in _colours(timed):
        given = np.array([answer.words == kind for answer in timed])
        if given.any():
            ax.step(minutes, given.cumsum(), color=colour, where="post", label=kind)
    ax.set_xlabel("minutes since the first answer")
    ax.set_title("answers so far")


def _against_steps(ax: Axes, run: Run, every: Sequence[Answer]) -> None:
    when = {a.question.id: a.question.num_timesteps for a in run.answers}
    steps = sorted(set(when.values()))
    width = 0.7 * min(np.diff(steps), default=max(steps[-1], 1) / 20)
    base = np.zeros(len(steps))
    for kind, colour in _colours(every):
        given = [when[a.question.id] for a in every if a.words == kind and a.question.id in when]
        if given:
            heights = np.array([given.count(step) for step in steps])
            ax.bar(steps, heights, width, base, color=colour, label=kind, linewidth=0)
            base += heights
    _steps(ax)
    ax.set_title("answers, by when the clips were recorded")


def calibration(judged: Judged) -> str:
    """Stated confidence against how often it is right, on held-out answers."""
    p, targets = judged.probabilities[judged.held_out], judged.targets[judged.held_out]
    figure, (ax,) = _figure()
    ax.plot([0.5, 1], [0.5, 1], color=MUTED, linewidth=0.8, linestyle=":")
    found = reliability(p, targets, bins=5)
    for confidence, right, pairs in zip(*found, strict=True):
        if pairs:
            low, high = wilson(right * pairs, pairs)
            ax.plot([confidence, confidence], [low, high], color=THIRD, linewidth=1.2, alpha=0.6)
            ax.plot(confidence, right, "o", color=THIRD, markersize=2.5 + 0.8 * np.sqrt(pairs))
            ax.annotate(
                f"{pairs:.0f}", (confidence, right), (7, -3), textcoords="offset points", color=MUTED, fontsize=7.5
            )
    ax.set(xlim=(0.49, 1.02), ylim=(-0.04, 1.04), xlabel="what the reward model states")
    ax.set_title("how often it is right, with 95 % intervals and numbers of answers")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, 0))
    return _svg(figure, "Calibration: stated confidence against how often it is right")


def scatter(judged: Judged, most: int = 1000) -> str:
    """Learned against true return of the segments, late ones darker."""
    figure, (ax,) = _figure()
    shown = list(some(range(len(judged.segments)), most))
    late = judged.num_timesteps[shown] >= np.median(judged.num_timesteps)
    for group, colour, name in ((~late, MUTED, "first half"), (late, LEARNED, "second half")):
        x, y = judged.true_returns[shown][group], judged.returns[shown][group]
        if group.any():
            ax.plot(x, y, "o", color=colour, markersize=2.4, alpha=0.45, markeredgewidth=0, label=name)
    ax.set_xlabel("true return of a clip")
    ax.set_title("its learned return")
    _legend(ax)
    return _svg(figure, "Learned against true return of each clip")


def within_episode(judged: Judged, bins: int = 40) -> str:
    """Mean learned and true reward by the step of the episode, both standardised, over the later half."""
    where = positions(judged, bins)
    figure, (ax,) = _figure()
    ax.axhline(0, color=MUTED, linewidth=0.8, linestyle=":")
    ax.plot(where[0], where[2], color=TRUE, label="true reward", linestyle="--")
    ax.plot(where[0], where[1], color=LEARNED, label="learned reward")
    ax.set_xlabel("step of the episode")
    ax.set_title("mean reward of a step, in standard deviations")
    _legend(ax)
    return _svg(figure, "Where in an episode the reward comes from: mean reward by step")


def positions(judged: Judged, bins: int = 40) -> tuple[Floats, Floats, Floats]:
    """Middle of each bin of steps within the episode, mean learned and true reward in it, standardised; each (K,)."""
    late = judged.num_timesteps >= np.median(judged.num_timesteps)
    living = judged.living & late[:, None]
    starts = np.array([segment.start for segment in judged.segments])
    step = (starts[:, None] + np.arange(living.shape[1]))[living]
    learned, true = (standardise(x[living], x[living]) for x in (judged.rewards, judged.true_rewards))
    width = max(1, -(-(int(step.max()) + 1) // bins))
    index = step // width
    number = np.bincount(index).astype(float)
    filled = number >= max(1, 0.002 * len(step))  # a handful of steps says nothing
    sums = (np.arange(len(number)) * width * number, np.bincount(index, learned), np.bincount(index, true))
    first, mean_learned, mean_true = (np.asarray(total[filled] / number[filled], np.float64) for total in sums)
    return first + width / 2, mean_learned, mean_true


def comparison(arms: Sequence[Arm], rng: np.random.Generator) -> str:
    """Interquartile mean of the true return of each arm of one environment, with intervals; single runs thin."""
    figure, (ax,) = _figure(high=3.0)
    _by_arm(ax, arms, ("num_timesteps", "true_return"), rng)
    _steps(ax)
    ax.set_title("true return of training episodes, interquartile mean")
    return _svg(figure, f"{arms[0].env_id}: true return against steps, by arm")


def agreement(arms: Sequence[Arm], rng: np.random.Generator) -> str:
    """The same of the held-out agreement, against labels."""
    figure, (ax,) = _figure(high=3.0)
    _by_arm(ax, arms, ("num_preferences", "reward/held_out_accuracy"), rng)
    ax.set_xlabel("labels")
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    ax.set_title("agreement with held-out answers, interquartile mean")
    return _svg(figure, f"{arms[0].env_id}: held-out agreement against labels, by arm")


def _by_arm(ax: Axes, arms: Sequence[Arm], columns: tuple[str, str], rng: np.random.Generator) -> None:
    learned = iter((LEARNED, THIRD, FOURTH, FIFTH, SIXTH) * len(arms))
    for arm in arms:
        colour, style = (next(learned), "-") if arm.learned else (TRUE, "--")
        found = curve(arm.runs, rng, *columns)
        if found is not None:
            for run in arm.runs if len(arm.runs) > 1 else ():
                ax.plot(*run.series(*columns), color=colour, linewidth=0.5, alpha=0.45)
            number = f" ({len(arm.runs)} runs)" if len(arm.runs) > 1 else ""
            _band(ax, found, colour, arm.name + number, style)
    _legend(ax)


def _band(ax: Axes, found: Curve, colour: str, name: str, style: str) -> None:
    ax.fill_between(found.x, found.low, found.high, color=colour, alpha=0.15, linewidth=0)
    ax.plot(found.x, found.middle, color=colour, linestyle=style, label=name)


def _legend(ax: Axes) -> None:
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", labelcolor=MUTED, borderaxespad=0.2)


def _steps(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(STEPS)
    ax.set_xlabel("environment steps")
