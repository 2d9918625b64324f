"""Gather what a report tells about one run, from its folder alone."""

import json
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefrl.config.run import RewardConfig, TrainConfig
from prefrl.data.episode import stack
from prefrl.data.segment import Segment
from prefrl.errors import CheckpointError
from prefrl.feedback.answer import Preference, effective
from prefrl.feedback.comparison import target
from prefrl.feedback.question import Query
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import is_held_out, usable
from prefrl.rewards.metrics import answer_probability
from prefrl.runs.run_dir import RunDir
from prefrl.store.claims import Desk, Given
from prefrl.store.store import Store
from prefrl.training.learner import load_ensemble

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """The segments that were asked about, as the latest reward model sees them. Axes: S segments, T steps, B answers.

    Rewards are in the units that the agent is paid in: mean 0 and, as a rule, standard deviation 1 on its behaviour
    before the last fit.
    """

    segments: list[Segment]
    query_ids: list[tuple[int, str]]
    """Of each segment: a question that shows it, and the side."""

    num_timesteps: NDArray[np.int64]
    """(S,) steps the agent had trained for when the segment was recorded."""

    rewards: Floats
    """(S, T) learned reward of each step; absorbing steps included."""

    answers: list[Preference]
    """Those that a reward can be fitted to."""

    probabilities: Floats
    """(B,) stated probability that the teacher says left, of each answer."""

    targets: Floats
    """(B,) what was answered: 1, 0, or 0.5 for a tie."""

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
        return np.stack([~segment.absorbing[:-1] for segment in self.segments])

    @cached_property
    def true_rewards(self) -> Floats:
        """(S, T) true reward of each step."""
        return np.stack([segment.true_rewards for segment in self.segments]).astype(float)


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
    """Lines of metrics.jsonl, one a span."""

    goal: str | None
    preferences: list[Preference]

    given: dict[str, list[Given]]
    """Annotator -> what they answered and did not take back."""

    judged: Judged | None
    """None if there is no reward model to judge by, or nothing to judge."""

    notes: list[str] = field(default_factory=list)
    """What could not be told, and why."""

    @property
    def learned(self) -> bool:
        """Whether the agent is paid a learned reward."""
        return self.config.reward == "learned"

    @property
    def num_timesteps(self) -> int:
        return int(self.metrics[-1]["num_timesteps"]) if self.metrics else 0

    def series(self, x: str, y: str) -> tuple[Floats, Floats]:
        """Two columns of the metrics, spans left out in which either is missing."""
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
    preferences: list[Preference] = []
    given: dict[str, list[Given]] = {}
    goal = config.goal
    if (path / "preferences.sqlite").is_file():
        with Store(run_dir.store_url) as store:
            preferences, info = store.preferences(), store.info()
            names = dict.fromkeys(p.annotator for p in preferences)
            given = {annotator: Desk(store).log(annotator) for annotator in names}
            goal = info.goal if info else goal
    paid_true = config.reward == "true"
    judged, notes = (None, []) if paid_true else _judge(run_dir, config, preferences)
    return Run(
        run_dir,
        name,
        config,
        saved.get("versions", {}),
        saved.get("git_commit"),
        run_dir.metrics(),
        goal,
        preferences,
        given,
        judged,
        notes,
    )


def _judge(run_dir: RunDir, config: TrainConfig, preferences: list[Preference]) -> tuple[Judged | None, list[str]]:
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
    if not usable(preferences):
        return None, [*notes, "Nobody has compared clips yet, so the reward model has learned nothing."]
    return judge(ensemble, preferences, config.reward_model), notes


@torch.inference_mode()
def judge(ensemble: RewardEnsemble, preferences: list[Preference], config: RewardConfig) -> Judged:
    """What `ensemble`, fitted to `preferences` with `config`, makes of them."""
    shown: dict[int, tuple[Segment, Query, str]] = {}
    for preference in effective(preferences):
        query = preference.query
        for side, segment in (("left", query.left), ("right", query.right)):
            shown.setdefault(id(segment), (segment, query, side))
    place = {key: index for index, key in enumerate(shown)}
    segments = [segment for segment, _, _ in shown.values()]
    raw = ensemble.step_rewards(*stack(segments)).mean(0)
    answers = usable(preferences)
    sides = np.array([[place[id(p.query.left)], place[id(p.query.right)]] for p in answers])
    returns = raw.sum(1)[sides]
    return Judged(
        segments=segments,
        query_ids=[(query.id or 0, side) for _, query, side in shown.values()],
        num_timesteps=np.array([query.num_timesteps for _, query, _ in shown.values()]),
        rewards=((raw - ensemble.output_mean) / ensemble.output_std).double().numpy(),
        answers=answers,
        probabilities=answer_probability((returns[:, 0] - returns[:, 1]).numpy(), config.random_answers),
        targets=np.array([target(p.choice) for p in answers if p.choice], float),
        held_out=is_held_out(answers, config.held_out),
    )
