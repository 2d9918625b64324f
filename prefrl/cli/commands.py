"""The commands of the command line and their options, whose docstrings are their help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from prefrl.config.formats import ExportFormat
from prefrl.config.run import TrainConfig

RunDir = Annotated[Path, tyro.conf.arg(metavar="RUN_DIR")]


@dataclass(frozen=True)
class Resume:
    """Go on with a run from its last checkpoint, or have one that is finished do more."""

    run_dir: RunDir
    """Folder of the run."""

    steps: Annotated[str | None, tyro.conf.arg(metavar="N|+N", help_behavior_hint="")] = None
    """Environment steps to train for: in all, or so many more: --steps +100000"""

    labels: Annotated[str | None, tyro.conf.arg(metavar="N|+N", help_behavior_hint="")] = None
    """Answers to ask for: in all, or so many more: --labels +100. Alone, in a run that has taken all its steps, they
    bring more of these, as many for a label as before."""


@dataclass(frozen=True)
class Label:
    """Teach the agent of a run: open a window that shows two clips at a time, and say which is better."""

    run_dir: RunDir
    """Folder of the run; the window waits for it if it does not exist yet."""

    goal: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = None
    """What the agent should do, in one sentence, for example "do a backflip"; stored with the run."""

    annotator: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Name to store with the answers; the name of the user if not given."""

    repeat_share: float = 0.05
    """Share of the questions that are earlier ones asked again, to measure how consistent the answers are."""

    clip_size: int | None = None
    """Side of the pictures in pixels, where the environment draws at any size; larger ones take longer to draw. If not
    given, as large as the window shows them, from 256 to 512."""


@dataclass(frozen=True)
class Evaluate:
    """Measure the agent of a run by the true reward, in the environment as it is, and its reward model against it."""

    run_dirs: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN_DIR ...")]
    """Folder of the run; of several runs, to compare them."""

    episodes: int = 20
    """Episodes to play."""

    seed: int = 1_000_000
    """Seed of the first episode; the next ones follow. The default lies apart from the seeds of training."""

    json: bool = False
    """Print one JSON object and nothing else; for several runs, theirs are listed under "runs"."""

    video: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """File to write a film of the first episode to, for example agent.mp4."""

    goal: Annotated[float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="")] = None
    """Forecast how many more answers it takes until the reward foresees this share of them, for example 0.9."""


@dataclass(frozen=True)
class Report:
    """Write a page about what the reward models of runs learned: one file that any browser shows without a network."""

    run_dirs: Annotated[tuple[Path, ...], tyro.conf.arg(name="run_dir", metavar="RUN_DIR [RUN_DIR ...]")]
    """Folders of runs. Those that differ in their seed alone are one arm; runs of --reward true are compared with."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("report.html")
    """File to write, anew if it exists."""


@dataclass(frozen=True)
class Inspect:
    """Look into a run's preferences: how many there are, the last answers, one question and its clips."""

    run_dir: RunDir
    """Folder of the run, or a file of preferences."""

    last: int = 10
    """Answers to list."""

    question: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")] = None
    """Number of a question to show."""

    video: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")] = None
    """File to write the clips of that question to, side by side, for example question.mp4."""


@dataclass(frozen=True)
class Export:
    """Write a run's preferences, or its policy, as files that any tool reads."""

    run_dir: RunDir
    """Folder of the run, or a file of preferences."""

    format: ExportFormat = "jsonl"
    """How; minari holds the trajectories alone, and onnx the policy: from raw observations to executed actions. Where
    one needs a package, an error names it."""

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER", help_behavior_hint="")] = None
    """Folder to make; by default the run's name and the format, here."""

    salvage: bool = False
    """Leave out what is damaged, and what refers to it."""


@dataclass(frozen=True)
class Import:
    """Make a file of preferences from what prefrl export wrote."""

    folder: Annotated[Path, tyro.conf.arg(metavar="EXPORT")]
    """Folder that prefrl export wrote."""

    store: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """File to make, for example preferences.sqlite."""


@dataclass(frozen=True)
class Doctor:
    """Check what is installed, and print the command that mends each problem; or check a run folder for damage."""

    run_dir: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN_DIR]")] = None
    """Folder of a run to look at, and not at what is installed."""


Command = TrainConfig | Resume | Label | Evaluate | Report | Inspect | Export | Import | Doctor
