"""One run's settings: frozen dataclasses, saved as JSON with the run. The docstrings are the `--help` texts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from prefrl.config.algorithms import AlgorithmChoice
from prefrl.config.checks import Count, Share, check
from prefrl.config.env_ids import env_id_of
from prefrl.config.rewards import RewardConfig
from prefrl.config.teachers import TRAITS, OracleConfig, TeacherName

Selector = Literal["uniform", "disagreement", "entropy", "kcentre", "disagreement_kcentre"]


@dataclass(frozen=True)
class Leg:
    """What a run was to do until it was given more."""

    rounds: int
    """Rounds that were done then."""

    steps: int
    """As `TrainConfig.steps`, then."""

    labels: int
    """As `TrainConfig.labels`, then."""

    def __post_init__(self) -> None:
        if not all(isinstance(value, int) and value >= 0 for value in (self.rounds, self.steps, self.labels)):
            raise TypeError(f"{self} holds no whole numbers from 0 on")


@dataclass(frozen=True)
class TrainConfig(AlgorithmChoice):
    """Train an agent in a Gymnasium environment from answers about clips of what it does."""

    env_id: Annotated[str, tyro.conf.arg(metavar="ENV_ID")]
    """Gymnasium id of the environment, for example Hopper-v5; with its module if need be, as module:MyEnv-v0. Also
    module:MyEnv, a class or function that makes one."""

    env_kwargs: dict[str, bool | int | float | str] = field(default_factory=dict)
    """Keyword arguments for gymnasium.make: name value name value ..."""

    run_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for everything the run makes; runs/<env id>-<seed> if not given. It must not exist yet."""

    seed: int = 0
    """Source of all randomness; the same seed gives the same run."""

    steps: Count = 500_000
    """Environment steps to train for."""

    labels: int = 500
    """Answers that the teacher is asked for, in all: exactly so many."""

    store: Annotated[str | None, tyro.conf.arg(metavar="DIR|FILE|URL", help_behavior_hint="")] = None
    """Answers to begin with: another run's folder or a file that prefrl import made, from which they are copied; or the
    address of a database, sqlite:///FILE or postgresql+psycopg://HOST/NAME, which then holds all answers of this run.
    What is there counts as --labels: where there are as many answers as that, no more are asked for."""

    teacher: TeacherName = "oracle"
    """Who answers: oracle answers at once from the true reward; human waits for: prefrl label RUN_DIR"""

    label: bool = False
    """Open the labelling window beside training; needs --teacher human."""

    goal: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = None
    """What the agent should do, in one sentence, for the person who compares the clips."""

    record_frames: bool = False
    """Draw every step while training, and make the clips of these pictures: for environments that can be neither
    restored nor replayed, such as a robot, another program's simulator, or one whose randomness ignores
    reset(seed=...). A step takes longer (CartPole 2 ms, Hopper 6 ms), and its picture, a JPEG of at most 256 pixels,
    takes 2 KB or 10 KB; a clip in the store takes 50 times that. Memory keeps the latest 256 MB of pictures of this
    round and of the one before, and questions are about these alone."""

    replay: bool = False
    """Draw clips by replaying episodes from the seeds of their resets, and not from simulator states. It is turned on
    by itself where a short trial shows that states do not hold all that is drawn."""

    wandb: Annotated[str | None, tyro.conf.arg(metavar="PROJECT", help_behavior_hint="")] = None
    """Project of Weights & Biases that gets the figures too; needs: pip install 'prefrl[wandb]'"""

    slack: int = 10
    """How many answers may be late before training waits for them."""

    reward: Literal["learned", "true"] = "learned"
    """What the agent is paid: the learned reward, or the true one, to compare with."""

    segment_length: Count = 50
    """Steps in each clip that a question shows."""

    rounds: Count = 30
    """Rounds that training is divided into, fewer if one would be shorter than an episode of each environment. After
    each round, up to --labels-until, questions are asked and the reward is fitted."""

    explore_steps: int = 8000
    """Steps before training starts, which the first questions are about: the agent acts at random, or looks for new
    states if its algorithm can learn from these steps. They count as --steps, and are a tenth of them at most."""

    initial_share: Share = 0.25
    """Share of the labels asked before training starts."""

    labels_until: Share = 1.0
    """Share of the rounds after which all labels have been asked; 0 asks them all before training starts. With less,
    the agent trains for the rest on a reward that no longer changes, and a person can leave earlier. With more, the
    questions show more of what the trained agent does."""

    selector: Selector = "disagreement"
    """How pairs are selected once there is a reward: uniform at random, disagreement those that the ensemble's members
    judge differently, entropy those that it is unsure of, kcentre those unlike the others, disagreement_kcentre the
    first and the last of these."""

    candidates: Count = 10
    """Candidate pairs that each question is selected from."""

    vec: Literal["dummy", "envpool"] = "dummy"
    """How environments are stepped: dummy steps Gymnasium's one by one; envpool steps its C++ copies of MuJoCo, classic
    control and Box2D on all cores, but no clips can be drawn from them; needs: pip install 'prefrl[envpool]'"""

    earlier: Annotated[tuple[Leg, ...], tyro.conf.Suppress] = ()
    """What the run was to do before it was given more, oldest first."""

    reward_model: RewardConfig = field(default_factory=RewardConfig)
    oracle: OracleConfig = field(default_factory=OracleConfig)

    def __post_init__(self) -> None:
        if self.env_id is not tyro.MISSING:  # which the command line fills in
            object.__setattr__(self, "env_id", env_id_of(self.env_id))
        check(self)

    def conflict(self, prefix: str) -> str | None:
        """Two settings that contradict each other."""
        traits = TRAITS[self.teacher]
        if self.label and traits.at_once:
            return f"{prefix}label opens a window for a person's answers; add {prefix}teacher human"
        if self.vec == "envpool" and (traits.needs_clips or self.record_frames):
            return f"{prefix}vec envpool gives no simulator states, so that no clips can be drawn; leave it out"
        return None
