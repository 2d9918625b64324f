"""The plan of a run: when to explore, how many steps each round has, how many labels are asked when."""

from itertools import accumulate

from prefrl.config.run import Leg, TrainConfig
from prefrl.config.teachers import TRAITS
from prefrl.data.episode import num_segments
from prefrl.errors import UsageError

FIRST_ANSWERS = 10
"""Answers without which a reward is not worth training on."""


class Plan:
    """What a configuration asks for, round by round. Round 0 is the exploration before training.

    A run that was given more (see `more.with_more`) keeps its plan up to the round that was done then; rounds of about
    the same length follow.

    Raises:
        UsageError: more labels than the recorded segments can give pairs.
    """

    def __init__(self, config: TrainConfig, time_limit: int | None = None, asked: int = 0) -> None:
        """What `config` comes to.

        Args:
            config: the settings of the run.
            time_limit: the steps after which the environment truncates its episodes, if it does.
            asked: labels that the store has asked for already, of this run or to begin with.
        """
        self.config, self.time_limit = config, time_limit
        self._prefers_fresh = TRAITS[config.teacher].prefers_fresh
        self._rollout, n_envs = config.agent.rollout, config.agent.n_envs
        # A round resets all environments: it must be long enough to show, and to train on, whole episodes.
        self._shortest = -(-n_envs * (time_limit or 1) // self._rollout)  # rollouts
        learned = config.reward == "learned"
        first, *later = [*config.earlier, Leg(0, config.steps, config.labels)]
        explore = min(config.explore_steps, first.steps // 10) if learned else 0
        self.explore_steps = -(-explore // n_envs) * n_envs
        self._steps = [self.explore_steps]  # after round 0, 1, ...
        self._quotas: list[int] = []  # labels to ask for in round 0, 1, ...
        self._begin(first.steps, first.labels if learned else 0)
        self._pace = (len(self._steps) - 1) / ((self._steps[-1] - self.explore_steps) / self._rollout)
        for before, leg in zip(config.earlier, later, strict=True):
            self._go_on(before.rounds, leg.steps, leg.labels if learned else 0)
        self.rounds = len(self._steps) - 1
        self._labels = list(accumulate(self._quotas))
        if learned:
            self._check(asked)

    def _begin(self, steps: int, labels: int) -> None:
        rollouts = max(1, self._rollouts_to(steps))
        rounds = self._add_rounds(rollouts, self.config.rounds)
        # What the last round shows could not change the agent any more, so nothing is asked after it.
        sessions = min(rounds - 1, int(self.config.labels_until * rounds + 1e-9))
        self._quotas += label_schedule(labels, sessions, self.config.initial_share)
        self._quotas += [0] * (len(self._steps) - len(self._quotas))

    def _go_on(self, done: int, steps: int, labels: int) -> None:
        """Plan anew what comes after that round."""
        del self._steps[done + 1 :], self._quotas[done + 1 :]
        rollouts, rest = self._rollouts_to(steps), labels - sum(self._quotas)
        least = 1 + (rest > 0)  # one to ask about, one to learn from the answers
        if rollouts < least:
            raise UsageError(
                f"--steps {steps} leaves {max(0, rollouts)} rollouts of {self._rollout} steps after the "
                f"{self._steps[-1]} that were taken, which takes {least} to learn anything; give more --steps"
            )
        rounds = self._add_rounds(rollouts, round(rollouts * self._pace), least)
        if rest:
            sessions = max(1, min(rounds - 1, int(self.config.labels_until * rounds + 1e-9)))
            self._quotas += falling(rest, sessions)
        self._quotas += [0] * (len(self._steps) - len(self._quotas))

    def _rollouts_to(self, steps: int) -> int:
        """Whole rollouts that it takes to come from the rounds planned so far to so many steps."""
        return -(-(steps - self._steps[-1]) // self._rollout)

    def _add_rounds(self, rollouts: int, wanted: int, least: int = 1) -> int:
        """Divide `rollouts` more into the `wanted` rounds, or fewer if they would be too short; how many they are."""
        rounds, start = max(least, min(wanted, rollouts // self._shortest)), self._steps[-1]
        self._steps += [start + self._rollout * (k * rollouts // rounds) for k in range(1, rounds + 1)]
        return rounds

    def labels_after(self, round_index: int) -> int:
        """Labels asked by the end of that round, in all."""
        return self._labels[min(round_index, len(self._labels) - 1)] if round_index >= 0 else 0

    def answers_needed(self, round_index: int) -> int:
        """Answers without which training does not go on after that round: a person may be `slack` behind."""
        return max(self.labels_after(round_index) - self.config.slack, min(FIRST_ANSWERS, self._quotas[0]))

    def asked_after(self, round_index: int) -> int:
        """Labels to have asked for by the end of that round: those of the plan, and for a person a few more.

        So a person has something to answer while the agent trains, and the plan is kept all the same: what they do not
        get to is withdrawn when there are newer questions.
        """
        labels = self.labels_after(round_index)
        return min(labels + self.config.slack, self._labels[-1]) if self._prefers_fresh else labels

    def is_last_chance(self, round_index: int) -> bool:
        """Whether the agent learns from no answers that come later than this round's."""
        return round_index >= self.rounds - 1

    def steps_after(self, round_index: int) -> int:
        """Steps taken by the end of that round, in all."""
        return self._steps[round_index]

    def _check(self, before: int) -> None:
        config = self.config
        if max(config.labels, before) < 2:
            raise UsageError(f"--labels is {config.labels}; a reward is learned from 2 or more, or use --reward true")
        if any(self._quotas) and self.time_limit is not None and self.time_limit < config.segment_length:
            raise UsageError(
                f"{config.env_id}: episodes of {self.time_limit} steps are shorter than a clip of "
                f"{config.segment_length}; use --segment-length {self.time_limit} or less"
            )
        for round_index in range(len(self._quotas)):
            quota = max(0, self.labels_after(round_index) - max(before, self.labels_after(round_index - 1)))
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
        return episodes * num_segments(limit, length) + num_segments(rest, length)


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
    return (first, *falling(total - first, sessions))


def falling(total: int, sessions: int) -> tuple[int, ...]:
    """`total` in so many parts, one or more, that fall linearly; none is larger than the one before it.

    The method of largest remainders, in whole numbers: exact, and monotonic because the weights are.
    """
    weight_sum = sessions * (sessions + 1) // 2
    parts = [divmod(total * weight, weight_sum) for weight in range(sessions, 0, -1)]
    missing = total - sum(whole for whole, _ in parts)
    rounded_up = set(sorted(range(sessions), key=lambda k: -parts[k][1])[:missing])
    return tuple(whole + (k in rounded_up) for k, (whole, _) in enumerate(parts))
