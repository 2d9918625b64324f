"""Signals: what each span tells of the health of reward learning. The alarms are raised from these figures."""

import math
from collections.abc import Sequence

import numpy as np

from prefrl.data.episode import Episode, some, stack
from prefrl.data.segment import Segment
from prefrl.feedback.answer import Preference, effective
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import stated, usable
from prefrl.rewards.metrics import ensemble_spread

Signals = dict[str, float]
"""By name, as in metrics.jsonl."""

SEGMENTS = 200  # segments of a span that are looked at, at most
EPISODES = 16  # episodes of a span that are looked at, at most
OLDEST = 100  # answers that must go on being explained
RECENT = 50  # answers that a side bias is looked for in


def before_fit(ensemble: RewardEnsemble, new: Sequence[Preference], segments: Sequence[Segment]) -> Signals:
    """What the reward that was paid in a span makes of it, and of answers that it was not fitted to yet.

    Its output was rescaled to mean 0 and standard deviation 1 on the behaviour before the last fit, so that its mean on
    `segments` is what the agent has gained since then, in standard deviations. Both leave out the steps that end an
    episode.
    """
    right, decided = agreement(ensemble, [p for p in usable(new) if p.supersedes is None])
    signals: Signals = {"signals/fresh_right": right, "signals/fresh_decided": decided}
    if segments:
        obs, actions, absorbing = stack(some(segments, SEGMENTS))
        goes_on = ~absorbing[:, 1:]  # (B, T)
        if goes_on.any():
            state, action, after = (x[goes_on] for x in (obs[:, :-1], actions, obs[:, 1:]))
            rewards = ensemble.reward(state, action, after, absorbing[:, 1:][goes_on])
            signals["signals/gain"] = float(rewards.mean())
    return signals


def after_fit(ensemble: RewardEnsemble, known: Sequence[Preference], segments: Sequence[Segment]) -> Signals:
    """What a fitted reward makes of the oldest answers and of the latest segments; and what the answers are like."""
    right, decided = agreement(ensemble, [p for p in usable(known) if p.choice != "tie"][:OLDEST])
    counted = [p.choice for p in effective(known)]
    recent = [choice for choice in counted if choice in ("left", "right")][-RECENT:]
    signals: Signals = {
        "signals/first_right": right,
        "signals/first_decided": decided,
        "signals/recent_left": recent.count("left"),
        "signals/recent_decided": len(recent),
        "signals/answers": len(counted),
        "signals/undecided": counted.count("tie") + counted.count("skip"),
    }
    if len(segments) > 1:
        spread = ensemble_spread(ensemble.returns(*stack(some(segments, SEGMENTS))))
        if math.isfinite(spread):
            signals["signals/ensemble_spread"] = spread
    return signals


def learned_return(ensemble: RewardEnsemble, episodes: Sequence[Episode]) -> Signals:
    """What the reward makes of whole episodes, some of them, on average: log-odds against being dead all along."""
    whole = [e for e in episodes if e.finished and np.isfinite(e.obs).all()]
    returns = [ensemble.raw_reward(*e.transitions).sum(dtype=np.float64) for e in some(whole, EPISODES)]
    return {"learned_return": float(np.mean(returns))} if returns else {}


def agreement(ensemble: RewardEnsemble, preferences: Sequence[Preference]) -> tuple[int, int]:
    """With how many of `preferences` the ensemble's mean agrees, of how many that prefer one side."""
    decided = [p for p in preferences if p.choice in ("left", "right")]
    if not decided:
        return 0, 0
    logits, targets = stated(ensemble, decided)
    return int(((logits > 0) == (targets == 1)).sum()), len(decided)
