"""What an evaluation found: frozen figures, and their JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prefrl.data.verdict import Verdict
from prefrl.rewards.verdict import paid_true
from prefrl.runs.files import json_values

Interval = tuple[float, float]
"""95 % interval; NaN where the data say nothing about how far a figure may be off."""


@dataclass(frozen=True)
class TrueReturn:
    """Undiscounted sums of the environment's own rewards, over episodes."""

    mean: float
    std: float
    iqm: float
    """Mean of the middle half (Agarwal et al. 2021)."""

    ci95: Interval
    """95 % bootstrap interval of the mean."""


@dataclass(frozen=True)
class Length:
    """Steps per episode."""

    mean: float
    std: float
    ci95: Interval
    """95 % bootstrap interval of the mean."""


@dataclass(frozen=True)
class Success:
    """Share of the episodes that the environment called a success."""

    rate: float
    ci95: Interval
    """Wilson's."""


@dataclass(frozen=True)
class RewardAgreement:
    """The learned reward against the true one, on one set of episodes. NaN: nothing to compare."""

    preference_accuracy: float
    """Share of pairs of segments that both order alike."""

    expected_calibration_error: float
    """How far stated probabilities lie from how often the true return agrees."""

    spearman_step: float
    """Rank correlation of the two rewards over steps."""

    spearman_segment: float
    """The same over returns of segments."""

    brier_score: float
    """Mean squared error of stated probabilities; 0.25 is what saying one half gets."""

    pearson_step: float
    """Linear correlation of the two rewards over steps."""

    pearson_segment: float
    """The same over returns of segments."""

    epic_distance: float
    """From 0, the same reward but for scale and shaping, to 1, the opposite one (Gleave et al. 2021)."""

    epic_fit: float
    """Share of the true reward's variance that the stand-in explains by which EPIC's expectations are taken."""

    ensemble_spread: float
    """How far members differ about segments, as a share of how far segments differ."""

    segments: int
    ci95: Mapping[str, Interval] = field(default_factory=dict)
    """Name of a figure -> its interval, by resampling episodes."""


@dataclass(frozen=True)
class AnswerAgreement:
    """The learned reward against answers of the teacher that no gradient came from."""

    preference_accuracy: float
    brier_score: float
    expected_calibration_error: float
    answers: int
    """Held-out answers, ties included."""

    ci95: Mapping[str, Interval] = field(default_factory=dict)
    """Name of a figure -> its interval, by resampling answers."""


@dataclass(frozen=True)
class LabelForecast:
    """How many more answers a goal takes."""

    goal: float
    """Agreement that is wanted, a share."""

    labels: int
    """Answers there are now."""

    agreement: float
    """What the curve says of the agreement now, on questions like those that were asked."""

    more: float
    """Answers that are missing, the median: 0 if none, infinite if the curve levels off before the goal, or it takes
    more than 100 times those there are."""

    ci95: Interval
    """95 % interval of `more`."""


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. The field names are those of `prefrl evaluate --json`."""

    env_id: str
    run_dir: str
    num_timesteps: int
    num_preferences: int
    episodes: int
    seed: int
    true_return: TrueReturn
    episode_length: Length
    reward_model: RewardAgreement | None
    """On the evaluation's own episodes; None when the agent was trained on the true reward."""

    success: Success | None = None
    """None where the environment reports nothing of the sort."""

    reward_model_broad: RewardAgreement | None = None
    """On episodes in which all shares of the actions are random, from none to all: where a reward that is optimised
    further may lead."""

    alike: bool = False
    """Whether the agent's own episodes are so alike that how their clips are ordered says little."""

    held_out_answers: AnswerAgreement | None = None
    label_forecast: LabelForecast | None = None
    """None where no goal was given."""

    verdict: Verdict = field(default_factory=paid_true)
    """Whether the reward can be trusted, in a sentence that the report, the window and the trainer say too."""

    agent_of: int | None = None
    """Steps that the agent had trained for, if it was chosen among the last ones; None if there was no choice."""

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values; what is not a finite number becomes null."""
        said, figures = {"level": self.verdict.level, "sentence": self.verdict.sentence}, self.verdict.figures or None
        return json_values({**asdict(self), "verdict": said, "answers_foreseen": figures})  # type: ignore[no-any-return]
