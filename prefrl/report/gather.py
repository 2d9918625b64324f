"""Gather what a report shows of one run, from its folder alone."""

import json
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.batch import longer, stack
from prefrl.data.segment import Segment
from prefrl.data.verdict import Verdict
from prefrl.errors import CheckpointError
from prefrl.feedback.answer import Answer, informative, is_held_out, standing
from prefrl.feedback.question import Question
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import owners, stated
from prefrl.rewards.metrics import answer_probability
from prefrl.rewards.verdict import judged as verdict_on
from prefrl.rewards.verdict import paid_true
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import has_store, open_store
from prefrl.training.learner import load_ensemble

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """The segments that were asked about, as the latest reward model sees them. Axes: S segments, T steps, B answers.

    Rewards are in the units that the agent is paid in: mean 0 and, as a rule, standard deviation 1 on its behaviour
    before the last fit.
    """

    segments: list[Segment]
    shown_in: list[tuple[int, int]]
    """Of each segment: a question that shows it, and its place there."""

    num_timesteps: NDArray[np.int64]
    """(S,) steps the agent had trained for when the segment was recorded."""

    rewards: Floats
    """(S, T) learned reward of each step, absorbing steps included; 0 after the end of a shorter segment."""

    answers: list[Answer]
    """(B,) those that a reward can be fitted to, once for each of their choices between two options."""

    probabilities: Floats
    """(B,) stated probability that the teacher chooses the first of the two."""

    targets: Floats
    """(B,) what was answered: 1 the first, 0 the second, or 0.5 for a tie."""

    held_out: NDArray[np.bool_]
    """(B,) whether no gradient came from the answer."""

    @cached_property
    def returns(self) -> Floats:
        """(S,) learned return of each segment."""
        returns: Floats = self.rewards.sum(1)
        return returns

    @cached_property
    def true_returns(self) -> Floats:
        """(S,) true return of each segment."""
        return np.array([segment.true_return for segment in self.segments])

    @cached_property
    def living(self) -> NDArray[np.bool_]:
        """(S, T) whether a step was taken alive."""
        return stack(self.segments).lived

    @cached_property
    def true_rewards(self) -> Floats:
        """(S, T) true reward of each step."""
        steps = self.living.shape[1]
        return np.stack([longer(segment.true_rewards, steps) for segment in self.segments]).astype(float)


def standardise(values: Floats, like: Floats) -> Floats:
    """`values` in standard deviations of `like` from its mean, so that rewards of any unit can be seen together."""
    standard: Floats = (values - like.mean()) / (like.std() or 1.0)
    return standard


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as far as it has come."""

    run_dir: RunDir
    name: str
    config: TrainConfig
    versions: dict[str, str]
    git_commit: str | None

    metrics: list[dict[str, Any]]
    """Lines of metrics.jsonl, one a round."""

    goal: str | None
    answers: list[Answer]
    """All but repeats, those included that were replaced or taken back."""

    by_annotator: dict[str, list[Answer]]
    """Annotator -> their answers that count, repeats included."""

    judged: Judged | None
    """None if there is no reward model to judge by, or nothing to judge."""

    notes: list[str] = field(default_factory=list)
    """What is missing, and why."""

    verdict: Verdict = field(default_factory=paid_true)
    """Whether the reward can be trusted, as `evaluate` says it."""

    @property
    def learned(self) -> bool:
        """Whether the agent is paid a learned reward."""
        return self.config.reward == "learned"

    @property
    def num_timesteps(self) -> int:
        return int(self.metrics[-1]["num_timesteps"]) if self.metrics else 0

    def series(self, x: str, y: str) -> tuple[Floats, Floats]:
        """Two columns of the metrics, rounds left out in which either is missing."""
        pairs = [(r[x], r[y]) for r in self.metrics if r.get(x) is not None and r.get(y) is not None]
        xs, ys = zip(*pairs, strict=True) if pairs else ((), ())
        return np.array(xs, float), np.array(ys, float)


def gather(path: Path, name: str) -> Run:
    """Everything about the run in `path`, which is only read.

    Raises:
        UsageError: it is no run folder.
        StoreError: its preferences are damaged.
    """
    torch.set_num_threads(1)  # small nets are fastest so
    run_dir = RunDir.open(path)
    config, saved = run_dir.config, json.loads((path / "config.json").read_bytes())
    answers: list[Answer] = []
    by_annotator: dict[str, list[Answer]] = {}
    goal = config.goal
    if has_store(run_dir):
        with open_store(run_dir, reads_only=True) as store:
            given, info = store.answers(repeats=True), store.info()
            answers = [answer for answer in given if not answer.is_repeat]
            by_annotator = _by_annotator(given)
            goal = info.goal if info else goal
    paid_true_reward = config.reward == "true"
    judged, notes = (None, []) if paid_true_reward else _judge(run_dir, config, answers)
    return Run(
        run_dir,
        name,
        config,
        saved.get("versions", {}),
        saved.get("git_commit"),
        run_dir.metrics(),
        goal,
        answers,
        by_annotator,
        judged,
        notes,
        paid_true() if paid_true_reward else verdict_on(answers, config.reward_model, run_dir.verdict()),
    )


def _by_annotator(given: list[Answer]) -> dict[str, list[Answer]]:
    """Annotator -> their answers that count, repeats included, in order."""
    count = {answer.seq for repeats in (False, True) for answer in standing(given, repeats=repeats)}
    names = dict.fromkeys(answer.annotator for answer in given if not answer.is_repeat)
    return {name: [a for a in given if a.annotator == name and a.seq in count] for name in names}


def _judge(run_dir: RunDir, config: TrainConfig, answers: list[Answer]) -> tuple[Judged | None, list[str]]:
    notes: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            checkpoint = run_dir.latest_checkpoint()
        notes = [str(warning.message) for warning in caught]
        if checkpoint is None:
            return None, ["The run has no checkpoint yet, so there is no reward model to show."]
        ensemble = load_ensemble(checkpoint)
    except CheckpointError as error:
        return None, [f"There is no reward model to show: {error}."]
    if not informative(answers):
        return None, [*notes, "Nobody has compared clips yet, so the reward model has learned nothing."]
    return judge(ensemble, answers, config.reward_model), notes


@torch.inference_mode()
def judge(ensemble: RewardEnsemble, answers: list[Answer], config: RewardConfig) -> Judged:
    """What `ensemble`, fitted to `answers` with `config`, makes of them."""
    shown: dict[int, tuple[Segment, Question, int]] = {}
    for answer in standing(answers):
        for place, segment in enumerate(answer.question.segments):
            shown.setdefault(id(segment), (segment, answer.question, place))
    segments = [segment for segment, _, _ in shown.values()]
    batch = stack(segments)
    rewards = (ensemble.step_rewards(batch).mean(0) - ensemble.output_mean) / ensemble.output_std
    used = informative(answers)
    logits, targets = stated(ensemble, used)
    of_answer = owners(used)
    return Judged(
        segments=segments,
        shown_in=[(question.id or 0, place) for _, question, place in shown.values()],
        num_timesteps=np.array([question.num_timesteps for _, question, _ in shown.values()]),
        rewards=np.where(batch.real[:, 1:], rewards.double().numpy(), 0.0),
        answers=[used[i] for i in of_answer],
        probabilities=answer_probability(logits, config.random_answers),
        targets=targets,
        held_out=is_held_out(used, config.held_out)[of_answer],
    )
