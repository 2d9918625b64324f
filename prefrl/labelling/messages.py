"""What the screen says, in words: pure functions of the state, shared by every front end."""

from pathlib import Path

from prefrl.feedback.comparison import Choice
from prefrl.labelling.player import Stage
from prefrl.labelling.service import State

KEY_NAMES: dict[Choice, str] = {"left": "←", "right": "→", "tie": "↑", "skip": "↓"}


def goal(state: State) -> str:
    """What to judge by."""
    return state.goal or "Which clip is better?"


def training(state: State) -> tuple[str, ...]:
    """The trainer's progress, in two lines."""
    at = state.training
    if at is None:
        return ()
    first = f"step {at.num_timesteps:,} of {at.steps:,}"
    if at.is_over:
        return first, "training is over"
    if not at.is_running:
        return first, "no trainer at work; answers are kept"
    if at.agreement is None:
        return first, "learning has not begun"
    return first, f"agrees with {at.agreement:.0%} of held-out answers"


def pace(state: State) -> str:
    """How far the labelling has come."""
    at = state.pace
    if at is None:
        return ""
    parts = [f"{at.answered:,} of {at.asked_for:,} answered" if at.asked_for else f"{at.answered:,} answered"]
    if at.per_hour is not None:
        parts.append(f"{at.per_hour:,.0f} an hour")
    is_over = state.training is not None and state.training.is_over
    if at.seconds_left and not is_over:
        parts.append(f"{duration(at.seconds_left)} left at this pace")
    if state.others:
        parts.append(f"{state.others} more labelling")
    return "   ·   ".join(parts)


def progress(state: State) -> float:
    """Share of the answers asked for that is given."""
    at = state.pace
    return min(1.0, at.answered / at.asked_for) if at is not None and at.asked_for else 0.0


def stage(state: State, clips: Stage | None, run_dir: Path) -> tuple[str, ...]:
    """What to say in place of clips."""
    if clips is not None and clips.error is not None:
        return "These clips cannot be drawn", clips.error, "↓ goes on without them, R tries again"
    if clips is not None and clips.showing is not None:
        return ("Drawing the clips",)
    if state.env_id is None:
        return (
            "Waiting for the run to begin",
            f"{run_dir} has no clips yet; they come soon after a trainer starts",
            f"not started yet? prefrl train ENV_ID --run-dir {run_dir}",
            f"stopped? prefrl resume {run_dir}",
        )
    at, train = state.pace, state.training
    if train is not None and train.is_over:
        return (
            "The agent is trained",
            f"Thank you. Esc leaves; watch it with prefrl evaluate {run_dir} --video agent.mp4",
        )
    is_done = at is not None and at.asked_for is not None and at.answered >= at.asked_for
    heading = f"All {at.asked_for:,} answers are given" if is_done and at is not None else "No clips are waiting"
    if train is not None and not train.is_running:
        return heading, f"No trainer is at work; go on with prefrl resume {run_dir}"
    if is_done:
        return heading, "Thank you. The agent goes on with what it learned; Esc leaves"
    if state.others:
        return "The agent is practising", "the last clips are with the others; next clips soon"
    if train is None or train.next_clips is None:
        return "The agent is practising", "next clips soon"
    soon = train.next_clips < 3
    return (
        "The agent is practising",
        "next clips any moment" if soon else f"next clips in about {duration(train.next_clips)}",
    )


def duration(seconds: float) -> str:
    """Rounded for people: 20 s, 7 min, 1 h 5 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
