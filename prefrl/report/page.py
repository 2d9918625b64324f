"""Put a report together, and write it."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from prefrl.config.presets import preset
from prefrl.config.saved import to_json
from prefrl.errors import UsageError
from prefrl.feedback.answer import standing
from prefrl.report import charts
from prefrl.report.arms import Arm, arms, final_return, flat
from prefrl.report.gather import Judged, Run, gather
from prefrl.report.lead import Lead, lead
from prefrl.report.people import Annotator, annotator
from prefrl.report.reels import TRACE, Reels, reels
from prefrl.rewards.metrics import brier_score, expected_calibration_error, pearson, spearman
from prefrl.rewards.verdict import figures
from prefrl.runs.files import atomic_write, storage
from prefrl.runs.run_dir import versions

EXTREMES, QUESTIONS = 10, 6  # best clips, and hard questions, that a report has time to draw, all runs together
MOST = 4  # of either, for one run


@dataclass(frozen=True)
class Tile:
    """One figure at the top of a run."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart, and what to read from it."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Warned:
    """An alarm of the training."""

    title: str
    message: str

    now: bool
    """Whether it was still on at the end."""

    step: int
    """When it was first raised."""


@dataclass(frozen=True)
class Section:
    """What the page says of one run."""

    run: Run
    lead: Lead
    arm: str
    tiles: list[Tile]
    warned: list[Warned] | None
    """None if the run was made before training raised alarms."""

    charts: list[Chart]
    reels: Reels
    annotators: list[Annotator]
    settings: list[tuple[str, str, bool]]
    """Name, value, and whether it differs from the preset."""


