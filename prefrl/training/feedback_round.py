"""Teach: ask about what the agent just did, have it answered, and learn the reward from the answers."""

from collections.abc import Sequence

import numpy as np

from prefrl.algorithms.saving import ANSWER, ASK, derive_seed
from prefrl.data.episode import Episode, cut
from prefrl.data.segment import Segment
from prefrl.errors import UsageError
from prefrl.feedback.answer import Preference
from prefrl.rewards.fit import can_fit
from prefrl.store.store import Store
from prefrl.teachers.base import answer_pending
from prefrl.teachers.human import wait_for_answers
from prefrl.teachers.oracle import Oracle
from prefrl.training.learner import Learner
from prefrl.training.plan import Plan
from prefrl.training.progress import Progress
from prefrl.training.selection import select
from prefrl.training.signals import after_fit, before_fit, learned_return


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
        segments = cut(episodes, config.segment_length) if config.reward == "learned" else []
        ask(learner, store, plan.labels_after(span), span, segments, known)
    if config.teacher == "oracle":
        answer_pending(store, Oracle(config.oracle), np.random.default_rng(derive_seed(config.seed, ANSWER, span)))
    else:
        with progress.timing("wait"):
            wait_for_answers(store, plan.answers_needed(span), progress.on_wait)
    learn(learner, store, span, episodes, segments, known, progress)


def learn(
    learner: Learner,
    store: Store,
    span: int,
    episodes: list[Episode],
    segments: list[Segment],
    known: list[Preference],
    progress: Progress,
) -> None:
    """Fit the reward to all answers, if there are new ones, and tell `progress` what it is like before and after.

    `segments`: of the `episodes`, which are the latest.
    """
    if learner.config.reward == "true":
        return
    new = store.preferences(after=known[-1].seq if known else 0)
    with progress.timing("signals"):
        if can_fit(known):  # a reward was fitted and paid
            progress.observe(before_fit(learner.ensemble, new, segments))
    if new:
        known += new
        with progress.timing("fit"):
            progress.note(store, learner.learn_reward(span, known, episodes, segments))
    with progress.timing("signals"):
        progress.observe(after_fit(learner.ensemble, known, segments) | learned_return(learner.ensemble, episodes))


def ask(
    learner: Learner, store: Store, labels: int, span: int, segments: list[Segment], known: Sequence[Preference]
) -> None:
    """Put so many queries about `segments` into the store that it has asked for `labels` in all.

    `known`: the preferences that the reward was learned from.
    """
    config = learner.config
    if labels > store.num_queries() and config.teacher == "human":
        store.withdraw()  # what the agent does now is worth more of a person's time than what it did then
    missing = labels - store.num_queries()  # 0 if a run that was killed here had asked already
    if missing > 0:
        predict = learner.ensemble.returns if can_fit(known) else None  # before the first fit, pairs are alike
        rng = np.random.default_rng(derive_seed(config.seed, ASK, span))
        if config.record_frames:
            segments = filmed(segments)
        store.add_queries(
            select(config.selector, segments, missing, config.candidates, predict, learner.num_timesteps, rng)
        )


def filmed(segments: list[Segment]) -> list[Segment]:
    """Those of `segments` whose pictures memory had room for: the latest.

    Raises:
        UsageError: it had room for none.
    """
    kept = [segment for segment in segments if segment.film is not None]
    if segments and not kept:
        raise UsageError(
            "memory holds the pictures of no whole clip; lower --ppo.n-envs (or --sac.n-envs) or --segment-length"
        )
    return kept
