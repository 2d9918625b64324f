"""The loop: train, ask, learn the reward from the answers, and again."""

import dataclasses
from pathlib import Path

from prefrl.algorithms.registry import check_algorithm
from prefrl.algorithms.watch import Callbacks
from prefrl.config.run import TrainConfig
from prefrl.config.trust import trust
from prefrl.data.episode import Episode
from prefrl.data.text import shell
from prefrl.environments.clips import with_clips
from prefrl.environments.make import time_limit, try_env
from prefrl.errors import CheckpointError, EnvError, StoreError
from prefrl.feedback.answer import Answer, fingerprint
from prefrl.runs.files import json_values
from prefrl.runs.new_path import new_path
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import has_store, held_store, open_store
from prefrl.store.store import Store
from prefrl.training.begin import beginning
from prefrl.training.best_agent import choose
from prefrl.training.feedback_round import FeedbackRounds
from prefrl.training.judging import keep_verdict
from prefrl.training.learner import Learner
from prefrl.training.loggers import check_installed
from prefrl.training.more import Amount, with_more
from prefrl.training.plan import Plan
from prefrl.training.progress import Progress
from prefrl.training.showing import Showing


def train(config: TrainConfig, run_dir: Path | str | None = None, *, callback: Callbacks = None) -> RunDir:
    """Train an agent from preferences in a new folder, and return the folder. Errors are those of `create`.

    Args:
        config: the settings, for example of `preset`.
        run_dir: the folder; by default it is named by the environment and the seed.
        callback: one or several of Stable-Baselines3's, called as by a `learn` of its own in each round. One that
            returns False ends the program's work on the run; `resume` begins the round that it cut short again.
    """
    return _loop(create(config, run_dir), callback)


def create(config: TrainConfig, run_dir: Path | str | None = None) -> RunDir:
    """Make the folder of a run that has not begun yet.

    Raises:
        PrefrlError: the environment, the budget or the folder cannot be used; nothing is created then.
    """
    path = Path(run_dir or new_path(config)).absolute()  # an environment may change the working folder
    trust(config.env_id)
    config = dataclasses.replace(config, run_dir=path)
    check_installed(config)
    limit = try_env(config)
    check_algorithm(config)
    with beginning(config, path) as begun:
        Plan(config, limit, begun.asked)
        return RunDir.create(path, with_clips(begun.config), begun.furnish)


def resume(
    run_dir: Path | str,
    *,
    steps: Amount | None = None,
    labels: Amount | None = None,
    callback: Callbacks = None,
) -> RunDir:
    """Go on with a run from its last checkpoint, or from its beginning if it has none.

    Args:
        run_dir: folder of the run.
        steps: environment steps to train for, in all, or "+N" for so many more; those of the run if None.
        labels: answers to ask for, in the same way. Alone, in a run that has taken all its steps, they bring more of
            these: as many for a label as before.
        callback: as of `train`.

    Raises:
        PrefrlError: the run cannot go on, or has done more than that already; nothing is changed then.
    """
    run = RunDir.open(Path(run_dir))
    if steps is not None or labels is not None:
        give_more(run, steps, labels)
    return _loop(run, callback)


def give_more(run: RunDir, steps: Amount | None, labels: Amount | None) -> None:
    """Write down that `run` is to do more; arguments and errors are those of `resume`."""
    if is_unfinished(run):
        _loop(run)
    with run.lock():
        checkpoint, limit = run.latest_checkpoint(), time_limit(run.config)
        done, asked = None if checkpoint is None else int(checkpoint.state["round"]), 0
        if has_store(run):
            with open_store(run, reads_only=True) as store:
                asked = store.num_questions()
        run.write_config(with_more(run.config, done, steps=steps, labels=labels, time_limit=limit, asked=asked))


def is_unfinished(run: RunDir) -> bool:
    """Whether all rounds are done, but none of the last agents was chosen yet."""
    checkpoint = run.latest_checkpoint()
    if checkpoint is None or "agent_of" in checkpoint.state:
        return False
    return int(checkpoint.state["round"]) == Plan(run.config, time_limit(run.config), run.config.labels).rounds


def _loop(run: RunDir, callback: Callbacks = None) -> RunDir:
    config = run.config
    with run.lock(), held_store(run), open_store(run) as store, Progress(config, run) as progress:
        learner = Learner(config)
        learner.set_logger(progress.logger)
        learner.set_callbacks(callback)
        store.describe(learner.store_info())
        plan = Plan(config, learner.time_limit, store.num_questions())
        round_index, known = restore(learner, store, run)
        feedback, showing = FeedbackRounds(learner, store, plan, progress, known), Showing(config, run)
        progress.go_on(store, round_index, learner.fitted)
        if round_index < 0:
            round_index = 0
            if config.goal is not None:  # a store that others have begun may have another
                store.set_goal(config.goal)
            with progress.timing("explore"):
                episodes = explore(learner, plan, showing)
            feedback.run(round_index, episodes)
            learner.save(run, round_index, known)
        while round_index < plan.rounds:
            round_index += 1
            with progress.timing("train"):
                episodes = learner.train(round_index, plan.steps_after(round_index), progress.on_rollout)
            progress.stopped = learner.ended
            if learner.ended:
                return run  # the round is begun again when the run goes on, so that it ends as it would have
            showing.agent_now(episodes)
            feedback.run(round_index, episodes)
            progress.end_round(round_index, learner, episodes)
            with progress.timing("checkpoint"):
                learner.save(run, round_index, known)
        store.withdraw(claimed_too=True)  # nothing is learned from answers any more, so nobody is asked to give them
        keep_best(learner, run, round_index, known, progress)
        showing.agent_after(learner)
        keep_verdict(run, store.answers(), progress)
    return run


def explore(learner: Learner, plan: Plan, showing: Showing) -> list[Episode]:
    """What the agent does before it is taught, which is shown as well."""
    if not plan.explore_steps:
        return []
    with showing.exploring(learner.recorder):
        episodes = learner.explore(plan.explore_steps)
    showing.agent_before(episodes)
    return episodes


def keep_best(learner: Learner, run: RunDir, round_index: int, known: list[Answer], progress: Progress) -> None:
    """Leave the best of the last agents behind, unless that was done before."""
    last, *earlier = run.whole_checkpoints()
    if not run.has_agent(last):  # killed before it was written
        notes = {key: value for key, value in last.state.items() if key in ("agent_of", "tried")}
        learner.save(run, round_index, known, notes)
        last, *earlier = run.whole_checkpoints()
    if "agent_of" in last.state:
        return
    try:
        with progress.trying():
            trial = choose(learner, earlier)
    except (CheckpointError, EnvError) as error:  # what was trained is saved
        again = f"try again with: prefrl resume {shell(run.path)}"
        progress.say(f"the last agent is kept, since others could not be tried ({error}); {again}")
        return
    if trial.earned:
        progress.tried(trial)
        learner.save(run, round_index, known, notes={"agent_of": trial.best, "tried": json_values(trial.earned)})


def restore(learner: Learner, store: Store, run: RunDir) -> tuple[int, list[Answer]]:
    """Load the last checkpoint: the round it ended, -1 if there is none yet, and the answers it had learned from.

    Raises:
        StoreError: the store has lost some of these.
    """
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        return -1, []
    learner.restore(checkpoint)
    run.rewind(checkpoint)
    known = store.answers(until=checkpoint.state["watermark"])
    if checkpoint.state["answers"] != fingerprint(known):
        raise StoreError(f"{store.name} lacks answers that the run has learned from; restore a copy")
    return int(checkpoint.state["round"]), known
