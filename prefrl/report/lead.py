"""What the page says of a run first: the agent, moving, what it was taught, and how far to trust it, in plain words."""

import base64
import itertools
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefrl.config.teachers import TRAITS
from prefrl.data.episode import cut
from prefrl.data.segment import Segment
from prefrl.data.text import shell
from prefrl.errors import PrefrlError
from prefrl.feedback.answer import standing
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.rendering.recording import show
from prefrl.report.arms import final_return
from prefrl.report.gather import Run
from prefrl.rewards.verdict import figures
from prefrl.store.shown import read_shown
from prefrl.training.play import play

SIZE = 384  # pixels a side, where the environment draws at any size
LONGEST = 300  # steps of the agent that are shown
SMOOTH = 30.0  # pictures a second that are enough
SEED = 1_000_000  # of the episode, as that of `evaluate`


@dataclass(frozen=True)
class Lead:
    """The beginning of a run's section."""

    video: str | None
    """What the agent does, as a data URL; None where it cannot be drawn."""

    missing: str | None
    """Why there is no video; None if there is one."""

    taught: str
    trust: str
    then: str
    """What to do next."""

    command: str
    """The command that does it."""


def lead(run: Run) -> Lead:
    """The lead of a run, as far as it has come."""
    video, missing = _video(run)
    then, command = _next(run)
    return Lead(video, missing, _taught(run), _trust(run), then, command)


def _taught(run: Run) -> str:
    if not run.learned:
        return f"Nobody taught it: it was paid what {run.config.env_id} itself pays, over {run.num_timesteps:,} steps."
    counted = standing(run.answers)
    people = sorted({answer.annotator for answer in counted})
    given = f"{len(counted):,} answer{'s' * (len(counted) != 1)}" + (f" ({', '.join(people)})" if people else "")
    goal = f"The goal was: {run.goal}. " if run.goal else ""
    far = f"It has practised for {min(run.num_timesteps, run.config.steps):,} of {run.config.steps:,} steps."
    return f"{goal}It was taught by {given} to the question which of two clips is better. {far}"


def _trust(run: Run) -> str:
    found, final = figures(run.verdict), final_return(run)
    told = []
    if found is not None and found.decided:
        low, high = found.ci95
        told.append(
            f"Of {found.decided} answers, {found.right} ({found.right / found.decided:.0%}) were predicted from the "
            f"others; guessing would get half (95 % interval {low:.0%} to {high:.0%})."
        )
    if final is not None:
        told.append(f"By the environment's own measure, an attempt lately earned {final:,.4g}.")
    if run.learned and found is not None and not found.of_oracle:
        told.append("That measure need not be what people wanted: trust what you see.")
    return " ".join(told) or "Nothing can be said yet."


def _next(run: Run) -> tuple[str, str]:
    path, level = shell(run.run_dir.path), run.verdict.level
    if run.learned and level == "bad":
        return _mend(run)
    if run.num_timesteps < run.config.steps:
        return "It has not finished. Go on with the training.", f"prefrl resume {path}"
    if not run.learned:
        return "Compare it with an agent that people taught.", _anew(run, "--teacher", "human")
    return {
        "good": ("Watch it in situations that it has not met, then use it.", f"prefrl evaluate {path}"),
        "doubtful": ("Watch it; answer more questions where it does what you do not want.",
                     f"prefrl resume {path} --labels +100"),
        "unknown": ("Answer more questions about clips that differ.", f"prefrl resume {path} --labels +50"),
    }[level]  # fmt: skip


def _mend(run: Run) -> tuple[str, str]:
    """What to do about answers that contradict each other."""
    if TRAITS[run.config.teacher].needs_clips:  # then it judges by a goal in words
        goal = ("--teacher", run.config.teacher, "--goal", run.goal or "...")
        return "Agree on one goal, in one sentence, and begin again.", _anew(run, *goal)
    if run.config.oracle.mistake:
        return "Begin again with an oracle that makes no mistakes.", _anew(run, "--oracle.mistake", "0")
    return "Let the oracle answer more questions.", f"prefrl resume {shell(run.run_dir.path)} --labels +100"


def _anew(run: Run, *options: str) -> str:
    """The command that begins another run of the same environment and algorithm, in a folder that is free."""
    config, path = run.config, run.run_dir.path
    number = next(n for n in itertools.count(2) if not path.with_name(f"{path.name}-{n}").exists())
    words = ["prefrl", "train", config.env_id]
    if config.env_kwargs:
        words += ["--env-kwargs", *(str(word) for pair in config.env_kwargs.items() for word in pair)]
    if config.record_frames:
        words.append("--record-frames")
    words += ["--algorithm", config.algorithm, "--steps", str(config.steps)]
    words += ["--run-dir", str(path.with_name(f"{path.name}-{number}")), *options]
    return " ".join(shell(word) for word in words)


def _video(run: Run) -> tuple[str | None, str | None]:
    try:
        segment = read_shown(run.run_dir, "after") or _played(run) or read_shown(run.run_dir, "now")
        if segment is None:
            return (
                None,
                "Nothing of it was recorded" if run.config.record_frames else "The agent has not been saved yet",
            )
        return _filmed(run, segment), None
    except (Exception, SystemExit) as error:  # an environment's own code, or OpenGL, may raise anything
        said = str(error).strip().partition("\n")[0]
        return None, said if isinstance(error, PrefrlError) else f"{type(error).__name__}: {said}"


def _played(run: Run) -> Segment | None:
    """The beginning of an episode of the agent; None if none is saved, or the environment may be a robot."""
    if run.config.record_frames:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged checkpoints the page tells elsewhere
        checkpoint = run.run_dir.latest_checkpoint()
    if checkpoint is None:
        return None
    (episode,) = play(run.config, checkpoint, np.zeros(1), SEED, longest=LONGEST)
    whole = cut([episode], len(episode.actions))
    return whole[0] if whole else None


def _filmed(run: Run, segment: Segment) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent.mp4"
        if segment.film is not None:
            write_mp4(path, show(segment.film), min(segment.film.fps, SMOOTH))
        else:
            with Renderer(run.config.env_id, run.config.env_kwargs, size=SIZE) as renderer:
                write_mp4(path, renderer.iter_frames(segment), min(renderer.fps, SMOOTH))
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
