"""The plan of a run: when to explore, how many steps each round has, how many labels are asked when."""

from itertools import accumulate

from prefrl.config.run import TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.errors import UsageError

FIRST_ANSWERS = 10
"""Answers without which a reward is not worth training on."""


class Plan:
    """What a configuration asks for, round by round. Round 0 is the exploration before training.

    Raises:
        UsageError: more labels than the recorded segments can give pairs.
    """

    def __init__(self, config: TrainConfig, time_limit: int | None = None) -> None:
        """`time_limit`: the steps after which the environment truncates its episodes, if it does."""
        self.config, self.time_limit = config, time_limit
        self._prefers_fresh = TRAITS[config.teacher].prefers_fresh
        learned = config.reward == "learned"
        n_envs, rollout = config.agent.n_envs, config.agent.rollout
        explore = min(config.explore_steps, config.steps // 10) if learned else 0
        self.explore_steps = -(-explore // n_envs) * n_envs
        self._rollouts = max(1, -(-(config.steps - self.explore_steps) // rollout))  # it takes whole ones
        # A round resets all environments: it must be long enough to show, and to train on, whole episodes.
        shortest = -(-n_envs * (time_limit or 1) // rollout)  # rollouts
        self.rounds = min(config.rounds, max(1, self._rollouts // shortest))
        # What the last round shows could not change the agent any more, so nothing is asked after it.
        sessions = min(self.rounds - 1, int(config.labels_until * self.rounds + 1e-9))
        self._quotas = label_schedule(config.labels if learned else 0, sessions, config.initial_share)
        self._labels = list(accumulate(self._quotas))  # after round 0, 1, ..., sessions
        if learned:
            self._check()

    def labels_after(self, round_index: int) -> int:
        """Labels asked by the end of that round, in all."""
        return self._labels[min(round_index, len(self._labels) - 1)] if round_index >= 0 else 0

    def answers_needed(self, round_index: int) -> int:
        """Answers without which training does not go on after that round: a person may be `slack` behind."""
        return max(self.labels_after(round_index) - self.config.slack, min(FIRST_ANSWERS, self._quotas[0]))

    def steps_after(self, round_index: int) -> int:
        """Steps taken by the end of that round, in all."""
        return self.explore_steps + self.config.agent.rollout * (round_index * self._rollouts // self.rounds)

    def _check(self) -> None:
        config = self.config
        if config.labels < 2:
            raise UsageError(f"--labels is {config.labels}; a reward is learned from 2 or more, or use --reward true")
        for round_index, quota in enumerate(self._quotas):
            # What was not answered is asked anew, about what the agent does then (see `ask`).
            asked_anew = self._prefers_fresh and round_index and quota
            late = self.labels_after(round_index - 1) - self.answers_needed(round_index - 1) if asked_anew else 0
            asked = quota + late
            steps = self.steps_after(round_index) - (self.steps_after(round_index - 1) if round_index else 0)
            segments = config.agent.n_envs * self._segments(steps // config.agent.n_envs)
            if asked > segments * (segments - 1) // 2:
                raise UsageError(
                    f"--labels {config.labels} asks for {asked} pairs after step {self.steps_after(round_index)}, "
                    f"but the {steps} steps before it give only {segments} segments of {config.segment_length}; ask "
                    f"for fewer labels, more --steps{', a larger --labels-until' * (config.labels_until < 1)}"
                    f"{', a smaller --slack' * (late > 0)} or a shorter --segment-length"
                )

    def _segments(self, steps: int) -> int:
        """Segments that one environment gives in `steps`, if no episode terminates."""
        limit, length = self.time_limit or steps or 1, self.config.segment_length
        episodes, rest = divmod(steps, limit)
        return episodes * (limit // length) + rest // length


def label_schedule(total: int, sessions: int, initial_share: float) -> tuple[int, ...]:
    """How many labels to ask for before training and in each of `sessions` sessions (sessions + 1,); sums to `total`.

    The first is `initial_share` of the total, rounded, and at least the 2 that a reward can be fitted to, if there are
    any. The rest falls linearly, so that most labels are asked while the behaviour still changes most; no later session
    is larger than the one before it.

    Raises:
        ValueError: an argument is out of range.
    """
    if total < 0 or sessions < 0 or not 0 <= initial_share <= 1:
        raise ValueError(
            f"label_schedule({total}, {sessions}, {initial_share}): want total, sessions >= 0, share in 0..1"
        )
    if sessions == 0:
        return (total,)
    first = min(total, max(2, round(total * initial_share)))
    rest, weight_sum = total - first, sessions * (sessions + 1) // 2
    # The method of largest remainders, in whole numbers: exact, and monotonic because the weights are.
    parts = [divmod(rest * weight, weight_sum) for weight in range(sessions, 0, -1)]
    missing = rest - sum(whole for whole, _ in parts)
    rounded_up = set(sorted(range(sessions), key=lambda k: -parts[k][1])[:missing])
    return (first, *(whole + (k in rounded_up) for k, (whole, _) in enumerate(parts)))
