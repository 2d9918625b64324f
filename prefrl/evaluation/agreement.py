"""How well a learned reward agrees with the true one, on given episodes; and with answers it was not fitted to.

Axes: E members, B segments or pairs, T steps, N transitions.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import stack
from prefrl.data.episode import Episode, cut
from prefrl.data.segment import Segment
from prefrl.data.spaces import Obs
from prefrl.evaluation.epic import AdditiveReward, canonical, draw, pearson_distance
from prefrl.evaluation.results import AnswerAgreement, Interval, RewardAgreement
from prefrl.feedback.answer import Answer, informative, is_held_out
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.rewards.fit import owners, stated
from prefrl.rewards.metrics import (
    Estimate,
    answer_probability,
    brier_score,
    ensemble_spread,
    estimate,
    expected_calibration_error,
    item_weights,
    pair_weights,
    pearson,
    preference_accuracy,
    resample,
)
from prefrl.training.selection import candidate_pairs

PAIRS = 1000  # of segments, to compare the two rewards on
FITTED = 10_000  # transitions that EPIC's stand-in for the true reward is fitted to
TRANSITIONS = 500  # that EPIC's correlation is taken over
NOTHING = (math.nan,) * 10  # figures of a `RewardAgreement`
DRAWS = 64  # actions and next states that its expectations are taken over


class Compared(NamedTuple):
    """Segments with both rewards of their living steps, and the episode that each comes from."""

    segments: Sequence[Segment]
    episode: NDArray[np.int64]  # (B,)
    returns: NDArray[np.float32]  # (E, B)
    true_returns: NDArray[np.float64]  # (B,)
    rewards: NDArray[np.float32]  # (N,)
    true_rewards: NDArray[np.float32]  # (N,)
    step_segment: NDArray[np.int64]  # (N,) index into `segments`
    counts: NDArray[np.int64]  # (R, episodes) how often bootstrap samples hold each episode


def agreement(
    ensemble: RewardEnsemble, episodes: Sequence[Episode], length: int, gamma: float, seed: int
) -> RewardAgreement:
    """The reward model against the true reward on `episodes`, cut into segments of `length` steps.

    `gamma`: discount factor of the agent, which EPIC shapes by. `seed` draws pairs, transitions and resamplings.
    """
    rng = np.random.default_rng(seed)
    cuts = [(i, segment) for i, episode in enumerate(episodes) for segment in cut([episode], length)]
    if len(cuts) < 2:
        return RewardAgreement(*NOTHING, segments=len(cuts))
    data = _compare(ensemble, [s for _, s in cuts], np.array([i for i, _ in cuts]), len(episodes), rng)
    found = {**_pair_figures(data, rng), **_correlations(data)}
    found["epic_distance"], epic_fit = _epic(ensemble, data, gamma, rng)
    found["ensemble_spread"] = estimate(ensemble_spread, data.returns, weights=_segment_weights(data))
    return RewardAgreement(
        **{name: figure.value for name, figure in found.items()},
        epic_fit=epic_fit,
        segments=len(data.segments),
        ci95=_intervals(found),
    )


def answer_agreement(
    ensemble: RewardEnsemble, answers: Sequence[Answer], config: RewardConfig, seed: int
) -> AnswerAgreement | None:
    """The reward model against those of `answers` that a fit with `config` did not learn from.

    None if there is none.
    """
    used = informative(answers)
    held_out = [a for a, out in zip(used, is_held_out(used, config.held_out), strict=True) if out]
    if not held_out:
        return None
    logits, targets = stated(ensemble, held_out)
    counts, each = resample(len(held_out), np.random.default_rng(seed)), owners(held_out)
    said = answer_probability(logits, config.random_answers)
    found = _preference_figures(logits, said, targets, lambda: item_weights(counts, each))
    return AnswerAgreement(
        **{name: figure.value for name, figure in found.items()}, answers=len(held_out), ci95=_intervals(found)
    )


def _compare(
    ensemble: RewardEnsemble,
    segments: Sequence[Segment],
    episode: NDArray[np.int64],
    num_episodes: int,
    rng: np.random.Generator,
) -> Compared:
    rewards = ensemble.step_rewards(stack(segments)).numpy()  # (E, B, T)
    living = np.stack([~s.absorbing[:-1] for s in segments])  # (B, T)
    return Compared(
        segments=segments,
        episode=episode,
        returns=rewards.sum(2),
        true_returns=np.array([s.true_return for s in segments]),
        rewards=rewards.mean(0)[living],
        true_rewards=np.stack([s.true_rewards for s in segments])[living],
        step_segment=np.nonzero(living)[0],
        counts=resample(num_episodes, rng),
    )


def _segment_weights(data: Compared) -> Iterator[NDArray[np.int64]]:
    return item_weights(data.counts, data.episode)


def _step_weights(data: Compared) -> Iterator[NDArray[np.int64]]:
    return item_weights(data.counts, data.episode[data.step_segment])


def _pair_figures(data: Compared, rng: np.random.Generator) -> dict[str, Estimate]:
    every = len(data.segments) * (len(data.segments) - 1) // 2
    left, right = candidate_pairs(len(data.segments), min(PAIRS, every), rng).T  # (B,) each
    learned = data.returns.mean(0)
    targets = (np.sign(data.true_returns[left] - data.true_returns[right]) + 1) / 2
    first, second = data.episode[left], data.episode[right]
    logits = learned[left] - learned[right]
    better = answer_probability(logits, random_answers=0.0)
    return _preference_figures(logits, better, targets, lambda: pair_weights(data.counts, first, second))


def _preference_figures(
    logits: NDArray[Any], probabilities: NDArray[Any], targets: NDArray[Any], weights: Any
) -> dict[str, Estimate]:
    return {
        "preference_accuracy": estimate(preference_accuracy, logits, targets, weights=weights()),
        "brier_score": estimate(brier_score, probabilities, targets, weights=weights()),
        "expected_calibration_error": estimate(expected_calibration_error, probabilities, targets, weights=weights()),
    }


def _correlations(data: Compared) -> dict[str, Estimate]:
    learned = data.returns.mean(0)
    steps, returns = (data.rewards, data.true_rewards), (learned, data.true_returns)
    rank = stats.rankdata  # once, not again for each resampling
    return {
        "pearson_step": estimate(pearson, *steps, weights=_step_weights(data)),
        "spearman_step": estimate(pearson, *map(rank, steps), weights=_step_weights(data)),
        "pearson_segment": estimate(pearson, *returns, weights=_segment_weights(data)),
        "spearman_segment": estimate(pearson, *map(rank, returns), weights=_segment_weights(data)),
    }


def _epic(ensemble: RewardEnsemble, data: Compared, gamma: float, rng: np.random.Generator) -> tuple[Estimate, float]:
    """EPIC distance of the two rewards, and how much of the true one its stand-in explains."""
    batch = stack(data.segments)
    living = batch.lived
    states, after = (
        _flat({name: array[:, steps][living] for name, array in batch.obs.items()})
        for steps in (slice(-1), slice(1, None))
    )  # (N, numbers) each
    acted, dies = batch.actions[living], batch.absorbing[:, 1:][living]
    fitted = rng.permutation(len(states))[:FITTED]
    stand_in = AdditiveReward(states[fitted], acted[fitted], after[fitted], data.true_rewards[fitted])
    some = rng.choice(len(states), min(TRANSITIONS, len(states)), replace=False)
    sample, draws = (states[some], acted[some], after[some]), draw(acted, states, DRAWS, rng)

    def learned(s: NDArray[Any], a: NDArray[Any], t: NDArray[Any], ends: NDArray[np.bool_] | None = None) -> Any:
        ends = np.zeros(len(s), np.bool_) if ends is None else ends
        return ensemble.reward(_named(s, batch.obs), a, _named(t, batch.obs), ends)

    paid = learned(*sample, dies[some])
    ours = canonical(learned, *sample, draws, gamma, paid)
    theirs = canonical(stand_in, *sample, draws, gamma, data.true_rewards[some])
    groups = data.episode[data.step_segment[some]]
    return estimate(pearson_distance, ours, theirs, weights=item_weights(data.counts, groups)), stand_in.r2


def _flat(obs: Obs) -> NDArray[Any]:
    """Observations as vectors (N, numbers): EPIC's expectations mix and fit them number by number."""
    return np.concatenate([array.reshape(len(array), -1) for array in obs.values()], axis=1)


def _named(vectors: NDArray[Any], like: Obs) -> Obs:
    """The observations (N, *shape) that `_flat` made `vectors` of; `like`: such ones with two leading axes."""
    sizes = np.cumsum([int(np.prod(array.shape[2:])) for array in like.values()])[:-1]
    parts = np.split(vectors, sizes, axis=1)
    return {
        name: part.reshape(len(part), *array.shape[2:]).astype(array.dtype, copy=False)
        for (name, array), part in zip(like.items(), parts, strict=True)
    }


def _intervals(found: dict[str, Estimate]) -> dict[str, Interval]:
    return {name: figure.ci95 for name, figure in found.items()}
