"""Fit a reward ensemble to preferences."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prefrl.config.run import RewardConfig
from prefrl.data.episode import stack
from prefrl.feedback.answer import Preference, effective
from prefrl.feedback.comparison import target
from prefrl.rewards.ensemble import SEGMENTS, RewardEnsemble
from prefrl.rewards.likelihoods import bradley_terry_loss
from prefrl.rewards.metrics import answer_probability, expected_calibration_error, preference_accuracy


@dataclass(frozen=True)
class FitMetrics:
    """What a fit achieved. Held-out figures are on preferences no gradient came from; of the ensemble's mean, but for
    the loss."""

    preferences: int
    """Preferences used, those held out included and skipped ones not."""

    epochs: int
    train_loss: float
    """Mean of what the last pass minimised, in nats, on some of the steps."""

    held_out_loss: float
    """Mean of the members' losses, in nats; that of another share of `random_answers` is another loss."""

    held_out_decided: int
    """Held-out preferences with a better side: what the next figure is a share of."""

    held_out_accuracy: float
    """Share of held-out pairs whose better side the ensemble names; NaN if there is none with a better side."""

    held_out_calibration_error: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Preferences as tensors: inputs and liveness of both sides' steps, targets, counts."""

    inputs: Tensor  # (B, 2, T, width)
    alive: Tensor  # (B, 2, T) 1 for a step taken alive, 0 for one in the absorbing state
    last: Tensor  # (B, 2, 1) index of the last step taken alive
    dies: Tensor  # (B, 2, 1) 1 if it led to the absorbing state
    targets: Tensor  # (B,)
    counts: Tensor  # (E, B) how often each member's sample holds the pair

    def __getitem__(self, index: Tensor) -> "_Pairs":
        return _Pairs(
            self.inputs[index],
            self.alive[index],
            self.last[index],
            self.dies[index],
            self.targets[index],
            self.counts[:, index],
        )


def make_ensemble(config: RewardConfig, obs_dim: int, action_dim: int, generator: torch.Generator) -> RewardEnsemble:
    """An ensemble of the shape that `config` asks for, with weights drawn from `generator`."""
    return RewardEnsemble(
        obs_dim,
        action_dim,
        config.members,
        config.hidden,
        terminal_scale=config.terminal_scale,
        bounded=config.bounded,
        sees_change=config.sees_change,
        sees_action=config.sees_action,
        sees_squares=config.sees_squares,
        generator=generator,
    )


