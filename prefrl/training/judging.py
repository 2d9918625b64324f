"""What a run says of its reward: when it seems to have learned nothing, and when it is done."""

from collections.abc import Sequence
from dataclasses import asdict

from prefrl.errors import PrefrlError
from prefrl.feedback.answer import Answer, standing
from prefrl.rewards.verdict import figures, judged
from prefrl.runs.run_dir import RunDir
from prefrl.training.alarms import too_few_labels
from prefrl.training.progress import Progress
from prefrl.training.signals import Signals

MORE = 1.25  # times the answers there were when the reward was judged, from which on it is judged again
PREFIX = "signals/foreseen_"  # of the fields of `Foresight` among the signals


def foreseen(run: RunDir, answers: Sequence[Answer], progress: Progress, num_timesteps: int) -> Signals:
    """The figures of the verdict on `answers`, if a few held-out ones say that too little was learned; else none.

    They take some seconds, so those of an earlier round are given as long as there are few more answers.
    """
    record = {**progress.learned, **progress.signals, "num_timesteps": num_timesteps}
    if too_few_labels([*progress.history, record], run.config.steps) is None:
        return {}
    before = next((r for r in reversed(progress.history) if f"{PREFIX}answers" in r), None)
    if before is not None and len(standing(answers)) < MORE * before[f"{PREFIX}answers"]:
        return {key: value for key, value in before.items() if key.startswith(PREFIX)}
    try:
        found = figures(judged(answers, run.config.reward_model, run.verdict()))
    except (PrefrlError, ValueError):
        return {}
    return {} if found is None else {f"{PREFIX}{name}": value for name, value in asdict(found).items()}


def keep_verdict(run: RunDir, answers: Sequence[Answer], progress: Progress) -> None:
    """Say how far the reward that was learned from `answers`, all of the store, can be trusted, and keep it.

    It changes nothing of what was trained, and a run that is done does not fail for it.
    """
    config = run.config
    if config.reward != "learned":
        return
    try:
        with progress.trying("judging the reward"):
            found = judged(answers, config.reward_model, run.verdict())
        progress.say(f"{found.sentence}.")
        run.write_verdict(found)
    except (PrefrlError, ValueError) as error:
        progress.say(f"the reward could not be judged ({error})")
