"""The plan of a run: when to explore, how many steps each span has, how many labels are asked when."""

from itertools import accumulate

from prefrl.config.run import TrainConfig
from prefrl.errors import UsageError
from prefrl.training.selection import label_schedule

FIRST_ANSWERS = 10
"""Answers without which a reward is not worth training on."""


class Plan:
    """What a configuration asks for, span by span. Span 0 is the exploration before training.

    Raises:
        UsageError: more labels than the recorded segments can give pairs.
    """

    def __init__(self, config: TrainConfig, time_limit: int | None = None) -> None:
        """`time_limit`: the steps after which the environment truncates its episodes, if it does."""
        self.config, self.time_limit = config, time_limit
        learned = config.reward == "learned"
        n_envs, rollout = config.agent.n_envs, config.agent.rollout
        explore = min(config.explore_steps, config.steps // 10) if learned else 0
        self.explore_steps = -(-explore // n_envs) * n_envs
        self._rollouts = max(1, -(-(config.steps - self.explore_steps) // rollout))  # it takes whole ones
        # A span resets all environments: it must be long enough to show, and to train on, whole episodes.
        shortest = -(-n_envs * (time_limit or 1) // rollout)  # rollouts
        self.spans = min(config.spans, max(1, self._rollouts // shortest))
        # What the last span shows could not change the agent any more, so nothing is asked after it.
        sessions = min(self.spans - 1, int(config.labels_until * self.spans + 1e-9))
        self._quotas = label_schedule(config.labels if learned else 0, sessions, config.initial_share)
        self._labels = list(accumulate(self._quotas))  # after span 0, 1, ..., sessions
        if learned:
            self._check()

    def labels_after(self, span: int) -> int:
        """Labels asked by the end of `span`, in all."""
        return self._labels[min(span, len(self._labels) - 1)] if span >= 0 else 0

    def answers_needed(self, span: int) -> int:
        """Answers without which training does not go on after `span`: a person may be `slack` behind the schedule."""
        return max(self.labels_after(span) - self.config.slack, min(FIRST_ANSWERS, self._quotas[0]))

    def steps_after(self, span: int) -> int:
        """Steps taken by the end of `span`, in all."""
        return self.explore_steps + self.config.agent.rollout * (span * self._rollouts // self.spans)

    def _check(self) -> None:
        config = self.config
        if config.labels < 2:
            raise UsageError(f"--labels is {config.labels}; a reward is learned from 2 or more, or use --reward true")
        for span, quota in enumerate(self._quotas):
            # What a person has not answered is asked anew, about what the agent does then (see `ask`).
            asked_anew = config.teacher == "human" and span and quota
            late = self.labels_after(span - 1) - self.answers_needed(span - 1) if asked_anew else 0
            asked = quota + late
            steps = self.steps_after(span) - (self.steps_after(span - 1) if span else 0)
            segments = config.agent.n_envs * self._segments(steps // config.agent.n_envs)
            if asked > segments * (segments - 1) // 2:
                raise UsageError(
                    f"--labels {config.labels} asks for {asked} pairs after step {self.steps_after(span)}, but the "
                    f"{steps} steps before it give only {segments} segments of {config.segment_length}; ask for "
                    f"fewer labels, more --steps{', a larger --labels-until' * (config.labels_until < 1)}"
                    f"{', a smaller --slack' * (late > 0)} or a shorter --segment-length"
                )

    def _segments(self, steps: int) -> int:
        """Segments that one environment gives in `steps`, if no episode terminates."""
        limit, length = self.time_limit or steps or 1, self.config.segment_length
        episodes, rest = divmod(steps, limit)
        return episodes * (limit // length) + rest // length
