"""A synthetic teacher that sees the true reward, with as many human faults as asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from prefrl.config.run import OracleConfig
from prefrl.feedback.comparison import Choice
from prefrl.feedback.question import Query
from prefrl.teachers.base import ReturnStats


@dataclass(frozen=True)
class Oracle:
    """The simulated teacher of Lee et al. 2021, "B-Pref: Benchmarking Preference-Based Reinforcement Learning".

    In this order, as in B-Pref's `get_label`:

    1. skip, if both undiscounted returns lie below the skip threshold;
    2. tie, if they differ by less than the tie threshold (whatever steps 3 to 5 say);
    3. the myopic returns `sum_t gamma^(T-1-t) r_t` are what the teacher compares: the last step has weight 1;
    4. left with probability `sigmoid(beta * logit)`; with beta = inf the greater, and a tie if they are equal;
    5. with probability `mistake`, the opposite of step 4.

    Three things differ, so that a setting means the same teacher in every environment and at every time. Returns are
    compared in units of the recent segments' standard deviation (see `preference_logits`). The thresholds are shares
    of the recent segments' average, computed anew for each call (see `thresholds`). And a perfect teacher calls equal
    returns a tie, where B-Pref prefers the first segment.
    """

    config: OracleConfig = field(default_factory=OracleConfig)
    name: str = "oracle"

    def choose(self, queries: Sequence[Query], context: ReturnStats, rng: np.random.Generator) -> list[Choice]:
        """One choice for each query; draws two uniform numbers a query, whatever the settings.

        Raises:
            ValueError: the segments of the queries differ in length.
        """
        if not queries:
            return []
        left = np.stack([query.left.true_rewards for query in queries]).astype(np.float64)  # (B, T)
        right = np.stack([query.right.true_rewards for query in queries]).astype(np.float64)
        skip_below, tie_below = thresholds(self.config, context)
        returns = np.stack([left.sum(axis=1), right.sum(axis=1)])  # (2, B)

        choices = self._compare(preference_logits(left, right, self.config.gamma, context), rng)
        choices[np.abs(returns[0] - returns[1]) < tie_below] = "tie"
        choices[returns.max(axis=0) < skip_below] = "skip"
        choices_list: list[Choice] = choices.tolist()
        return choices_list

    def _compare(self, logits: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.str_]:
        """Steps 4 and 5 for `logits` (B,): which side is called better, or a tie."""
        rational, erring = rng.random((len(logits), 2)).T  # a row a query: cutting a batch in two changes no answer
        perfect = math.isinf(self.config.beta)
        probabilities = np.heaviside(logits, 0.5) if perfect else expit(self.config.beta * logits)
        prefers_left = (rational < probabilities) ^ (erring < self.config.mistake)
        choices = np.where(prefers_left, "left", "right").astype("<U5")
        if perfect:
            choices[logits == 0] = "tie"
        return choices


def preference_logits(
    left: NDArray[np.float64], right: NDArray[np.float64], gamma: float, context: ReturnStats
) -> NDArray[np.float64]:
    """Differences (B,) of the myopic returns of rewards `left` and `right`, both (B, T), in standard deviations.

        logit = sum_t w_t (left_t - right_t) / (std * mean(w)),  w_t = gamma^(T-1-t)

    Division by `std` makes a rationality beta the same teacher whatever the scale of the rewards. Division by the
    mean weight keeps a steady difference of rewards at the same logit for every gamma: the discount alone would
    shrink all returns, and a myopic teacher would be a noisier one.
    """
    assert left.ndim == 2, f"rewards have shape {left.shape}, want (B, T)"
    assert left.shape == right.shape, f"rewards have shapes {left.shape} and {right.shape}, want equal ones"
    steps = left.shape[1]
    weights = gamma ** np.arange(steps - 1, -1, -1, dtype=np.float64)
    # Each side is summed before the two are compared, so that equal segments give exactly 0.
    difference = (weights * left).sum(axis=1) - (weights * right).sum(axis=1)
    result: NDArray[np.float64] = difference / (context.std * weights.mean())
    return result


def thresholds(config: OracleConfig, context: ReturnStats) -> tuple[float, float]:
    """The return below which both segments are skipped, and the difference below which they tie.

        skip_below = mean - (1 - skip) |mean|,  tie_below = tie |mean|

    For a positive mean these are B-Pref's `skip * mean` and `tie * mean`. For a negative one, where B-Pref's have no
    effect, they go on to mean "that far below the average" and "that small beside it".
    """
    skip_below = context.mean - (1 - config.skip) * abs(context.mean) if config.skip > 0 else -math.inf
    return skip_below, config.tie * abs(context.mean)
