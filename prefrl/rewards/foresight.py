"""Whether answers agree with each other: do rewards that are learned from some of them foresee the others?

The answers that a fit holds out are too few to tell, and the latest ones are about what it was unsure of. So all of
them are divided into folds by question, and for each fold a new ensemble is fitted to the others (cross-validation).

Axes: A answers, C choices between two options that they come down to, S segments.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import some, stack
from prefrl.data.segment import Segment
from prefrl.feedback.answer import Answer, informative, standing
from prefrl.rewards.batches import segments_of
from prefrl.rewards.ensemble import RewardEnsemble, make_ensemble
from prefrl.rewards.fit import fit, stated
from prefrl.rewards.metrics import wilson

FEWEST = 12  # answers that name a better side, below which nothing can be said
FOLDS = 10
FEWEST_FOLDS = 2
MEMBERS = 5  # of each ensemble, at most
SHARE = 0.25  # of a clip's steps that a gradient step looks at, at most
PASSES = 30  # over the answers of a fit, at most; their number is not decided by a few held out, which wastes these
FEWEST_PASSES = 3
WORK = 8_000_000  # rewards of single steps in all fits: about ten seconds on a core
MOST = 5000  # answers that are looked at; more of them tell nothing new
CLIPS = 100  # of a fold, whose pairs are ordered, at most

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Foresight:
    """What rewards learned from some answers make of the others."""

    answers: int
    """Answers that count: no repeats, and none that was replaced or taken back."""

    undecided: int
    """Those of them that name nothing better: ties and skips."""

    decided: int = 0
    """Choices between two whose better side the other answers were to foresee; at most `MOST` answers are tried."""

    right: int = 0
    """How many were foreseen."""

    chance: float = 1.0
    """Probability that a coin is foreseen so well, by where the rewards are sure and where they are not: see
    `chance_of`."""

    pairs: int = 0
    """Pairs of clips, of questions that the rewards did not learn from, whose true returns differ. Clips of all of
    training are as varied as what the agent ever did."""

    ordered: int = 0
    """How many of them the learned rewards order as the true one does."""

    of_oracle: bool = False
    """Whether the true reward is what the answers were given by."""

    @classmethod
    def saved(cls, found: Mapping[str, Any]) -> Self | None:
        """Those that `found` holds by name; None if it lacks some, as what another version of prefrl wrote may."""
        known = {field.name: found[field.name] for field in fields(cls) if field.name in found}
        needed = {field.name for field in fields(cls) if field.name != "of_oracle"}
        return cls(**known) if needed <= known.keys() and None not in known.values() else None

    @property
    def ci95(self) -> tuple[float, float]:
        """Interval of the share that is foreseen (Wilson)."""
        return wilson(self.right, self.decided)

    @property
    def order_share(self) -> float:
        """Share of varied clips, in pairs, that are ordered rightly; NaN if there are none that differ."""
        return self.ordered / self.pairs if self.pairs else math.nan


def foresee(answers: Sequence[Answer], config: RewardConfig) -> Foresight:
    """What rewards learned from some of `answers`, all of a store, make of the others; the same for the same answers.

    Takes some ten seconds on a core at most: the more answers, the fewer folds and passes.

    Raises:
        UsageError: no fit gave finite numbers.
    """
    counted, used = standing(answers), some(informative(answers), MOST)
    known = Foresight(
        answers=len(counted),
        undecided=sum(not answer.is_decided for answer in counted),
        of_oracle=bool(counted) and all(answer.annotator == "oracle" for answer in counted),
    )
    if sum(answer.is_decided for answer in used) < FEWEST:
        return known
    folds = _folds(used)
    config = quick(config, used, len(np.unique(folds)))
    tried = []
    for fold in np.unique(folds):
        others, out = ([a for a, f in zip(used, folds, strict=True) if (f == fold) == is_out] for is_out in (0, 1))
        if len(others) < 2:  # all are about one question
            return known
        ensemble = _learn(others, config, int(fold))
        tried.append((_margins(ensemble, out), *_order(ensemble, out, others)))
    margins, pairs, ordered = zip(*tried, strict=True)
    margin = np.concatenate(margins)
    right, chance = int((margin > 0).sum()), chance_of(margin)
    return replace(known, decided=len(margin), right=right, chance=chance, pairs=sum(pairs), ordered=sum(ordered))


def chance_of(margins: Floats) -> float:
    """Probability of such `margins` (C,), how far rewards lie on the answered side, if a coin had answered.

    Wilcoxon's signed-rank test (1945): to be right counts the more the surer the reward is, which tells right answers
    from a coin's sooner than a count of them does.
    """
    assert margins.ndim == 1
    margins = margins[margins != 0]
    return float(stats.wilcoxon(margins, alternative="greater").pvalue) if len(margins) else 1.0


def quick(config: RewardConfig, answers: Sequence[Answer], folds: int) -> RewardConfig:
    """The settings of each of `folds` fits to all but a fold of `answers`, such that all take about `WORK`.

    Bounded rewards, and ends that weigh no more than other steps: freer ones need more answers to be learned from, and
    the question is whether the answers agree, not how far a reward may reach.
    """
    members, share = min(MEMBERS, config.members), min(SHARE, config.step_share)
    steps = sum(len(segment) for segment in segments_of(answers)) * share
    passes = int(np.clip(WORK / (steps * members * folds), FEWEST_PASSES, PASSES))
    calm = replace(config, members=members, step_share=share, bounded=True, terminal_scale=1.0, bootstrap=False)
    return replace(calm, held_out=0.0, max_epochs=passes, patience=passes)


def _folds(answers: Sequence[Answer]) -> NDArray[np.int64]:
    """(A,) the fold of each answer; all answers to a question are in the same."""
    questions = [answer.seq if answer.question.id is None else answer.question.id for answer in answers]
    _, index = np.unique(np.array(questions, np.int64), return_inverse=True)
    number = int(index.max()) + 1
    folds = int(np.clip(2000 // number, FEWEST_FOLDS, FOLDS))
    drawn: NDArray[np.int64] = np.random.default_rng(0).permutation(number) % folds
    return drawn[index]


def _learn(answers: Sequence[Answer], config: RewardConfig, seed: int) -> RewardEnsemble:
    generator = torch.Generator().manual_seed(seed)
    ensemble = make_ensemble(config, answers[0].question.segments[0].spaces, generator)
    fit(ensemble, answers, config=config, generator=generator)
    return ensemble


def _margins(ensemble: RewardEnsemble, answers: Sequence[Answer]) -> Floats:
    """(C,) how much more the side that was named returns than the other, of decided choices between two."""
    logits, targets = stated(ensemble, answers)
    decided = (targets == 0) | (targets == 1)
    margins: Floats = (logits * np.sign(targets - 0.5))[decided].astype(np.float64)
    return margins


def _order(ensemble: RewardEnsemble, answers: Sequence[Answer], learned_from: Sequence[Answer]) -> tuple[int, int]:
    """Pairs of the clips of `answers` whose true returns differ, and how many of them the ensemble orders alike.

    Clips that `learned_from` are about as well are left out.
    """
    known = {_content(segment) for segment in segments_of(learned_from)}
    found = {_content(segment): segment for segment in segments_of(answers)}
    clips = [segment for content, segment in found.items() if content not in known]
    if not clips:
        return 0, 0
    clips = list(some([clip for clip in clips if len(clip) == len(clips[0])], CLIPS))
    learned, true = ensemble.returns(stack(clips)).mean(0), np.array([clip.true_return for clip in clips])
    first, second = np.triu_indices(len(clips), 1)
    differ = np.sign(true[first] - true[second])
    alike = np.sign(learned[first] - learned[second]) == differ
    return int((differ != 0).sum()), int((alike & (differ != 0)).sum())


def _content(segment: Segment) -> bytes:
    """What tells a clip from others, whichever object holds it: a store may load the same clip twice."""
    arrays = (*segment.obs.values(), segment.actions, segment.true_rewards)
    return b"".join(array.tobytes() for array in arrays)
