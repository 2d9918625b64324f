"""One round of feedback: ask about what the agent just did, wait for answers, learn the reward from all of them."""

from collections.abc import Sequence

import numpy as np

from prefrl.algorithms.seeds import ANSWER, ASK, derive_seed
from prefrl.config.teachers import TRAITS
from prefrl.data.episode import Episode, cut
from prefrl.data.segment import Segment
from prefrl.errors import EnvError, UsageError
from prefrl.feedback.answer import Answer, can_fit
from prefrl.store.store import Store
from prefrl.teachers.base import answer_pending
from prefrl.teachers.human import step_back, wait_for_answers, wait_while_somebody_answers
from prefrl.teachers.registry import make_teacher
from prefrl.training.judging import foreseen
from prefrl.training.learner import Learner
from prefrl.training.plan import Plan
from prefrl.training.progress import Progress
from prefrl.training.selection import select
from prefrl.training.signals import after_fit, before_fit, learned_return


class FeedbackRounds:
    """Asks, waits and learns, round after round. `known` holds the answers learned from so far, in order."""

    def __init__(self, learner: Learner, store: Store, plan: Plan, progress: Progress, known: list[Answer]) -> None:
        self.learner, self.store, self.plan, self.progress, self.known = learner, store, plan, progress, known

    def run(self, round_index: int, episodes: list[Episode]) -> None:
        """Ask about `episodes` what the plan says, wait for as many answers as it wants, and learn from all so far."""
        config = self.learner.config
        with self.progress.timing("ask"):
            segments = cut(episodes, config.segment_length) if config.reward == "learned" else []
            ask(self.learner, self.store, self.plan, round_index, segments, self.known)
        self._have_answered(round_index)
        if config.reward == "learned":
            self._learn(round_index, episodes, segments)

    def _have_answered(self, round_index: int) -> None:
        config = self.learner.config
        if TRAITS[config.teacher].at_once:
            rng = np.random.default_rng(derive_seed(config.seed, ANSWER, round_index))
            answer_pending(self.store, make_teacher(config), rng)
        else:
            step_back()  # from now on somebody may wait for clips
            with self.progress.timing("wait"):
                wait_for_answers(self.store, self.plan.answers_needed(round_index), self.progress.on_wait)
                if self.plan.is_last_chance(round_index):
                    wait_while_somebody_answers(self.store, self.plan.labels_after(round_index), self.progress.on_last)

    def _learn(self, round_index: int, episodes: list[Episode], segments: list[Segment]) -> None:
        """Fit the reward to all answers, if there are new ones, and note what it is like before and after."""
        ensemble, progress, known = self.learner.ensemble, self.progress, self.known
        new = self.store.answers(after=(known[-1].seq or 0) if known else 0)
        with progress.timing("signals"):
            if can_fit(known):  # a reward was fitted and paid
                progress.observe(before_fit(ensemble, new, segments))
        if new:
            known += new
            with progress.timing("fit"):
                self.learner.learn_reward(round_index, known, episodes, segments)
            progress.note(self.store, self.learner.fitted)
        with progress.timing("signals"):
            progress.observe(after_fit(ensemble, known, segments) | learned_return(ensemble, episodes))
            progress.observe(foreseen(progress.run, known, progress, self.learner.num_timesteps))


def ask(
    learner: Learner, store: Store, plan: Plan, round_index: int, segments: list[Segment], known: Sequence[Answer]
) -> None:
    """Put as many questions about `segments` into the store as `plan` wants by the end of that round.

    `known`: the answers that the reward was learned from.
    """
    config, labels = learner.config, plan.asked_after(round_index)
    is_due = plan.labels_after(round_index) > plan.labels_after(round_index - 1)
    renews = is_due and TRAITS[config.teacher].prefers_fresh
    # 0 if a run that was killed here had asked already
    missing = labels - (store.num_answers() if renews else store.num_questions())
    if missing <= 0:
        return
    if config.record_frames:
        segments = filmed(segments, f"--{config.algorithm}.n-envs")
    elif TRAITS[config.teacher].needs_clips:
        segments = drawable(segments, config.env_id)
    if renews:  # those that are asked ahead of the plan need not all be found
        planned = plan.labels_after(round_index) - store.num_answers()
        missing = max(planned, min(missing, len(segments) * (len(segments) - 1) // 2))
    predict = learner.ensemble.returns if can_fit(known) else None  # before the first fit, pairs are alike
    rng = np.random.default_rng(derive_seed(config.seed, ASK, round_index))
    asked = select(config.selector, segments, missing, config.candidates, predict, learner.num_timesteps, rng)
    if renews:  # what the agent does now is worth more of a person's time than what it did then
        store.withdraw()
        asked = asked[: max(0, labels - store.num_questions())]  # but for those that they look at
    store.add_questions(asked)


def drawable(segments: list[Segment], env_id: str) -> list[Segment]:
    """Those of `segments` that clips can be drawn of.

    Raises:
        EnvError: there are none.
    """
    kept = [segment for segment in segments if segment.can_be_drawn]
    if segments and not kept:
        raise EnvError(
            f"no clip of {env_id} can be drawn: it changes in its simulator's model what cannot be kept, and no seed "
            "of its resets is known; start anew with --record-frames"
        )
    return kept


def filmed(segments: list[Segment], flag: str) -> list[Segment]:
    """Those of `segments` whose pictures memory had room for: the latest. `flag` sets the number of environments.

    Raises:
        UsageError: it had room for none.
    """
    kept = [segment for segment in segments if segment.film is not None]
    if segments and not kept:
        raise UsageError(f"memory holds the pictures of no whole clip; lower {flag} or --segment-length")
    return kept
