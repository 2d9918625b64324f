"""One run's settings: frozen dataclasses, saved as JSON with the run. The docstrings are the `--help` texts."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.errors import UsageError

Selector = Literal["uniform", "disagreement", "entropy", "kcentre", "disagreement_kcentre"]


@dataclass(frozen=True)
class RewardConfig:
    """How the reward is learned: an ensemble of small nets under the Bradley-Terry model (Christiano et al. 2017)."""

    members: int = 7
    """Nets in the ensemble; their disagreement chooses queries, their mean is the reward."""

    hidden: tuple[int, ...] = (64, 64)
    """Units in each hidden layer of a member."""

    learning_rate: float = 1e-3
    """Step size of Adam; made anew at each fit."""

    weight_decay: float = 1e-4
    """Decoupled weight decay (AdamW)."""

    batch_size: int = 64
    """Preferences in one gradient step."""

    terminal_scale: float = 1.0
    """Ordinary steps that the step which ends an episode can outweigh: raise it where crashes or goals decide."""

    bounded: bool = True
    """Whether tanh bounds each member's reward of a step; without it, rare steps can count far more than others."""

    sees_change: bool = False
    """Whether a net sees the change of the state, s' - s, in place of s': for tasks where progress is what counts."""

    sees_action: bool = True
    """Whether a net sees the action. Without it, only what follows from an action is judged: for tasks where no action
    is good or bad in itself. From few answers, a net takes what often comes with good behaviour for its cause."""

    sees_squares: bool = False
    """Whether a net sees the square of each input as well, up to 3 standard deviations: for tasks where a distance or
    effort counts."""

    neutral_endings: bool = False
    """Whether staying dead is paid like living on average, as it was at the last fit, so that the last step alone makes
    an end good or bad: for tasks with both crashes and goals. Else the answers decide what staying dead is worth."""

    step_share: float = 0.25
    """Share of a clip's steps, drawn at random, that one gradient step looks at; less is faster and regularises."""

    max_epochs: int = 20
    """Passes over the preferences in one fit, at most."""

    patience: int = 2
    """Passes without a better held-out loss before a fit stops early."""

    random_answers: float = 0.1
    """Share of answers taken to be given at random, half of them wrong, so that wrong ones cannot dominate: 0.2 for a
    teacher who errs in a tenth."""

    bootstrap: bool = False
    """Whether each member learns from a sample of the answers, drawn with replacement, in place of all: members
    disagree more, and each knows less."""

    held_out: float = 0.1
    """Share of the preferences kept from the gradient, to stop early by and to judge the reward by."""


@dataclass(frozen=True)
class OracleConfig:
    """A synthetic teacher with human faults: the simulated teacher of B-Pref (Lee et al. 2021). Default: perfect."""

    beta: float = math.inf
    """Rationality: P(left) = sigmoid(beta * difference of returns / their standard deviation); inf never errs."""

    gamma: float = 1.0
    """Myopia: a step k before a segment's end counts gamma^k."""

    mistake: float = 0.0
    """Probability of giving the opposite answer."""

    skip: float = 0.0
    """Skip when both returns are below this share of the average return."""

    tie: float = 0.0
    """Call it a tie when the returns differ by less than this share of the average return."""


