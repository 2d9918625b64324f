"""Fit a reward ensemble to answers.

Axes: E members, B answers, S segments of their questions, T steps, C choices, K options.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import Batch, longer, stack
from prefrl.data.segment import Segment
from prefrl.errors import UsageError
from prefrl.feedback.answer import Answer, informative, is_held_out
from prefrl.feedback.choice import Weights
from prefrl.rewards.batches import Choices, segments_of
from prefrl.rewards.ensemble import SEGMENTS, RewardEnsemble
from prefrl.rewards.likelihoods import choice_loss
from prefrl.rewards.metrics import answer_probability, expected_calibration_error, preference_accuracy


@dataclass(frozen=True)
class FitMetrics:
    """What a fit achieved. Held-out figures are on answers no gradient came from; of the ensemble's mean, but for the
    loss."""

    preferences: int
    """Answers used, those held out included and skipped ones not."""

    epochs: int
    train_loss: float
    """Mean of what the last pass minimised, in nats, on some of the steps."""

    held_out_loss: float
    """Mean of the members' losses, in nats; that of another share of `random_answers` is another loss."""

    held_out_decided: int
    """Held-out choices between two that have a better side: what the next figure is a share of."""

    held_out_accuracy: float
    """Share of them whose better side the ensemble names; NaN if there is none."""

    held_out_calibration_error: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The steps of S segments, as the nets see them."""

    inputs: Tensor  # (S, T, width)
    alive: Tensor  # (S, T) 1 for a step taken alive, 0 for one in the absorbing state
    last: Tensor  # (S, 1) index of the last step taken alive
    dies: Tensor  # (S, 1) 1 if it led to the absorbing state


@dataclass(frozen=True, eq=False)
class _Data:
    """B answers, as tensors."""

    steps: _Steps
    choices: Choices
    counts: Tensor  # (E, B) how often each member's sample holds the answer


def fit(
    ensemble: RewardEnsemble,
    answers: Sequence[Answer],
    *,
    config: RewardConfig | None = None,
    generator: torch.Generator,
) -> FitMetrics:
    """Train `ensemble` in place on `answers`, from the weights it has. If that fails, it stays as it was.

    Every k-th question is held out, the first one included, so that a held-out figure exists from the first round on.
    Training stops when the held-out loss has not improved for `config.patience` passes, and the best weights are kept.

    Raises:
        ValueError: fewer than two of the answers count and say something, one has no `seq`, or segments are of another
            environment.
        UsageError: a number in the segments is not finite, or no pass gave a finite loss.
    """
    before = _copy(ensemble)
    try:
        return _fit(ensemble, answers, config or RewardConfig(), generator)
    except BaseException:
        ensemble.load_state_dict(before)
        raise


def _fit(
    ensemble: RewardEnsemble, answers: Sequence[Answer], config: RewardConfig, generator: torch.Generator
) -> FitMetrics:
    if any(answer.seq is None for answer in answers):
        raise ValueError("Answer.seq is None, but it decides which answers are held out; give each its own: answer.at")
    used = informative(answers)
    if len(used) < 2:
        raise ValueError(f"{len(used)} informative answers; a reward can be fitted to two or more")
    data = _tensors(ensemble, used, config.bootstrap)
    held_out = torch.from_numpy(is_held_out(used, config.held_out))
    train, test = ((held_out == out).nonzero()[:, 0] for out in (False, True))
    optimizer = torch.optim.AdamW(
        ensemble.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    best_loss, best_epoch, best = math.inf, 0, _copy(ensemble)
    train_loss, epoch = math.nan, 0
    for epoch in range(1, config.max_epochs + 1):
        train_loss = _one_pass(ensemble, optimizer, data, train, config, generator)
        loss = _loss(ensemble, data, test, config.random_answers) if len(test) else train_loss
        if loss < best_loss:
            best_loss, best_epoch, best = loss, epoch, _copy(ensemble)
        elif epoch - best_epoch >= config.patience:
            break
    if not best_epoch:
        raise UsageError("the fit of the reward gave no finite loss; lower --reward-model.learning-rate")
    ensemble.load_state_dict(best)
    return FitMetrics(
        len(used), epoch, train_loss, best_loss if len(test) else math.nan, *_held_out(ensemble, data, test, config)
    )


def _copy(ensemble: RewardEnsemble) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in ensemble.state_dict().items()}


def stated(ensemble: RewardEnsemble, answers: Sequence[Answer]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the members' mean says of the C choices between two options that `answers` come down to.

    Returns:
        The first option's return minus the second one's, and the probability that the first was chosen: (C,) each, in
        the order of `owners`.
    """
    choices = [(a.question.segments, choice) for a in answers for choice in a.choices() if len(choice.options) == 2]
    first, second = (_worth(ensemble, [(segments, choice.options[k]) for segments, choice in choices]) for k in (0, 1))
    return first - second, np.array([choice.chosen[0] for _, choice in choices], np.float64)


