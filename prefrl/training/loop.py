"""The loop: practise, ask, learn the reward from the answers, and again."""

import dataclasses
from pathlib import Path

from prefrl.config.run import TrainConfig
from prefrl.environments.make import try_env
from prefrl.errors import CheckpointError, EnvError, StoreError
from prefrl.feedback.answer import Preference, fingerprint
from prefrl.rendering.clips import Renderer
from prefrl.runs.files import json_values
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.best_agent import choose
from prefrl.training.feedback_round import teach
from prefrl.training.learner import Learner
from prefrl.training.loggers import check_installed
from prefrl.training.plan import Plan
from prefrl.training.progress import Progress


def train(config: TrainConfig, run_dir: Path | str | None = None) -> RunDir:
    """Train an agent from preferences in a new folder, and return the folder. Errors are those of `create`."""
    return _loop(create(config, run_dir))


def create(config: TrainConfig, run_dir: Path | str | None = None) -> RunDir:
    """Make the folder of a run that has not begun yet.

    Raises:
        PrefrlError: the environment, the budget or the folder cannot be used; nothing is created then.
    """
    path = Path(run_dir or config.run_dir or f"runs/{config.env_id.replace('/', '-')}-{config.seed}")
    config = dataclasses.replace(config, run_dir=path)
    check_installed(config)
    Plan(config, try_env(config))  # refuses an environment that cannot be used, and a budget that cannot be met
    if config.teacher == "human" or config.record_frames:
        Renderer(config.env_id, config.env_kwargs).close()  # or shown
    return RunDir.create(path, config)


def resume(run_dir: Path | str) -> RunDir:
    """Go on with a run from its last checkpoint, or from its beginning if it has none."""
    return _loop(RunDir.open(Path(run_dir)))


def _loop(run: RunDir) -> RunDir:
    config = run.config
    with run.lock(), Store(run.store_url) as store, Progress(config, run) as progress:
        learner = Learner(config)
        learner.agent.set_logger(progress.logger)
        store.describe(learner.store_info())
        plan = Plan(config, learner.time_limit)
        span, known = restore(learner, store, run)
        progress.go_on(store, span)
        if span < 0:
            span = 0
            with progress.timing("explore"):
                episodes = learner.explore(plan.explore_steps) if plan.explore_steps else []
            teach(learner, store, plan, span, episodes, known, progress)
            learner.save(run, span, known)
        while span < plan.spans:
            span += 1
            with progress.timing("practise"):
                episodes = learner.practise(span, plan.steps_after(span), progress.on_rollout)
            teach(learner, store, plan, span, episodes, known, progress)
            progress.end_span(span, learner, episodes)
            with progress.timing("checkpoint"):
                learner.save(run, span, known)
        store.withdraw(claimed_too=True)  # nothing is learned from answers any more, so nobody is asked to give them
        choose_last(learner, run, span, known, progress)
    return run


def choose_last(learner: Learner, run: RunDir, span: int, known: list[Preference], progress: Progress) -> None:
    """Leave the best of the last agents behind, unless that was done before."""
    last, *earlier = run.whole_checkpoints()
    if not run.has_agent(last):  # killed before it was written
        notes = {key: value for key, value in last.state.items() if key in ("agent_of", "tried")}
        learner.save(run, span, known, notes)
        last, *earlier = run.whole_checkpoints()
    if "agent_of" in last.state:
        return
    try:
        with progress.trying():
            trial = choose(learner, earlier)
    except (CheckpointError, EnvError) as error:  # what was trained is saved
        again = f"try again with: prefrl resume {run.path}"
        progress.say(f"the last agent is kept, since others could not be tried ({error}); {again}")
        return
    if trial.earned:
        progress.tried(trial)
        learner.save(run, span, known, notes={"agent_of": trial.best, "tried": json_values(trial.earned)})


def restore(learner: Learner, store: Store, run: RunDir) -> tuple[int, list[Preference]]:
    """Load the last checkpoint: the span it ended, -1 if there is none yet, and the preferences it had learned from.

    Raises:
        StoreError: the store has lost some of these.
    """
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        return -1, []
    learner.restore(checkpoint)
    run.rewind(checkpoint)
    known = [p for p in store.preferences() if p.seq <= checkpoint.state["watermark"]]
    if checkpoint.state["answers"] != fingerprint(known):
        raise StoreError(f"{run.path}/preferences.sqlite lacks answers that the run has learned from; restore a copy")
    return int(checkpoint.state["span"]), known
