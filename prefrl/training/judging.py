"""What a run says of its reward when it is done."""

from collections.abc import Sequence

from prefrl.errors import PrefrlError
from prefrl.feedback.answer import Answer
from prefrl.rewards.verdict import judged
from prefrl.runs.run_dir import RunDir
from prefrl.training.progress import Progress


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