def owners(answers: Sequence[Answer]) -> NDArray[np.int64]:
    """(C,) which of `answers` each of their choices between two options belongs to."""
    found = [i for i, answer in enumerate(answers) for choice in answer.choices() if len(choice.options) == 2]
    return np.array(found, np.int64)


def _worth(
    ensemble: RewardEnsemble, options: Sequence[tuple[Sequence[Segment], Mapping[int, Weights]]]
) -> NDArray[np.float32]:
    """The members' mean return of each option, which weighs some of its segments."""
    parts = [(i, segments[p], w) for i, (segments, option) in enumerate(options) for p, w in option.items()]
    worth = np.zeros(len(options), np.float32)
    if parts:
        rewards = ensemble.step_rewards(stack([segment for _, segment, _ in parts]))  # (E, parts, T)
        steps = rewards.shape[-1]
        weights = np.stack([longer(np.full(len(segment), w, np.float32), steps) for _, segment, w in parts])
        returns = (rewards * torch.from_numpy(weights)).sum(-1).numpy().mean(0)
        np.add.at(worth, [i for i, _, _ in parts], returns)
    return worth


def _tensors(ensemble: RewardEnsemble, answers: Sequence[Answer], bootstrap: bool) -> _Data:
    """Refresh the input normaliser on all segments and prepare them, once a fit."""
    seqs = [answer.seq for answer in answers if answer.seq is not None]
    batch: Batch[Tensor] = stack(segments_of(answers)).map(torch.from_numpy)
    _check(batch, ensemble)
    _check_finite(batch, answers)
    ensemble.set_input_stats(batch)
    alive = batch.lived.float()
    last = (alive.sum(-1, keepdim=True).long() - 1).clamp(min=0)
    dies = batch.absorbing[:, -1:].float() * alive[:, :1]
    counts = _bootstrap(ensemble.members, seqs) if bootstrap else torch.ones(ensemble.members, len(seqs))
    return _Data(_Steps(ensemble.inputs(batch), alive, last, dies), Choices.of(answers), counts)


def _check(batch: Batch[Tensor], ensemble: RewardEnsemble) -> None:
    spaces = ensemble.spaces
    found = {name: tuple(array.shape[2:]) for name, array in batch.obs.items()}, batch.actions.shape[-1]
    if found != ({name: spec.shape for name, spec in spaces.obs.items()}, spaces.action.width):
        raise ValueError(f"segments have (observations, width of actions) {found}, but the ensemble takes {spaces}")


def _check_finite(batch: Batch[Tensor], answers: Sequence[Answer]) -> None:
    arrays = [array.flatten(1) for array in (*batch.obs.values(), batch.actions) if array.is_floating_point()]
    finite = torch.stack([array.isfinite().all(1) for array in arrays]).all(0)  # (S,)
    if not finite.all():
        seqs = [answer.seq for answer in answers for _ in answer.question.segments]
        raise UsageError(
            f"answer {seqs[int((~finite).nonzero()[0])]} is about a clip with numbers that are not finite "
            "(NaN or infinity); leave it out"
        )


