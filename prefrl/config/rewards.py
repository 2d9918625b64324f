"""How a reward is learned from answers: the settings. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from prefrl.config.checks import Count, Limits, Positive

Switch = Annotated[bool, tyro.conf.FlagConversionOff]
"""True or False in words: what one preset turns on another turns off, and a flag could only do one of them."""


@dataclass(frozen=True)
class RewardConfig:
    """How the reward is learned: an ensemble of small nets under the Bradley-Terry model (Christiano et al. 2017)."""

    members: Annotated[int, Limits(1, 100)] = 7
    """Nets in the ensemble; their disagreement selects questions, their mean is the reward."""

    hidden: tuple[int, ...] = (64, 64)
    """Units in each hidden layer of a member."""

    learning_rate: Positive = 1e-3
    """Step size of Adam, which starts afresh at each fit."""

    weight_decay: float = 1e-4
    """Decoupled weight decay (AdamW)."""

    batch_size: Annotated[int, Limits(1, 10**6)] = 64
    """Answers in one gradient step."""

    terminal_scale: Positive = 1.0
    """Ordinary steps that the step which ends an episode can outweigh: raise it where crashes or goals decide."""

    bounded: Switch = True
    """Whether tanh bounds each member's reward of a step; without it, rare steps can count far more than others."""

    sees_change: Switch = False
    """Whether a net sees the change of the state, s' - s, in place of s': for tasks where progress is what counts."""

    sees_action: Switch = True
    """Whether a net sees the action. Without it, only what an action leads to is judged: for tasks where no action is
    good or bad in itself. With few answers, a net easily takes what often goes with good behaviour for its cause."""

    sees_squares: Switch = False
    """Whether a net sees the square of each input as well, up to 3 standard deviations: for tasks where a distance or
    effort counts."""

    neutral_endings: Switch = False
    """Whether staying dead is paid what living was worth on average at the last fit, so that the last step alone makes
    an end good or bad: for tasks with both crashes and goals. Else the answers decide what staying dead is worth."""

    step_share: Annotated[float, Limits(0, 1, above=True)] = 0.25
    """Share of a clip's steps, drawn at random, that one gradient step looks at; less is faster and regularises."""

    max_epochs: Count = 20
    """Passes over the answers in one fit, at most."""

    patience: Count = 2
    """Passes without a better held-out loss before a fit stops early."""

    random_answers: Annotated[float, Limits(0, 0.99)] = 0.1
    """Share of answers assumed to be random, half of them wrong, so that wrong ones cannot dominate: 0.2 for a teacher
    who errs in a tenth."""

    bootstrap: Switch = False
    """Whether each member learns from a sample of the answers, drawn with replacement, in place of all: members
    disagree more, and each knows less."""

    held_out: Annotated[float, Limits(0, 0.5)] = 0.1
    """Share of the answers that no gradient sees: they tell a fit when to stop, and how good the reward is."""
