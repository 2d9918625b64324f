"""The loop: practise, ask, learn the reward from the answers, and again."""

import dataclasses
from pathlib import Path

import numpy as np

from prefrl.agents import ANSWER, check_env, derive_seed
from prefrl.ask import ask
from prefrl.clips import Renderer
from prefrl.config import TrainConfig
from prefrl.learner import Learner
from prefrl.plan import Plan
from prefrl.progress import Progress
from prefrl.run_dir import RunDir
from prefrl.segments import Episode
from prefrl.store import Store, effective
from prefrl.teachers import Oracle, answer_pending, wait_for_answers
from prefrl.types import Preference


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
    Plan(config)  # refuses a budget that cannot be met
    check_env(config)  # and an environment that cannot be used
    if config.teacher == "human":
        Renderer(config.env_id, config.env_kwargs).close()  # or shown
    return RunDir.create(path, config)


def resume(run_dir: Path | str) -> RunDir:
    """Go on with a run from its last checkpoint, or from its beginning if it has none."""
    return _loop(RunDir.open(Path(run_dir)))


def _loop(run: RunDir) -> RunDir:
    config, plan = run.config, Plan(run.config)
    known: list[Preference] = []
    with run.lock(), Store(run.store_url) as store, Progress(config, run) as progress:
        learner = Learner(config)
        learner.agent.set_logger(progress.logger)
        store.describe(learner.store_info())
        span = learner.restore(run)
        if span < 0:
            span = 0
            if plan.explore_steps:
                with progress.timing("explore"):
                    episodes = learner.explore(plan.explore_steps)
                teach(learner, store, plan, span, episodes, known, progress)
            learner.save(run, span, store.watermark())  # so that a resumed run learns this reward from no later answer
        while span < plan.spans:
            span += 1
            with progress.timing("practise"):
                episodes = learner.practise(span, plan.steps_after(span), progress.on_rollout)
            teach(learner, store, plan, span, episodes, known, progress)
            with progress.timing("checkpoint"):
                learner.save(run, span, store.watermark())
            progress.end_span(span, learner, episodes)
    return run


def teach(
    learner: Learner,
    store: Store,
    plan: Plan,
    span: int,
    episodes: list[Episode],
    known: list[Preference],
    progress: Progress,
) -> None:
    """Ask about `episodes` what the plan says, wait for as many answers as it wants, and learn from all so far.

    `known`: the preferences read so far; new ones are appended.
    """
    config = learner.config
    with progress.timing("ask"):
        ask(learner, store, plan.labels_after(span), span, episodes)
    if config.teacher == "oracle":
        answer_pending(store, Oracle(config.oracle), np.random.default_rng(derive_seed(config.seed, ANSWER, span)))
    else:
        with progress.timing("wait"):
            wait_for_answers(store, plan.answers_needed(span), progress.on_wait)
    new = store.preferences(after=known[-1].seq if known else 0)
    if new:
        known += new
        with progress.timing("fit"):
            progress.note(store, learner.learn_reward(span, effective(known), episodes))