def fit(
    ensemble: RewardEnsemble,
    preferences: Sequence[Preference],
    *,
    config: RewardConfig | None = None,
    generator: torch.Generator,
) -> FitMetrics:
    """Train `ensemble` in place on `preferences` (B of them), from the weights it has.

    Every k-th query is held out, the first one included, so that a held-out figure exists from the first session on.
    Training stops when the held-out loss has not improved for `config.patience` passes, and the best weights are kept.

    Raises:
        ValueError: fewer than two preferences that are neither skipped, retracted nor superseded, or segments of
            another environment.
    """
    config = config or RewardConfig()
    used = usable(preferences)
    if len(used) < 2:
        raise ValueError(f"{len(used)} usable preferences; a reward can be fitted to two or more")
    pairs = _tensors(ensemble, used, config.bootstrap)
    held_out = torch.from_numpy(is_held_out(used, config.held_out))
    train, test = (~held_out).nonzero()[:, 0], pairs[held_out.nonzero()[:, 0]]
    optimizer = torch.optim.AdamW(
        ensemble.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    best_loss, best_epoch, best_weights = math.inf, 0, ensemble.state_dict()
    train_loss, epoch = math.nan, 0
    for epoch in range(1, config.max_epochs + 1):
        train_loss = _one_pass(ensemble, optimizer, pairs, train, config, generator)
        loss = _loss(ensemble, test, config.random_answers) if len(test.targets) else train_loss
        if loss < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = {k: v.clone() for k, v in ensemble.state_dict().items()}
        elif epoch - best_epoch >= config.patience:
            break
    ensemble.load_state_dict(best_weights)
    logits, targets = _logits(ensemble, test).mean(0).numpy(), test.targets.numpy()
    return FitMetrics(
        preferences=len(used),
        epochs=epoch,
        train_loss=train_loss,
        held_out_loss=best_loss if len(test.targets) else math.nan,
        held_out_decided=int((targets != 0.5).sum()),
        held_out_accuracy=preference_accuracy(logits, targets),
        held_out_calibration_error=expected_calibration_error(
            answer_probability(logits, config.random_answers), targets
        ),
    )


def usable(preferences: Sequence[Preference]) -> list[Preference]:
    """Those of `preferences` that a reward can be fitted to: neither skipped, retracted nor superseded."""
    return [p for p in effective(preferences) if p.choice and target(p.choice) is not None]


def can_fit(preferences: Sequence[Preference]) -> bool:
    """Whether there are the two usable ones that a reward needs at least."""
    return len(usable(preferences)) > 1


def stated(
    ensemble: RewardEnsemble, preferences: Sequence[Preference]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the members' mean says of B usable preferences, left return minus right, and their targets: (B,) each."""
    left, right = (
        ensemble.returns(*stack([getattr(p.query, s) for p in preferences])).mean(0) for s in ("left", "right")
    )
    return left - right, np.array([target(p.choice) for p in preferences if p.choice], np.float64)


def is_held_out(preferences: Sequence[Preference], share: float) -> NDArray[np.bool_]:
    """(B,) whether a fit to `preferences` holds each of them out.

    It hangs on the query: all answers to one query, later corrections too, are on the same side.
    """
    if share == 0 or not preferences:
        return np.zeros(len(preferences), np.bool_)
    queries = np.array([p.seq if p.query.id is None else p.query.id for p in preferences])
    held_out: NDArray[np.bool_] = queries % max(2, round(1 / share)) == 1
    if not held_out.any():
        held_out = queries == queries[0]
    if held_out.all():
        held_out[-1] = False
    return held_out


def _tensors(ensemble: RewardEnsemble, preferences: Sequence[Preference], bootstrap: bool) -> _Pairs:
    """Refresh the input normaliser on all segments and prepare them, once a fit."""
    sides = [s for p in preferences for s in (p.query.left, p.query.right)]
    obs, actions, absorbing = (torch.from_numpy(x) for x in stack(sides))  # (2 B, T ...)
    dims, wanted = (obs.shape[-1], actions.shape[-1]), (ensemble.obs_dim, ensemble.action_dim)
    if dims != wanted:
        raise ValueError(f"segments have (obs_dim, action_dim) {dims}, but the ensemble is for {wanted}")
    ensemble.set_input_stats(obs, actions, absorbing)
    inputs = ensemble.inputs(obs, actions, absorbing).unflatten(0, (-1, 2))
    alive = (~absorbing[:, :-1]).float().unflatten(0, (-1, 2))
    last = (alive.sum(-1, keepdim=True).long() - 1).clamp(min=0)
    dies = absorbing[:, -1:].float().unflatten(0, (-1, 2)) * alive[..., :1]
    targets = torch.tensor([target(p.choice) for p in preferences if p.choice], dtype=torch.float32)
    seqs = [p.seq for p in preferences]
    counts = _bootstrap(ensemble.members, seqs) if bootstrap else torch.ones(ensemble.members, len(seqs))
    return _Pairs(inputs, alive, last, dies, targets, counts)


def _bootstrap(members: int, seqs: Sequence[int]) -> Tensor:
    """(E, B) Poisson(1) counts: each member's own bootstrap sample (Oza & Russell 2001, online bagging).

    A pair's counts hang on its `seq` alone, so a member keeps its sample as preferences come in.
    """
    counts = np.stack([np.random.default_rng((members, seq)).poisson(1.0, members) for seq in seqs], axis=1)
    return torch.from_numpy(counts.astype(np.float32))


def _returns(ensemble: RewardEnsemble, inputs: Tensor, weights: Tensor) -> Tensor:
    """(E, B, 2) returns of both sides, of steps (B, 2, K, width) that count `weights` (B, 2, K) each."""
    rewards = ensemble(inputs.flatten(0, 2)).unflatten(1, inputs.shape[:3])  # (E, B, 2, K)
    returns: Tensor = (rewards * weights).sum(-1)
    return returns


@torch.no_grad()
def _logits(ensemble: RewardEnsemble, pairs: _Pairs) -> Tensor:
    """(E, B) left return minus right return, of whole segments."""
    parts = zip(pairs.inputs.split(SEGMENTS // 2), pairs.alive.split(SEGMENTS // 2), strict=True)
    returns = torch.cat([_returns(ensemble, inputs, alive) for inputs, alive in parts], dim=1)
    return returns[..., 0] - returns[..., 1]


def _loss(ensemble: RewardEnsemble, pairs: _Pairs, random_answers: float) -> float:
    return float(bradley_terry_loss(_logits(ensemble, pairs), pairs.targets, random_answers).mean())


def _one_pass(
    ensemble: RewardEnsemble,
    optimizer: torch.optim.Optimizer,
    pairs: _Pairs,
    train: Tensor,
    config: RewardConfig,
    generator: torch.Generator,
) -> float:
    """One pass in random order over those of `pairs` whose indices are in `train`.

    All members share a batch and differ in how often they count a pair.
    """
    total = 0.0
    for index in train[torch.randperm(len(train), generator=generator)].split(config.batch_size):
        batch = pairs[index]
        inputs, weights = _some_steps(batch, config.step_share, generator)
        returns = _returns(ensemble, inputs, weights)
        losses = bradley_terry_loss(returns[..., 0] - returns[..., 1], batch.targets, config.random_answers)
        losses = losses * batch.counts
        optimizer.zero_grad(set_to_none=True)
        losses.mean(1).sum().backward()
        optimizer.step()
        total += float(losses.detach().mean()) * len(index)
    return total / len(train)


def _some_steps(pairs: _Pairs, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs (B, 2, K, width) and weights (B, 2, K) of a random `share` of the steps: unbiased sums, cheaper.

    The steps that end episodes are always among them: they can outweigh all others, and are too rare to be left to
    chance.
    """
    steps = pairs.inputs.shape[2]
    count = max(1, round(share * steps))
    if count == steps:
        return pairs.inputs, pairs.alive
    some = torch.randperm(steps, generator=generator)[:count]
    others = pairs.alive[:, :, some] * (1 - pairs.dies * (some == pairs.last))
    index = pairs.last.unsqueeze(-1).expand(*pairs.last.shape, pairs.inputs.shape[-1])
    ends = pairs.inputs.gather(2, index)  # (B, 2, 1, width)
    inputs = torch.cat((pairs.inputs[:, :, some], ends), dim=2)
    return inputs, torch.cat((others * (steps / count), pairs.dies), dim=2)
