"""Signals: figures of each round that show how well the reward is learned. Alarms are raised from them."""

import math
from collections.abc import Sequence

import numpy as np

from prefrl.data.batch import some, stack
from prefrl.data.episode import Episode
from prefrl.data.segment import Segment
from prefrl.data.spaces import is_finite
from prefrl.feedback.answer import Answer, informative, standing
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import stated
from prefrl.rewards.metrics import ensemble_spread

Signals = dict[str, float]
"""By name, as in metrics.jsonl."""

SEGMENTS = 200  # segments of a round that are looked at, at most
EPISODES = 16  # episodes of a round that are looked at, at most
OLDEST = 100  # answers that must go on being explained
RECENT = 50  # answers that a side bias is looked for in


def before_fit(ensemble: RewardEnsemble, new: Sequence[Answer], segments: Sequence[Segment]) -> Signals:
    """What the reward that was paid in a round makes of it, and of answers that it was not fitted to yet.

    Its output was rescaled to mean 0 and standard deviation 1 on the behaviour before the last fit, so that its mean on
    `segments` is what the agent has gained since then, in standard deviations. Both leave out the steps that end an
    episode.
    """
    right, decided = agreement(ensemble, [a for a in informative(new) if a.replaces is None])
    signals: Signals = {"signals/fresh_right": right, "signals/fresh_decided": decided}
    if segments:
        batch = stack(some(segments, SEGMENTS))
        ends = batch.absorbing[:, 1:]  # (S, T)
        goes_on = batch.alive[:, 1:]
        if goes_on.any():
            obs = {name: array[:, :-1][goes_on] for name, array in batch.obs.items()}
            next_obs = {name: array[:, 1:][goes_on] for name, array in batch.obs.items()}
            rewards = ensemble.reward(obs, batch.actions[goes_on], next_obs, ends[goes_on])
            signals["signals/gain"] = float(rewards.mean())
    return signals


def after_fit(ensemble: RewardEnsemble, known: Sequence[Answer], segments: Sequence[Segment]) -> Signals:
    """What a fitted reward makes of the oldest answers and of the latest segments; and what the answers are like."""
    decided = [answer for answer in informative(known) if answer.is_decided]
    right, count = agreement(ensemble, decided[:OLDEST])
    answers = standing(known)
    first_chosen = [answer.choices()[0].chosen[0] == 1 for answer in decided if _has_sides(answer)][-RECENT:]
    signals: Signals = {
        "signals/first_right": right,
        "signals/first_decided": count,
        "signals/recent_left": sum(first_chosen),
        "signals/recent_decided": len(first_chosen),
        "signals/answers": len(answers),
        "signals/undecided": len(answers) - len(decided),
    }
    if len(segments) > 1:
        spread = ensemble_spread(ensemble.returns(stack(some(segments, SEGMENTS))))
        if math.isfinite(spread):
            signals["signals/ensemble_spread"] = spread
    return signals


def _has_sides(answer: Answer) -> bool:
    """Whether it names one of two clips: of answers of other kinds, the first option is no side of the screen."""
    choices = answer.choices()
    return len(answer.question.segments) == 2 and len(choices) == 1 and len(choices[0].options) == 2


def learned_return(ensemble: RewardEnsemble, episodes: Sequence[Episode]) -> Signals:
    """What the reward makes of whole episodes, some of them, on average: log-odds against being dead all along."""
    whole = [e for e in episodes if e.finished and is_finite(e.obs)]
    returns = [ensemble.raw_reward(*e.transitions).sum(dtype=np.float64) for e in some(whole, EPISODES)]
    return {"learned_return": float(np.mean(returns))} if returns else {}


def agreement(ensemble: RewardEnsemble, answers: Sequence[Answer]) -> tuple[int, int]:
    """With how many of `answers` the ensemble's mean agrees, of how many that prefer one side."""
    decided = [answer for answer in answers if answer.is_decided]
    if not decided:
        return 0, 0
    logits, targets = stated(ensemble, decided)
    return int(((logits > 0) == (targets == 1)).sum()), len(targets)
