"""Give a run more to do: steps, labels, or both."""

import dataclasses
import re

from prefrl.config.run import Leg, TrainConfig
from prefrl.errors import UsageError
from prefrl.training.plan import Plan

Amount = int | str
"""A number in all, or "+N": so many more."""


def with_more(
    config: TrainConfig,
    done: int | None,
    *,
    steps: Amount | None = None,
    labels: Amount | None = None,
    time_limit: int | None = None,
    asked: int = 0,
) -> TrainConfig:
    """The settings of a run that is to do more than `config` says; `config` itself if it asks for nothing new.

    What was done stays as it was planned. More labels alone bring more steps to learn from them, if all steps have been
    taken: as many for a label as before.

    Args:
        config: the settings so far.
        done: the last round that a checkpoint holds; None if there is no checkpoint yet.
        steps: environment steps to train for.
        labels: answers to ask for.
        time_limit: as `Plan` takes it.
        asked: as `Plan` takes it.

    Raises:
        UsageError: an amount is no number, or less than what was done.
    """
    plan = Plan(config, time_limit, asked)
    taken, planned = (0, 0) if done is None else (plan.steps_after(done), plan.labels_after(done))
    given = config.labels if config.reward == "true" else max(config.labels, asked)  # a store may have begun with more
    total_steps = _total("--steps", steps, config.steps, taken)
    total_labels = config.labels if labels is None else _total("--labels", labels, given, planned)
    if total_labels != config.labels and config.reward == "true":
        raise UsageError("a run of --reward true asks for no labels; leave --labels out")
    if steps is None and total_labels > given and done == plan.rounds:
        more = total_labels - given
        total_steps += max(2 * config.agent.rollout, -(-more * config.steps // max(1, given)))
    if (total_steps, total_labels) == (config.steps, config.labels):
        return config
    before = () if done is None else (Leg(done, config.steps, config.labels),)
    more_to_do = dataclasses.replace(config, steps=total_steps, labels=total_labels, earlier=(*config.earlier, *before))
    Plan(more_to_do, time_limit, asked)
    return more_to_do


def _total(flag: str, amount: Amount | None, now: int, done: int) -> int:
    """What `amount` comes to in all, where `now` was asked for and `done` of it is over."""
    if amount is None:
        return now
    if not re.fullmatch(r"\+?\d{1,12}", str(amount), re.ASCII):
        raise UsageError(f"{flag} is {amount!r}; give a whole number in all, or how many more: +1000")
    total = int(amount) + (now if str(amount).startswith("+") else 0)
    if total < done and total != now:  # whole rollouts may have taken it past what was asked for
        raise UsageError(f"{flag} is {amount}, but the run has {done} already; give more, or how many more: +1000")
    return total
