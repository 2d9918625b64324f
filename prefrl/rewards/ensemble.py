"""The learned reward: an ensemble of small nets, stacked and evaluated in one batched call.

Axes: E members, S segments, T steps, N transitions.
"""

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import Batch
from prefrl.data.spaces import Obs, Spaces
from prefrl.rewards.encoders import make_encoder

A = TypeVar("A", Tensor, NDArray[np.float32])

LEAK = 0.01  # slope of the hidden units below 0
MIN_STD = 0.02  # of a step's reward, in log-odds: a clip whose 50 steps are that much better wins 2.7 times for 1
INPUT_CLIP = 10.0  # in standard deviations; a rare outlier must not drive the reward
SQUARE_CLIP = 3.0  # in standard deviations; farther than what was compared, a square would outweigh all else

# How much is computed at once without a gradient: hidden units that stay in the cache take a third of the time in torch
# and less in numpy, and little memory.
SEGMENTS = 16  # of 50 steps or so
ROWS = 128  # single steps


class RewardEnsemble(nn.Module):
    """`members` independent nets r(s, a, s'), bounded by tanh if asked (Lee et al. 2021, PEBBLE).

    Observations are encoded as vectors (`encoders.make_encoder`). Inputs are raw; the ensemble normalises them by
    statistics of its own, which change only in `set_input_stats`. With `sees_change` the nets get s' - s in place of
    s': where progress is what counts, it would otherwise hide in the difference of two almost equal inputs. Without
    `sees_action` they get no actions: what they do not see they cannot take for a reason. With `sees_squares` they get
    the square of each normalised input as well, clipped: what grows with the distance from a goal need not be pieced
    together from many hidden units.

    `reward` averages the members and rescales by `set_output_stats`; both stay frozen between fits, so that the
    agent's reward does not drift.

    A step in the absorbing state is worth 0 before rescaling. Nothing is lost by it: comparisons of segments of equal
    length say nothing about a constant added to every step. The step that leads there has an output of its own, which
    may reach `terminal_scale` times as far as that of an ordinary step: a crash or a goal can outweigh many steps.
    """

    input_mean: Tensor  # (input_dim,)
    input_std: Tensor  # (input_dim,)
    output_mean: Tensor  # ()
    output_std: Tensor  # ()

    def __init__(
        self,
        spaces: Spaces,
        members: int = 7,
        hidden: Sequence[int] = (64, 64),
        *,
        terminal_scale: float = 1.0,
        bounded: bool = True,
        sees_change: bool = False,
        sees_action: bool = True,
        sees_squares: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        """Members get initialisations of their own, drawn from `generator` (seed 0 if None).

        Raises:
            EnvError: no encoder takes the observations.
        """
        super().__init__()
        self.spaces, self.members, self.hidden = spaces, members, tuple(hidden)
        self.encoder = make_encoder(spaces.obs)
        self.terminal_scale, self.bounded = terminal_scale, bounded
        self.sees_change, self.sees_action, self.sees_squares = sees_change, sees_action, sees_squares
        # Observation, action, next observation or change.
        self.input_dim = 2 * self.encoder.width + spaces.action.width * sees_action
        # Squares, inputs, and whether the next state is absorbing; rewards of ordinary and of last steps.
        widths = [self.input_dim * (1 + sees_squares) + 1, *hidden, 2]
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        self.weights = nn.ParameterList(_uniform(generator, (members, i, o), i) for i, o in pairwise(widths))
        self.biases = nn.ParameterList(_uniform(generator, (members, 1, o), i) for i, o in pairwise(widths))
        self.register_buffer("input_mean", torch.zeros(self.input_dim))
        self.register_buffer("input_std", torch.ones(self.input_dim))
        self.register_buffer("output_mean", torch.zeros(()))
        self.register_buffer("output_std", torch.ones(()))
        # The same tensors in a plain list: to go through a ParameterList at each step takes as long as a layer.
        self._layers = list(zip(self.weights, self.biases, strict=True))

    def inputs(self, batch: Batch[Tensor]) -> Tensor:
        """The net's normalised inputs for whole segments.

        Returns:
            (S, T, width): squares if they are seen, inputs, and whether the next state is absorbing.
        """
        obs, absorbing = self.encoder(batch.obs), batch.absorbing
        assert obs.ndim == 3 and batch.actions.ndim == 3 and absorbing.ndim == 2
        return self._inputs(obs[:, :-1], batch.actions, obs[:, 1:], absorbing[:, 1:])

    def _inputs(self, obs: Tensor, actions: Tensor, next_obs: Tensor, dies: Tensor) -> Tensor:
        x = torch.cat((*self._seen(obs, actions, next_obs), dies.unsqueeze(-1)), dim=-1)
        # In place: of all that was ever asked about, a fit keeps one copy (and the squares).
        seen = x[..., :-1].sub_(self.input_mean).div_(self.input_std).clamp_(-INPUT_CLIP, INPUT_CLIP)
        return torch.cat((_squares(seen), x), dim=-1) if self.sees_squares else x

    def _seen(self, obs: A, actions: A, next_obs: A) -> tuple[A, ...]:
        """What of a transition the nets are shown."""
        then = next_obs - obs if self.sees_change else next_obs
        return (obs, actions, then) if self.sees_action else (obs, then)

    def forward(self, inputs: Tensor) -> Tensor:
        """Rewards of each member for each row: (N, width) -> (E, N)."""
        assert inputs.ndim == 2
        x = inputs.expand(self.members, *inputs.shape)
        last = len(self._layers) - 1
        for layer, (weight, bias) in enumerate(self._layers):
            x = torch.baddbmm(bias, x, weight)
            if layer < last:
                x = torch.nn.functional.leaky_relu_(x, LEAK)  # in place: a copy less
            elif self.bounded:
                x = torch.tanh(x)
        return torch.where(inputs[:, -1] > 0, self.terminal_scale * x[..., 1], x[..., 0])

    def segment_rewards(self, batch: Batch[Tensor]) -> Tensor:
        """Each member's reward of each step, (E, S, T): a `scores.StepScores`."""
        inputs = self.inputs(batch)
        rewards: Tensor = self(inputs.flatten(0, 1)).unflatten(1, inputs.shape[:2])
        return rewards * batch.lived

    @torch.inference_mode()
    def returns(self, batch: Batch[NDArray[Any]]) -> NDArray[np.float32]:
        """Each member's undiscounted return of each segment, in raw units: (E, S)."""
        return self.step_rewards(batch).sum(-1).numpy()

    @torch.inference_mode()
    def step_rewards(self, batch: Batch[NDArray[Any]]) -> Tensor:
        """`segment_rewards` (E, S, T), without a gradient, of as many segments as there are."""
        tensors = batch.map(torch.as_tensor)
        starts = range(0, len(batch.actions), SEGMENTS)
        parts = [self.segment_rewards(tensors.map(itemgetter(slice(i, i + SEGMENTS)))) for i in starts]
        return torch.cat(parts, dim=1)

    def reward(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The agent's reward of N transitions, in output units: `raw_reward`, rescaled. Returns (N,)."""
        raw = self.raw_reward(obs, actions, next_obs, terminated)
        rewards: NDArray[np.float32] = (raw - self.output_mean.numpy()) / self.output_std.numpy()
        return rewards

    def raw_reward(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The members' mean (N,) of transitions, in raw units: sums of it are log-odds of being preferred.

        Args:
            obs: name -> (N, *shape) raw observations. None of them is absorbing.
            actions: (N, width) executed actions.
            next_obs: name -> (N, *shape) raw observations that followed, terminal ones included.
            terminated: (N,) whether the transition led to the absorbing state.
        """
        seen_by_nets = self._seen(self.encoder(obs), actions, self.encoder(next_obs))
        rows = np.concatenate((*seen_by_nets, terminated[:, None]), axis=1, dtype=np.float32)
        seen = rows[:, :-1]
        seen -= self.input_mean.numpy()
        seen /= self.input_std.numpy()
        seen.clip(-INPUT_CLIP, INPUT_CLIP, out=seen)
        if self.sees_squares:
            rows = np.concatenate((_squares(seen), rows), axis=1)
        parts = [self._outputs(rows[i : i + ROWS]) for i in range(0, max(1, len(rows)), ROWS)]
        ordinary, last = np.concatenate(parts).T  # (N,) each
        raw: NDArray[np.float32] = np.where(terminated, self.terminal_scale * last, ordinary)
        return raw

    def _outputs(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The members' mean of what `forward` chooses from, (N, 2), in numpy: half the time for a few rows."""
        x: NDArray[np.float32] = rows
        for layer, (weight, bias) in enumerate(self._layers):
            x = x @ weight.detach().numpy()
            x += bias.detach().numpy()
            if layer < len(self._layers) - 1:
                x = np.maximum(x, LEAK * x)
        outputs: NDArray[np.float32] = (np.tanh(x) if self.bounded else x).sum(0) / self.members
        return outputs

    @torch.inference_mode()
    def absorbing_reward(self) -> float:
        """Reward of one more step in the absorbing state, in output units."""
        return float(-self.output_mean / self.output_std)

    def set_input_stats(self, batch: Batch[Tensor]) -> None:
        """Take mean and standard deviation of the inputs from segments; absorbing states are left out."""
        obs, alive = self.encoder(batch.obs), batch.alive
        acted = batch.actions[batch.lived]  # in units of any size, a micrometre in metres for example
        of_obs, of_actions = _moments(obs[alive]), _moments(acted, least=1e-6 * acted.abs().amax(0))
        of_next = _moments((obs[:, 1:] - obs[:, :-1])[alive[:, 1:]]) if self.sees_change else of_obs
        of_all = (of_obs, of_actions, of_next) if self.sees_action else (of_obs, of_next)
        mean, std = (torch.cat(moments) for moments in zip(*of_all, strict=True))
        self.input_mean.copy_(mean)
        self.input_std.copy_(std)

    @torch.inference_mode()
    def set_output_stats(self, batch: Batch[NDArray[Any]]) -> None:
        """Rescale the output to mean 0 and standard deviation 1 on the steps of these segments that end no episode.

        A smaller deviation than `MIN_STD` counts as that much: where staying alive is all, it is noise, of another size
        after each fit. What an end is worth, in such units, would jump as much, and beyond all that PPO can learn from.
        """
        rewards = self.step_rewards(batch).mean(0)
        raw = rewards[torch.as_tensor(batch.alive[:, 1:])]
        if len(raw) < 2:  # each step ends an episode
            raw = rewards[torch.as_tensor(batch.lived)]
        self.output_mean.copy_(raw.mean())
        self.output_std.copy_(raw.std().clamp(min=MIN_STD) if len(raw) > 1 else torch.ones(()))

    def to_bytes(self) -> bytes:
        """The ensemble as a safetensors file, its shape in the metadata."""
        names = ("members", "hidden", "terminal_scale", "bounded", "sees_change", "sees_action", "sees_squares")
        shape = {"spaces": self.spaces.to_json(), **{name: getattr(self, name) for name in names}}
        return save({k: v.contiguous() for k, v in self.state_dict().items()}, {"shape": json.dumps(shape)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "RewardEnsemble":
        """The ensemble that `to_bytes` wrote, of this version or of those before observations had names."""
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        shape = json.loads(header["__metadata__"]["shape"])
        if "spaces" in shape:
            spaces = Spaces.from_json(shape.pop("spaces"))
        else:
            spaces = Spaces.vectors(shape.pop("obs_dim"), shape.pop("action_dim"))
        ensemble = cls(spaces, **shape)
        ensemble.load_state_dict(load(data))
        return ensemble


def make_ensemble(config: RewardConfig, spaces: Spaces, generator: torch.Generator) -> RewardEnsemble:
    """An ensemble of the shape that `config` asks for, with weights drawn from `generator`."""
    return RewardEnsemble(
        spaces,
        config.members,
        config.hidden,
        terminal_scale=config.terminal_scale,
        bounded=config.bounded,
        sees_change=config.sees_change,
        sees_action=config.sees_action,
        sees_squares=config.sees_squares,
        generator=generator,
    )


class RawReward:
    """Pays an ensemble's reward in raw units, in which staying dead is always worth 0."""

    def __init__(self, ensemble: RewardEnsemble) -> None:
        self.reward = ensemble.raw_reward
        """As `RewardEnsemble.raw_reward`."""

    def absorbing_reward(self) -> float:
        """Reward of one more step in the absorbing state."""
        return 0.0


def _squares(normalised: A) -> A:
    return normalised.clip(-SQUARE_CLIP, SQUARE_CLIP) ** 2


def _uniform(generator: torch.Generator, shape: tuple[int, ...], fan_in: int) -> nn.Parameter:
    bound = 1.0 / math.sqrt(fan_in)  # as torch.nn.Linear
    return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * bound)


def _moments(rows: Tensor, least: Tensor | float = 1e-6) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, 1 where that is not above `least`: a constant input stays 0."""
    if len(rows) < 2:
        return torch.zeros(rows.shape[-1]), torch.ones(rows.shape[-1])
    std, mean = torch.std_mean(rows, dim=0)
    return mean, torch.where(std > least, std, torch.ones_like(std))
