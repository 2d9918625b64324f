"""Every sentence on the screen: pure functions of the state, the same in every front end."""

from prefrl.feedback.answer import Answer
from prefrl.labelling.actions import OFFERS, AnswerButton, key_of
from prefrl.labelling.state import State
from prefrl.labelling.summary import Summary, said
from prefrl.labelling.trainer_status import Training

ENDED = "ended"
"""Over a clip whose episode is over."""

HELP = "Keys"
"""Heading of the page that explains them."""

GAP = "   ·   "
"""Between two pieces of a line."""

FEW = 10
"""Fewer answers than that give no percentage."""

NOT_NEEDED = "Somebody else was faster; your answer was not needed"
NOTHING_TO_TAKE_BACK = "There is nothing to take back"


def question(kind: str | None) -> str:
    """What is asked; nothing before the first question."""
    return OFFERS[kind].question if kind is not None else ""


def goal(state: State) -> str:
    """What to judge by; nothing if nobody said it."""
    return f"Goal: {state.goal}" if state.goal else ""


def training(state: State) -> str:
    """The trainer's progress."""
    at = state.training
    return "" if at is None else f"step {at.num_timesteps:,} of {at.steps:,}{GAP}{_learned(at)}"


def _learned(at: Training) -> str:
    if at.is_over:
        return "training is over"
    if not at.is_running:
        return "nobody trains it"
    if at.agreement is None:
        return "nothing has been learned yet"
    if at.held_out is not None and at.held_out < FEW:
        return "too early to say what it has learned"
    return f"agrees with {at.agreement:.0%} of held-out answers"


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
    return GAP.join(parts)


def progress(state: State) -> float:
    """Share of the answers asked for that is given."""
    at = state.pace
    return min(1.0, at.answered / at.asked_for) if at is not None and at.asked_for else 0.0


def not_seen_yet(button: AnswerButton) -> str:
    """Asks to confirm an answer that came before the clips were seen to their end."""
    return f"Not seen to the end yet: {button.key} once more if you are sure"


def took_back(answer: Answer | None) -> str:
    """What an undo took back."""
    return NOTHING_TO_TAKE_BACK if answer is None or answer.value is None else f"Took back: {said(answer)}"


def no_answer(reason: str) -> str:
    """Why what a front end sent was not stored."""
    return f"That was no answer: {reason}"


def failed(error: str, is_busy: bool) -> str:
    """What goes wrong; `is_busy` while an answer waits for it."""
    return f"Not stored yet, trying again: {error}" if is_busy else error


def summary(of: Summary) -> list[str]:
    """What a session came to."""
    parts = ", ".join(f"{count} {word}" for word, count in of.said)
    lines = [f"{_count(of.labels, 'label')} in {of.minutes:.1f} min" + (f": {parts}" if parts else "")]
    besides = [_count(of.repeated, "hidden repeat")] if of.repeated else []
    besides += [f"{_count(of.taken_back, 'answer')} taken back"] if of.taken_back else []
    if besides:
        lines.append(f"not counted: {', '.join(besides)}")
    lines.append(consistency(of))
    if of.side_p < 0.05:
        sides = ", ".join(f"{side} {_count(count, 'time')}" for side, count in of.sides)
        p = f"p = {of.side_p:.3f}" if of.side_p >= 0.001 else "p < 0.001"
        lines.append(f"in all your answers to this run {sides}: a favourite side? ({p})")
    return lines


def consistency(of: Summary) -> str:
    """Whether the person answers the same when asked again, in all of the run."""
    if not of.repeats:
        return "no hidden repeat was answered yet, so consistency is not known"
    share = f" ({of.consistent / of.repeats:.0%})" if of.repeats >= FEW else ""
    return f"same answer on {of.consistent} of {_count(of.repeats, 'hidden repeat')} in this run{share}"


def so_far(of: Summary) -> tuple[str, ...]:
    """What a person is shown before leaving."""
    return "So far", *summary(of), f"{key_of('leave')} leaves, any other key goes on"


def duration(seconds: float) -> str:
    """Rounded for people: 20 s, 7 min, 1 h 5 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