def _bootstrap(members: int, seqs: Sequence[int]) -> Tensor:
    """(E, B) Poisson(1) counts: each member's own bootstrap sample (Oza & Russell 2001, online bagging).

    An answer's counts depend on its `seq` alone, so a member keeps its sample as answers come in.
    """
    counts = np.stack([np.random.default_rng((members, seq)).poisson(1.0, members) for seq in seqs], axis=1)
    return torch.from_numpy(counts.astype(np.float32))


def _one_pass(
    ensemble: RewardEnsemble,
    optimizer: torch.optim.Optimizer,
    data: _Data,
    train: Tensor,
    config: RewardConfig,
    generator: torch.Generator,
) -> float:
    """One pass in random order over the answers `train`.

    All members share a batch and differ in how often they count an answer.
    """
    total = 0.0
    for index in train[torch.randperm(len(train), generator=generator)].split(config.batch_size):
        choices = data.choices[index]
        inputs, counts, steps = _some_steps(data.steps, data.choices.segment_rows(index), config.step_share, generator)
        returns = choices.returns(_rewards(ensemble, inputs), counts, steps)
        losses = choices.by_answer(choice_loss(returns, choices.chosen, config.random_answers))
        losses = losses * data.counts[:, index]
        optimizer.zero_grad(set_to_none=True)
        losses.mean(1).sum().backward()
        optimizer.step()
        total += float(losses.detach().mean()) * len(index)
    return total / len(train)


def _some_steps(
    steps: _Steps, rows: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Inputs (n, k, width) of a random `share` of the steps of the segments `rows` (n,): unbiased sums, cheaper.

    The steps that end episodes are always among them: they can outweigh all others, and are too rare to be left to
    chance.

    Returns:
        Inputs, how many steps each of them stands for (n, k), and which steps they are (n, k), None for all.
    """
    length = steps.inputs.shape[1]
    count = max(1, round(share * length))
    if count == length:
        return steps.inputs[rows], steps.alive[rows], None
    some = torch.randperm(length, generator=generator)[:count]
    last, dies = steps.last[rows], steps.dies[rows]
    others = steps.alive[rows][:, some] * (1 - dies * (some == last))
    seen = torch.cat((some.expand(len(rows), -1), last), dim=1)
    # The same as inputs[rows[:, None], seen], in half the time.
    inputs = steps.inputs.flatten(0, 1).index_select(0, (rows[:, None] * length + seen).flatten())
    return inputs.unflatten(0, seen.shape), torch.cat((others * (length / count), dies), dim=1), seen


def _rewards(ensemble: RewardEnsemble, inputs: Tensor) -> Tensor:
    """(E, n, k) each member's reward of each of `inputs` (n, k, width)."""
    rewards: Tensor = ensemble(inputs.flatten(0, 1)).unflatten(1, inputs.shape[:2])
    return rewards


@torch.no_grad()
def _returns(ensemble: RewardEnsemble, data: _Data, index: Tensor) -> Tensor:
    """(E, C, K) returns of the options of the answers `index`, of all steps."""
    rows = data.choices.segment_rows(index)
    rewards = torch.cat([_rewards(ensemble, data.steps.inputs[some]) for some in rows.split(SEGMENTS)], dim=1)
    return data.choices[index].returns(rewards, data.steps.alive[rows])


def _loss(ensemble: RewardEnsemble, data: _Data, index: Tensor, random_answers: float) -> float:
    choices = data.choices[index]
    losses = choice_loss(_returns(ensemble, data, index), choices.chosen, random_answers)
    return float(choices.by_answer(losses).mean())


def _held_out(ensemble: RewardEnsemble, data: _Data, index: Tensor, config: RewardConfig) -> tuple[int, float, float]:
    """Number of decided ones, accuracy and calibration error of those choices of `index` that are between two."""
    choices = data.choices[index]
    between_two = choices.is_option.sum(-1) == 2
    returns = _returns(ensemble, data, index)[:, between_two]
    logits = (returns[..., 0] - returns[..., 1]).mean(0).numpy()
    targets = choices.chosen[between_two, 0].numpy()
    said = answer_probability(logits, config.random_answers)
    return (
        int((targets != 0.5).sum()),
        preference_accuracy(logits, targets),
        expected_calibration_error(said, targets),
    )
