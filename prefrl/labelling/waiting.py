"""What is said where nothing is asked: before the first question, between two, and at the end."""

from dataclasses import dataclass
from pathlib import Path

from prefrl.data.text import shell
from prefrl.data.verdict import Level
from prefrl.labelling.actions import OFFERS, key_of
from prefrl.labelling.messages import consistency, duration, summary
from prefrl.labelling.state import State
from prefrl.labelling.summary import Summary
from prefrl.store.shown import ShownName

CAPTIONS: dict[ShownName, str] = {"now": "", "before": "Before: at the start", "after": "After: as it is now"}
"""Over what is shown of the agent."""

MARKS: dict[Level, tuple[str, str]] = {
    "good": ("✔", "Good"),
    "doubtful": ("▲", "Doubtful"),
    "bad": ("✖", "Bad"),
    "unknown": ("?", "Unknown"),
}
"""A shape and a word for each level of a verdict, since not everybody sees colours alike."""


@dataclass(frozen=True)
class Words:
    """What is said in the middle."""

    heading: str
    lines: tuple[str, ...] = ()

    is_final: bool = False
    """Whether nothing will happen unless the person does something."""


@dataclass(frozen=True)
class Banner:
    """A warning that stays as long as it is true."""

    sentence: str

    command: str
    """What to type against it."""


def shown(state: State) -> tuple[ShownName, ...]:
    """What of the agent is shown where nothing is asked."""
    last: tuple[ShownName, ...] = ("before", "after")
    both = tuple(name for name in last if name in state.shown) if is_end(state) else ()
    return both or ("now",)


def is_end(state: State) -> bool:
    """Whether the run has taken all its steps, and nothing works on it any more."""
    return state.training is not None and state.training.is_over and not state.training.is_running


def banner(state: State, run_dir: Path) -> Banner | None:
    """Says that nobody trains, unless the run is over."""
    at = state.training
    if at is None or at.is_running or at.is_over:
        return None
    return Banner("No trainer is running. Your answers are kept; go on with:", f"prefrl resume {shell(run_dir)}")


def words(state: State, run_dir: Path, *, error: str | None = None, starts: bool = False) -> Words:
    """What stands in place of the clips.

    `error`: why they cannot be drawn. `starts`: a trainer was started together with the front end.
    """
    if is_end(state):
        return Words("The agent is trained", is_final=True)
    if state.showing is not None:
        return Words("Drawing the clips") if error is None else _cannot_draw(state.showing.kind, error)
    if state.env_id is None:
        return _before_the_run(run_dir, starts)
    return _nothing_to_ask(state)


def _cannot_draw(kind: str, error: str) -> Words:
    keys = [f"{button.key} goes on without them" for button in OFFERS[kind].answers if not button.needs_clips]
    remedy = ", ".join([*keys, f"{key_of('restart')} tries again"])
    return Words("These clips cannot be drawn", (error, remedy), is_final=True)


def _before_the_run(run_dir: Path, starts: bool) -> Words:
    if starts:
        return Words("The training is starting", ("The first questions come as soon as the agent has moved a little.",))
    return Words(
        "Waiting for the run to begin",
        (
            f"{run_dir} has no clips yet; they come soon after a trainer starts",
            f"not started yet?  prefrl train ENV_ID --run-dir {shell(run_dir)}",
            f"stopped?  prefrl resume {shell(run_dir)}",
        ),
    )


def _nothing_to_ask(state: State) -> Words:
    at, train = state.pace, state.training
    if train is not None and train.is_over:
        return Words("The training is over", ("The best of the last agents is chosen; before and after come next.",))
    is_done = at is not None and at.asked_for is not None and at.answered >= at.asked_for
    heading = f"All {at.asked_for:,} answers are given" if is_done and at is not None else "No clips are waiting"
    if train is not None and not train.is_running:
        return Words(heading, is_final=True)
    if is_done:
        return Words(
            heading, ("Thank you. This is the agent now; it trains on, and at the end you see what it learned.",)
        )
    if train is not None and train.num_timesteps == 0 and (at is None or at.answered == 0):
        return Words("The agent is exploring", (_when_clips_come(state, "first questions"),))
    return Words("The agent is practising", (_when_clips_come(state, "next clips"),))


def _when_clips_come(state: State, what: str) -> str:
    if state.others:
        return f"the others have the last clips; {what} soon"
    if state.training is None or state.training.next_clips is None:
        return f"{what} soon"
    if state.training.next_clips < 3:
        return f"{what} any moment"
    return f"{what} in about {duration(state.training.next_clips)}"


def end(state: State, of: Summary | None, run_dir: Path) -> tuple[str, ...]:
    """What the session came to, and what to do next."""
    lines = summary(of) if of is not None and of.labels else []
    if not lines and state.pace is not None:
        lines = [f"{state.pace.answered:,} answers taught it", *([consistency(of)] if of and of.repeats else [])]
    return *lines, f"Judge it, with a film:  prefrl evaluate {shell(run_dir)} --video agent.mp4"


def verdict(state: State, run_dir: Path) -> tuple[Level, str]:
    """What is said of what was learned."""
    if state.verdict is None:
        return "unknown", f"what it learned was not judged yet; prefrl evaluate {shell(run_dir)} does it"
    return state.verdict.level, state.verdict.sentence
