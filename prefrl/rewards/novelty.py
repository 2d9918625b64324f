"""A reward for seeing what was not seen yet: unsupervised exploration before anybody was asked anything.

Axes: N environments, M states seen.
"""

import numpy as np
from numpy.typing import NDArray

from prefrl.data.spaces import Obs, Spaces
from prefrl.rewards.encoders import make_encoder

NEAREST = 5
"""Neighbour whose distance counts, as in PEBBLE."""


class StateEntropy:
    """Pays log(1 + distance to the k-th nearest state seen so far), an estimate of the entropy of states seen.

    Liu & Abbeel 2021, "Behavior from the void"; used before the first labels by Lee et al. 2021 (PEBBLE). States are
    encoded as vectors; distances are in standard deviations of the states remembered.
    """

    def __init__(self, spaces: Spaces, capacity: int, nearest: int = NEAREST) -> None:
        """`capacity`: states remembered, at most; the oldest go first."""
        self.nearest = nearest
        self._encoder = make_encoder(spaces.obs)
        self._states = np.zeros((capacity, self._encoder.width), np.float32)
        self._seen = 0

    def reward(
        self, obs: Obs, actions: NDArray[np.float32], next_obs: Obs, terminated: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """(N,) what going to `next_obs` is paid; these are remembered. The rest does not matter."""
        states = self._encoder(next_obs)  # (N, width)
        known = self._states[: min(self._seen, len(self._states))]  # (M, width)
        novelty: NDArray[np.float32] = np.log1p(self._distances(states, known)).astype(np.float32)
        for state in states:
            self._states[self._seen % len(self._states)] = state
            self._seen += 1
        return novelty

    def absorbing_reward(self) -> float:
        """Nothing new is seen by staying dead."""
        return 0.0

    def _distances(self, states: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.floating]:
        """(N,) from each of `states` to its k-th nearest of `known`; 0 while there are fewer."""
        if len(known) < self.nearest:
            return np.zeros(len(states))
        spread = known.std(axis=0, dtype=np.float64)  # in single precision a constant would have some
        scale = np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
        ours, theirs = states / scale, known / scale
        squares = (ours**2).sum(1)[:, None] - 2 * ours @ theirs.T + (theirs**2).sum(1)  # (N, M)
        return np.sqrt(np.maximum(np.partition(squares, self.nearest - 1, axis=1)[:, self.nearest - 1], 0))
