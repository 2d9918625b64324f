"""The replay buffer of an off-policy algorithm: paid again when the reward has changed, saved without pickle.

Axes: L steps of N environments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from prefrl.data.info_keys import RAW_LAST_OBS
from prefrl.data.spaces import named
from prefrl.environments.actions import ActionUnits
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.spaces import action_array
from prefrl.errors import CheckpointError

ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
CHUNK = 4096
"""Steps paid at once, which bounds memory."""


class RawReplayBuffer(ReplayBuffer):
    """Keeps the last observation of each episode as it was.

    SB3 computes it back from what VecNormalize made of it, which was clipped: what ends an episode is often far out.
    """

    def add(
        self,
        obs: NDArray[Any],
        next_obs: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        for i, info in enumerate(infos):
            if RAW_LAST_OBS in info:
                next_obs[i] = info[RAW_LAST_OBS]
        super().add(obs, next_obs, action, reward, done, infos)


def relabel(agent: OffPolicyAlgorithm, units: ActionUnits, paid: LearnedRewardVecEnv) -> None:
    """Pay every remembered step of `agent`, which acts in `units`, as it would be paid now (Lee et al. 2021, PEBBLE).

    The absorbing state needs no steps of its own: a termination is paid what staying there is worth.
    """
    buffer = _buffer(agent)
    for start in range(0, _filled(buffer), CHUNK):
        rows = slice(start, min(start + CHUNK, _filled(buffer)))
        obs, next_obs = (_flat(x[rows]).astype(np.float32) for x in (buffer.observations, buffer.next_observations))
        actions = agent.policy.unscale_action(_flat(buffer.actions[rows]).reshape(-1, *agent.action_space.shape))  # type: ignore[misc]
        terminated = _terminated(buffer, rows)
        executed = action_array(units.space, units.executed(actions))
        buffer.rewards[rows] = paid.pay(named(obs), executed, named(next_obs), terminated.ravel()).reshape(
            terminated.shape
        )


def holds_ends(agent: OffPolicyAlgorithm) -> bool:
    """Whether a remembered step ended its episode, other than by a time limit."""
    buffer = _buffer(agent)
    return bool(_terminated(buffer, slice(_filled(buffer))).any())


def _terminated(buffer: ReplayBuffer, rows: slice) -> NDArray[np.bool_]:
    ended: NDArray[np.bool_] = (buffer.dones[rows] > 0) & ~(buffer.timeouts[rows] > 0)  # (L, N)
    return ended


def _filled(buffer: ReplayBuffer) -> int:
    return buffer.buffer_size if buffer.full else buffer.pos


def _flat(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.reshape(-1, values.shape[-1])  # (L N, ...)


def to_bytes(agent: OffPolicyAlgorithm) -> bytes:
    """What `agent` remembers, as a safetensors file."""
    buffer = _buffer(agent)
    arrays = {name: np.ascontiguousarray(getattr(buffer, name)[: _filled(buffer)]) for name in ARRAYS}
    return save({**arrays, "pos": np.array([buffer.pos])})


def from_bytes(agent: OffPolicyAlgorithm, data: bytes) -> None:
    """Fill the buffer of `agent` with what `to_bytes` wrote.

    Raises:
        CheckpointError: it is of another environment, or of a larger buffer.
    """
    buffer = _buffer(agent)
    try:
        arrays = load(data)
        steps, pos = len(arrays["rewards"]), int(arrays["pos"][0])
        wanted = {name: (steps, *getattr(buffer, name).shape[1:]) for name in ARRAYS}
        found = {name: arrays[name].shape for name in ARRAYS}
        full = steps == buffer.buffer_size
        if found != wanted or steps > buffer.buffer_size or not (0 <= pos < steps if full else pos == steps):
            raise ValueError(f"position {pos} of {found}, want {wanted}")
        for name in ARRAYS:
            getattr(buffer, name)[:steps] = arrays[name]
        buffer.pos, buffer.full = pos, full
    except (SafetensorError, ValueError, LookupError) as error:
        raise CheckpointError(f"the saved replay buffer does not fit this run: {error}") from error


def _buffer(agent: OffPolicyAlgorithm) -> ReplayBuffer:
    assert agent.replay_buffer is not None
    return agent.replay_buffer