def report(run_dirs: Sequence[Path], output: Path) -> Path:
    """Write one HTML file about the runs in `run_dirs`; its path.

    Raises:
        UsageError: no run, one that is none, or `output` is a folder.
        StoreError: the preferences of one are damaged.
        StorageError: the file cannot be written.
    """
    if not run_dirs:
        raise UsageError("report needs a run folder, for example: prefrl report runs/Hopper-v5-0")
    if output.is_dir():
        raise UsageError(f"{output} is a folder; name a file, for example: -o report.html")
    made_at = output.absolute()  # an environment may change the working folder
    began = time.monotonic()
    rng = np.random.default_rng(0)
    runs = [gather(path, name) for path, name in zip(run_dirs, _names(run_dirs), strict=True)]
    grouped = arms(runs)
    learned = max(1, sum(run.learned for run in runs))
    each, pairs = (max(1, min(MOST, number // learned)) for number in (EXTREMES, QUESTIONS))
    with charts.styled():
        envs = dict.fromkeys(arm.env_id for arm in grouped) if len(runs) > 1 else ()
        comparisons = [chart for env in envs for chart in _comparison(env, grouped, rng)]
        sections = [_section(run, grouped, (each, pairs), rng) for run in runs]
    html = _template().render(
        sections=sections,
        comparisons=comparisons,
        rows=[_row(section, grouped) for section in sections],
        version=versions()["prefrl"],
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        seconds=time.monotonic() - began,
        trace=TRACE,
        **_assets(),
    )
    with storage(output):
        made_at.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(made_at, html.encode())
    return output


def _names(run_dirs: Sequence[Path]) -> list[str]:
    """The folders' names, with as many of those around them as it takes to tell them apart."""
    for depth in range(1, 6):
        names = ["/".join(path.resolve().parts[-depth:]) for path in run_dirs]
        if len(set(names)) == len({path.resolve() for path in run_dirs}):
            break
    return names


def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("prefrl.report", "assets")
    env = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    env.lstrip_blocks = True
    env.filters["number"] = _number
    return env.get_template("page.html.jinja")


def _assets() -> dict[str, str]:
    folder = resources.files("prefrl.report") / "assets"
    return {name: (folder / f"page.{name}").read_text(encoding="utf-8") for name in ("css", "js")}


def _comparison(env_id: str, grouped: Sequence[Arm], rng: np.random.Generator) -> list[Chart]:
    mine = [arm for arm in grouped if arm.env_id == env_id]
    most = max(len(arm.runs) for arm in mine)
    note = "Bands are 95 % bootstrap intervals over runs." if most > 1 else "One run an arm, so without an interval."
    found = [Chart(env_id, charts.comparison(mine, rng), note)]
    if any(arm.learned for arm in mine):
        found.append(Chart(f"{env_id}: what labels bought", charts.agreement(mine, rng), note))
    return found


def _row(section: Section, grouped: Sequence[Arm]) -> dict[str, Any]:
    run = section.run
    return {
        "name": run.name,
        "env_id": run.config.env_id,
        "arm": section.arm,
        "steps": run.num_timesteps,
        "final": final_return(run),
        "share": _share(run, grouped),
        "learned": run.learned,
        "verdict": run.verdict,
        "alarms": None if section.warned is None else sum(warned.now for warned in section.warned),
    }


def _paid_true(run: Run, grouped: Sequence[Arm]) -> list[Run]:
    """The runs of the same environment that were paid the true reward."""
    same = (run.config.env_id, run.config.env_kwargs)
    true = [other for arm in grouped if not arm.learned for other in arm.runs]
    return [other for other in true if (other.config.env_id, other.config.env_kwargs) == same]


def _share(run: Run, grouped: Sequence[Arm]) -> float | None:
    """Final return as a share of that of the true reward; None where there is none, or it is not above 0."""
    if not run.learned:
        return None
    others = [value for other in _paid_true(run, grouped) if (value := final_return(other)) is not None]
    mine = final_return(run)
    usual = float(np.mean(others)) if others else 0.0
    return mine / usual if mine is not None and usual > 0 else None


def _section(run: Run, grouped: Sequence[Arm], clips: tuple[int, int], rng: np.random.Generator) -> Section:
    arm = next(arm.name for arm in grouped if run in arm.runs)
    others = _paid_true(run, grouped) if run.learned else []
    return Section(
        run=run,
        lead=lead(run),
        arm=arm,
        tiles=_tiles(run, grouped),
        warned=_warned(run.metrics),
        charts=_charts(run, others, rng),
        reels=reels(run, *clips),
        annotators=[annotator(name, answers) for name, answers in run.by_annotator.items()] if run.learned else [],
        settings=_settings(run),
    )


def _tiles(run: Run, grouped: Sequence[Arm]) -> list[Tile]:
    final, share = final_return(run), _share(run, grouped)
    note = "mean of the last tenth of training" if share is None else f"{share:.0%} of what the true reward gives"
    tiles = [Tile("true return", "-" if final is None else _number(final), note)]
    tiles.append(Tile("steps", f"{run.num_timesteps:,}", f"of {run.config.steps:,}"))
    if not run.learned:
        return tiles
    tiles.append(Tile("labels", f"{len(standing(run.answers)):,}", f"of {run.config.labels:,}"))
    found, judged = figures(run.verdict), run.judged
    if judged is None:
        return tiles
    if found is not None and found.decided:
        low, high = found.ci95
        note = f"{found.right} of {found.decided} answers; 95 %: {low:.0%} to {high:.0%}"
        tiles.append(Tile("answers foreseen from the others", f"{found.right / found.decided:.0%}", note))
    rank = spearman(judged.returns, judged.true_returns)
    tiles.append(
        Tile("rank correlation", "-" if math.isnan(rank) else f"{rank:.3f}", "learned and true return of clips")
    )
    return tiles


def _warned(metrics: Sequence[dict[str, Any]]) -> list[Warned] | None:
    if not any("alarms" in record for record in metrics):
        return None
    first: dict[str, int] = {}
    latest: dict[str, str] = {}
    for record in metrics:
        for alarm in record.get("alarms", []):
            first.setdefault(alarm["kind"], int(record["num_timesteps"]))
            latest[alarm["kind"]] = str(alarm["message"])
    now = {alarm["kind"] for alarm in metrics[-1].get("alarms", [])}
    found = [Warned(kind.replace("_", " "), latest[kind], kind in now, step) for kind, step in first.items()]
    return sorted(found, key=lambda warned: not warned.now)


def _charts(run: Run, others: Sequence[Run], rng: np.random.Generator) -> list[Chart]:
    curve_note = "The learned return is what each fit makes of the last episodes: higher is better, staying dead is 0."
    found = [Chart("Learning curve", charts.learning(run, others, rng), curve_note if run.judged else "")]
    if run.learned and run.series("num_preferences", "true_return")[0].size:
        found.append(Chart("What labels bought", charts.by_labels(run), "Each point is the end of a round."))
    if any(run.by_annotator.values()):
        found.append(Chart("Label timeline", charts.timeline(run)))
    if run.judged is not None:
        found += _judged_charts(run.judged)
    return found


def _judged_charts(judged: Judged) -> list[Chart]:
    found = []
    p, targets = judged.probabilities[judged.held_out], judged.targets[judged.held_out]
    if len(p):
        gap, brier = expected_calibration_error(p, targets), brier_score(p, targets)
        note = (
            f"On the dotted line it is right as often as it says. Mean distance (ECE) {gap:.3f}; "
            f"Brier score {brier:.3f} (a coin's: 0.250)."
        )
        found.append(Chart("Calibration", charts.calibration(judged), note))
    found.append(Chart("Learned against true reward", charts.scatter(judged), _correlations(judged)))
    found.append(Chart("Where in an episode the reward comes from", charts.within_episode(judged), _endings(judged)))
    return found


def _correlations(judged: Judged) -> str:
    clips = pearson(judged.returns, judged.true_returns)
    steps = spearman(judged.rewards[judged.living], judged.true_rewards[judged.living])
    told = [
        "all clips are worth the same" if math.isnan(clips) else f"linear correlation of clips {clips:.2f}",
        "all steps are worth the same" if math.isnan(steps) else f"rank correlation of single steps {steps:.2f}",
    ]
    return "; ".join(told).capitalize() + "."


def _endings(judged: Judged) -> str:
    """What the step that ends an episode is worth."""
    ends = [i for i, segment in enumerate(judged.segments) if segment.absorbing[-1] and judged.living[i].any()]
    if not ends:
        return "No clip shows an episode that terminates. Clips recorded in the later half of training."
    last = np.array([judged.rewards[i, int(judged.living[i].sum()) - 1] for i in ends])
    return (
        f"The step that terminates an episode is worth {last.mean():+.1f} on average ({len(ends)} clips). "
        "Clips recorded in the later half of training."
    )


def _settings(run: Run) -> list[tuple[str, str, bool]]:
    usual = flat(to_json(preset(run.config.env_id)))
    rows = flat(to_json(run.config)).items()
    return [
        (key.replace("_", "-"), str(value), key not in ("run_dir",) and usual.get(key) != value) for key, value in rows
    ]


def _number(value: float | None) -> str:
    """A figure in as many digits as it is worth reading."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
