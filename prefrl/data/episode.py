"""Cut recorded episodes into segments of equal length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefrl.data.batch import Transitions, is_finite
from prefrl.data.model_change import ModelChange, model_rows
from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import Obs, rows
from prefrl.data.spaces import is_finite as finite_obs


@dataclass(frozen=True, eq=False)
class Episode:
    """`n` steps of one environment from a reset to its end, or to where the recording stopped."""

    obs: Obs
    """Name -> (n + 1, *shape) raw observations; the last one followed the last action."""

    actions: NDArray[np.float32]
    """(n, width) executed actions; one-hot if discrete."""

    true_rewards: NDArray[np.float32]
    """(n,) the environment's own rewards."""

    terminated: bool
    """Whether the last step led to a terminal state."""

    truncated: bool = False
    """Whether the last step met a time limit. Neither of the two: the recording stopped first."""

    sim_states: NDArray[np.float64] | None = None
    """(n + 1, state_dim) simulator states, or None."""

    models: Sequence[ModelChange] | None = None
    """Of each of the n + 1 states, the model that the simulator had; None where that is not looked at."""

    reset_seed: int | None = None
    """Seed of the reset the episode began with, if known."""

    jpegs: Sequence[bytes | None] | None = None
    """n + 1 pictures as JPEG, None for those that memory had no room for; or None where none were recorded."""

    fps: float = 30.0
    """Pictures per second in real time."""

    env_index: int = 0
    """Which of the parallel environments it ran in."""

    success: bool | None = None
    """Whether the environment called it a success at its end; None if it did not say."""

    @property
    def finished(self) -> bool:
        """Whether the episode ran to its end."""
        return self.terminated or self.truncated

    @property
    def true_return(self) -> float:
        """Undiscounted sum of the true rewards."""
        return float(self.true_rewards.sum(dtype=np.float64))

    @property
    def transitions(self) -> Transitions:
        """The n steps, as a reward function takes them."""
        terminated = np.zeros(len(self.actions), np.bool_)
        terminated[-1:] = self.terminated
        return Transitions(rows(self.obs, slice(-1)), self.actions, rows(self.obs, slice(1, None)), terminated)


def cut(episodes: Iterable[Episode], length: int) -> list[Segment]:
    """Segments of `length` steps, which together hold every step of each episode, from its start to its end.

    They follow each other. The last one of a terminated episode is padded with absorbing states (see `Segment`). That
    of another episode ends where the episode does, and overlaps the one before: what would have come next is not
    known. So an episode that is shorter than a segment and did not terminate gives none. Segments with a value that is
    not finite are left out too. All arrays are copies, so a kept segment holds on to no episode.
    """
    segments = (_segment(e, start, length) for e in episodes for start in _starts(e, length))
    return [s for s in segments if is_finite(s)]


def num_segments(steps: int, length: int) -> int:
    """How many segments `cut` makes of an episode of so many `steps` that does not terminate."""
    return -(-steps // length) if steps >= length else 0


def _starts(episode: Episode, length: int) -> list[int]:
    steps = len(episode.actions)
    starts = [*range(0, steps, length)]
    if episode.terminated:
        return starts
    return [min(start, steps - length) for start in starts] if steps >= length else []


def _segment(episode: Episode, start: int, length: int) -> Segment:
    stop = min(start + length, len(episode.actions))
    steps = stop - start
    dies = episode.terminated and stop == len(episode.actions)
    states, model, replay = episode.sim_states, None, None
    if states is not None and episode.models is not None:
        model = model_rows([*episode.models[start : stop + 1], *[episode.models[stop]] * (length - steps)])
        states = None if model is None else states  # by themselves they would show another model
    if states is not None:
        states = _padded(states[start : stop + 1], length + 1, repeat_last=True)
    elif episode.reset_seed is not None:
        replay = episode.actions[:start].copy()
    obs = {name: _padded(array[start : stop + 1], length + 1) for name, array in episode.obs.items()}
    if dies and not finite_obs(rows(obs, steps)):
        for array in obs.values():
            array[steps] = 0  # a simulation that blew up: how it looked is lost, that it ended is not
    return Segment(
        obs=obs,
        actions=_padded(episode.actions[start:stop], length),
        absorbing=np.arange(length + 1) >= (steps if dies else length + 1),
        true_rewards=_padded(episode.true_rewards[start:stop], length),
        sim_states=states,
        model=model or None,
        reset_seed=episode.reset_seed,
        replay_actions=replay,
        start=start,
        film=_film(episode, start, stop, length),
    )


def _film(episode: Episode, start: int, stop: int, length: int) -> Film | None:
    """Of a segment; None if a picture of it is missing."""
    if episode.jpegs is None:
        return None
    shown = [jpeg for jpeg in episode.jpegs[start : stop + 1] if jpeg is not None]
    missing = stop + 1 - start - len(shown)
    return None if missing else Film((*shown, *shown[-1:] * (length - (stop - start))), episode.fps)


def _padded(rows: NDArray[Any], length: int, repeat_last: bool = False) -> NDArray[Any]:
    padded = np.zeros((length, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    if repeat_last:
        padded[len(rows) :] = rows[-1]
    return padded