@dataclass(frozen=True)
class TrainConfig:
    """Train an agent in a Gymnasium environment from preferences between pairs of clips."""

    env_id: Annotated[str, tyro.conf.arg(metavar="ENV_ID")]
    """Gymnasium id of the environment, for example Hopper-v5."""

    env_kwargs: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Keyword arguments for gymnasium.make: name value name value ..."""

    run_dir: Path | None = None
    """Folder for everything the run makes; runs/<env id>-<seed> if not given. It must not exist yet."""

    seed: int = 0
    """Source of all randomness; the same seed gives the same run."""

    steps: int = 500_000
    """Environment steps to train for."""

    labels: int = 500
    """Answers to ask the teacher for, in all: exact."""

    teacher: Literal["oracle", "human"] = "oracle"
    """Who compares the clips: oracle answers at once from the true reward; human waits for: prefrl label RUN_DIR"""

    label: bool = False
    """Open the labelling window beside training, for the teacher human."""

    goal: str | None = None
    """What the agent should do, in one sentence, for the person who compares the clips."""

    record_frames: bool = False
    """Draw every step while training, and show these pictures in the clips: for environments that can be neither
    restored nor replayed, such as a robot, another program's simulator, or randomness that reset(seed=...) does not
    govern. A step of CartPole takes 2 ms longer, one of Hopper 6 ms; its JPEG of at most 256 pixels takes 2 KB and 10
    KB, a clip in the file of preferences 50 times that. The latest 256 MB of a span stay in memory, and those of the
    span before as well; questions are asked about these alone."""

    wandb: str | None = None
    """Project of Weights & Biases to send the figures to as well; needs: pip install 'prefrl[wandb]'"""

    slack: int = 10
    """Answers that a person may be behind the schedule before training waits for them."""

    reward: Literal["learned", "true"] = "learned"
    """What the agent is paid: the learned reward, or the true one, the ceiling to compare with."""

    segment_length: int = 50
    """Steps in each of the two clips that a query compares."""

    spans: int = 30
    """Stretches that training is divided into, but no shorter than an episode of every environment; after each, up to
    --labels-until, queries are asked and the reward is fitted."""

    explore_steps: int = 8000
    """Steps of random behaviour (sac: in search of new states) that the first labels are asked about; a tenth of
    --steps at most, and part of it."""

    initial_share: float = 0.25
    """Share of the labels asked before training starts, on these steps."""

    labels_until: float = 1.0
    """Share of the spans by whose end all labels have been asked; 0 asks them all before it. A smaller share lets the
    agent practise for the rest on a reward that stays as it is, and a person leave earlier; a larger one shows more of
    what the trained agent does, and tells whether the teacher still likes it."""

    selector: Selector = "disagreement"
    """How pairs are chosen once there is a reward: uniform is random, disagreement takes what splits the ensemble,
    entropy what it is unsure of, kcentre what is unlike the others, disagreement_kcentre both."""

    candidates: int = 10
    """Candidate pairs looked at for every query asked."""

    vec: Literal["dummy", "envpool"] = "dummy"
    """How environments are stepped: dummy steps Gymnasium's one by one; envpool its C++ copies of MuJoCo, classic
    control and Box2D on all cores, from whose steps no clips can be drawn; needs: pip install 'prefrl[envpool]'"""

    algorithm: Literal["ppo", "sac"] = "ppo"
    """What trains the agent: ppo takes cheap steps fast; sac learns more from each, and takes longer over it."""

    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    reward_model: RewardConfig = field(default_factory=RewardConfig)
    oracle: OracleConfig = field(default_factory=OracleConfig)

    def __post_init__(self) -> None:
        check(self)

    @property
    def agent(self) -> PPOConfig | SACConfig:
        """The settings of the algorithm that is asked for."""
        return self.sac if self.algorithm == "sac" else self.ppo


_POSITIVE = {
    "steps", "segment_length", "spans", "candidates", "n_envs", "n_steps", "batch_size", "n_epochs", "learning_rate",
    "members", "max_epochs", "terminal_scale", "step_share", "patience", "clip_range", "max_grad_norm",
    "final_learning_rate", "adam_eps", "gradient_steps", "buffer_size",
}  # fmt: skip
_SHARES = {"initial_share": 1, "labels_until": 1, "gamma": 1, "gae_lambda": 1, "tau": 1, "mistake": 1, "skip": 1,
           "random_answers": 0.99, "step_share": 1, "held_out": 0.5}  # fmt: skip
_ANY_SIGN = {"log_std_init"}
_LARGEST = {"n_envs": 10_000, "n_steps": 10**6, "batch_size": 10**6, "members": 100}


def check(config: Any, prefix: str = "--") -> None:
    """Raise `UsageError` for the first field of `config` (nested ones included) that no run could use."""
    kinds = get_type_hints(type(config))
    for item in dataclasses.fields(config):
        value, name, kind = getattr(config, item.name), prefix + item.name.replace("_", "-"), kinds[item.name]
        if dataclasses.is_dataclass(value):
            check(value, f"{name}.")
        elif isinstance(value, tuple):
            if not value or any(not 1 <= width <= 10_000 for width in value):
                raise UsageError(f"{name} is {value}; give a width from 1 to 10000 for each hidden layer")
        elif isinstance(value, dict):
            if not all(math.isfinite(x) for x in value.values() if isinstance(x, float)):
                raise UsageError(f"{name} is {value}; give finite numbers")
        elif get_origin(kind) is Literal and value not in get_args(kind):
            raise UsageError(f"{name} is {value!r}; choose {' or '.join(get_args(kind))}")
        elif kind in (int, float):
            if isinstance(value, bool) or not isinstance(value, (int, kind)):
                raise UsageError(f"{name} is {value!r}; give a {'whole ' if kind is int else ''}number")
            _check_number(item.name, name, value)
    if isinstance(config, PPOConfig) and min(config.batch_size, config.n_envs * config.n_steps) < 2:
        raise UsageError(f"{prefix}batch-size is below 2, or n-envs * n-steps is; PPO compares a batch's transitions")
    if isinstance(config, TrainConfig) and config.label and config.teacher != "human":
        raise UsageError("--label opens a window for a person's answers; add --teacher human")
    drawn = isinstance(config, TrainConfig) and (config.teacher == "human" or config.record_frames)
    if drawn and config.vec == "envpool":
        raise UsageError("--vec envpool tells no simulator states, so that no clips can be drawn; leave it out")
    if isinstance(config, PPOConfig | SACConfig) and config.gamma == 1:
        raise UsageError(f"{prefix}gamma is 1, but staying dead for ever has a finite worth only below 1; try 0.99")


def _check_number(field_name: str, name: str, value: float) -> None:
    if math.isnan(value) or (math.isinf(value) and field_name != "beta"):
        raise UsageError(f"{name} is {value}; give a finite number")
    if field_name in _POSITIVE and value <= 0:
        raise UsageError(f"{name} is {value}; give a number above 0")
    if field_name in _SHARES and not 0 <= value <= _SHARES[field_name]:
        raise UsageError(f"{name} is {value}; give a number from 0 to {_SHARES[field_name]}")
    largest = _LARGEST.get(field_name, 10**12)
    if abs(value) > largest and field_name != "beta":
        raise UsageError(f"{name} is {value}; give a number up to {largest}")
    if field_name not in _ANY_SIGN and value < 0:
        raise UsageError(f"{name} is {value}; give a number that is not negative")


def to_json(config: TrainConfig) -> dict[str, Any]:
    """`config` as JSON values; `from_json` reads it back."""
    values = dataclasses.asdict(config)
    values["run_dir"] = None if config.run_dir is None else str(config.run_dir)
    values["oracle"]["beta"] = None if math.isinf(config.oracle.beta) else config.oracle.beta
    return json.loads(json.dumps(values, allow_nan=False))  # type: ignore[no-any-return]


def from_json(values: dict[str, Any]) -> TrainConfig:
    """The configuration that `to_json` wrote.

    Raises:
        UsageError: a field is unknown or unusable.
    """
    values = dict(values)
    try:
        values["run_dir"] = None if values["run_dir"] is None else Path(values["run_dir"])
        oracle = dict(values["oracle"])
        oracle["beta"] = math.inf if oracle["beta"] is None else oracle["beta"]
        values["reward_model"] = dict(values["reward_model"])
        if "label_smoothing" in values["reward_model"]:  # runs of before `random_answers`, which meant about the same
            smoothing = values["reward_model"].pop("label_smoothing")
            values["reward_model"] |= {"random_answers": min(smoothing, 0.99), "bootstrap": True}
        if "error_rate" in values["reward_model"]:  # what it was called at first
            values["reward_model"]["random_answers"] = values["reward_model"].pop("error_rate")
        for name, kind in (("ppo", PPOConfig), ("sac", SACConfig), ("reward_model", RewardConfig)):
            if name == "sac" and name not in values:  # runs of before there was SAC
                continue
            values[name] = kind(**{**values[name], "hidden": tuple(values[name]["hidden"])})
        return TrainConfig(**{**values, "oracle": OracleConfig(**oracle)})
    except (KeyError, TypeError) as error:
        raise UsageError(f"the saved configuration does not fit this version of prefrl: {error}") from error
