"""What a run says of its reward: when it seems to have learned nothing, and when it is done."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from prefrl.data.verdict import Verdict
from prefrl.errors import PrefrlError
from prefrl.feedback.answer import Answer, standing
from prefrl.rewards.verdict import figures, judged, verdict
from prefrl.runs.run_dir import RunDir
from prefrl.training.alarms import Kind
from prefrl.training.progress import Progress
from prefrl.training.signals import Signals

MORE = 1.25  # times the answers there were when the reward was judged, from which on it is judged again
PREFIX = "signals/foreseen_"  # of the fields of `Foresight` among the signals


def foreseen(run: RunDir, answers: Sequence[Answer], progress: Progress, num_timesteps: int) -> Signals:
    """The figures of the verdict on `answers`, once half of the steps are done: alarms and the verdict share them.

    They take some seconds, so those of an earlier round are given as long as there are few more answers; but not in
    the last round, whose verdict is kept for the end.
    """
    steps = run.config.steps
    if not answers or num_timesteps < steps / 2:
        return {}
    before = next((r for r in reversed(progress.history) if f"{PREFIX}answers" in r), None)
    is_last = num_timesteps >= steps
    if not is_last and before is not None and len(standing(answers)) < MORE * before[f"{PREFIX}answers"]:
        return {key: value for key, value in before.items() if key.startswith(PREFIX)}
    try:
        said = judged(answers, run.config.reward_model, run.verdict())
        if is_last:
            run.write_verdict(said)
    except (PrefrlError, ValueError):
        return {}
    found = figures(said)
    return {} if found is None else {f"{PREFIX}{name}": value for name, value in asdict(found).items()}


def keep_verdict(run: RunDir, answers: Sequence[Answer], progress: Progress) -> None:
    """Say how far the reward that was learned from `answers`, all of the store, can be trusted, and keep it.

    It changes nothing of what was trained, and a run that is done does not fail for it.
    """
    config = run.config
    if config.reward != "learned":
        return
    alarms = progress.history[-1].get("alarms", []) if progress.history else []
    try:
        with progress.trying("judging the reward"):
            said = judged(answers, config.reward_model, run.verdict())
        found = figures(said)
        said = lowered(said if found is None else verdict(found, said.about), [alarm["kind"] for alarm in alarms])
        progress.say(f"{said.sentence}.")
        run.write_verdict(said)
    except (PrefrlError, ValueError) as error:
        progress.say(f"the reward could not be judged ({error})")


def lowered(said: Verdict, alarms: Sequence[Kind]) -> Verdict:
    """`said`, but doubtful in place of good where an alarm of the last round is about the reward that is paid."""
    kinds = [kind.replace("_", " ") for kind in alarms if kind in ("reward_hacking", "dead_ensemble")]
    if said.level != "good" or not kinds:
        return said
    agree = said.sentence.partition(";")[0]
    doubt = f"{agree}, but training ended with an alarm ({', '.join(kinds)}): look at what the agent does"
    return replace(said, level="doubtful", sentence=doubt)
