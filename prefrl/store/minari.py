"""The segments of a store as a Minari data set, for offline reinforcement learning."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from prefrl.data.spaces import PLAIN, ArraySpec, Spaces, rows
from prefrl.errors import EnvError, UsageError
from prefrl.rendering.close import close_env
from prefrl.rendering.from_id import from_id
from prefrl.store.info import StoreInfo
from prefrl.store.rows import Dump, Row, make_segment

ROOT = "MINARI_DATASETS_PATH"


def write(folder: Path, held: Dump) -> str:
    """Write each segment as an episode, absorbing steps left out; the data set's name, to be loaded under `folder`.

    Rewards are the environment's own. An episode that neither terminates nor meets a limit in its segment is marked
    as truncated, as Minari demands. The info `segment` is the id of the segment in the store and the other formats.
    How to make the environment is left out where it cannot be written down.

    Raises:
        UsageError: Minari is not installed, or there is nothing to write.
        EnvError: the environment cannot be made, so that its action space is not known.
    """
    try:
        import minari
        from minari.data_collector import EpisodeBuffer
    except ImportError as error:
        raise UsageError(f"this format needs minari ({error}); try: pip install 'prefrl[minari]'") from error
    if not held.rows["segments"]:
        raise UsageError("there are no segments to export yet; let the run train for a moment")
    if held.info is None:
        raise UsageError("the store does not tell its environment, which minari wants to know; choose another --format")
    name = re.sub(r"[^a-z0-9_.-]+", "-", held.info.env_id.lower()).strip("-.") + "/segments-v0"
    env = _make(held.info)
    try:
        spec = _spec(env)
        with _root(folder), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* is set to None")  # who made it is the user's to tell
            warnings.filterwarnings("ignore", "env_spec is None")
            minari.create_dataset_from_buffers(
                name,
                [EpisodeBuffer(id=i, **_episode(row, env)) for i, row in enumerate(held.rows["segments"])],
                observation_space=_observation_space(held.info.spaces),
                action_space=env.action_space,
                description=held.info.goal or f"segments of {held.info.env_id} that were compared",
                env=spec,
                eval_env=spec,
                data_format="hdf5",  # arrow's is a folder an episode, and takes 40 times as long
                algorithm_name="prefrl",
            )
    finally:
        close_env(env, held.info.env_id)
    return name


def _spec(env: gym.Env[Any, Any]) -> EnvSpec | None:
    """How `env` is made again; None where that cannot be written down.

    So it is with a class or a function as entry point, and with a wrapper that does not record its arguments.
    """
    try:
        spec = None if env.spec is None else EnvSpec.from_json(env.spec.to_json())
    except Exception:  # whatever the spec of an environment of others holds
        return None
    told = spec is not None and isinstance(spec.entry_point, str)
    return spec if told and spec and all(w.kwargs is not None for w in spec.additional_wrappers) else None


def _make(info: StoreInfo) -> gym.Env[Any, Any]:
    try:
        return from_id(info.env_id, info.env_kwargs)
    except EnvError as error:
        raise EnvError(f"{error} (a Minari data set names the spaces of {info.env_id})") from error


def _observation_space(spaces: Spaces) -> gym.Space[Any]:
    """Without bounds: they are not stored, and fractions are kept as float32 whatever the environment gave."""
    boxes: dict[str, gym.Space[Any]] = {name: _box(spec) for name, spec in spaces.obs.items()}
    return boxes[PLAIN] if [*boxes] == [PLAIN] else gym.spaces.Dict(boxes)


def _box(spec: ArraySpec) -> gym.spaces.Box:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return gym.spaces.Box(-np.inf, np.inf, spec.shape, dtype.type)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return gym.spaces.Box(low, high, spec.shape, dtype.type)


@contextmanager
def _root(folder: Path) -> Iterator[None]:
    """Within, Minari's data sets lie in `folder`; it takes no argument for that."""
    before = os.environ.get(ROOT)
    os.environ[ROOT] = os.path.abspath(folder)
    try:
        yield
    finally:
        del os.environ[ROOT]
        os.environ.update({} if before is None else {ROOT: before})


def _episode(row: Row, env: gym.Env[Any, Any]) -> dict[str, Any]:
    steps = int((~row["absorbing"][:-1]).sum())
    ends = np.arange(steps) == steps - 1
    dies = bool(row["absorbing"][-1])
    seen = rows(make_segment(row).obs, slice(steps + 1))
    return {
        "observations": seen[PLAIN] if [*seen] == [PLAIN] else dict(seen),
        "actions": _actions(row["actions"][:steps], env.action_space),
        "rewards": row["true_rewards"][:steps],
        "terminations": ends & dies,
        "truncations": ends & (not dies),
        "infos": {"segment": np.full(steps + 1, row["id"])},
    }


def _actions(vectors: NDArray[np.float32], space: gym.Space[Any]) -> NDArray[Any]:
    """Actions as the environment takes them: (n, action_dim), or (n,) numbers where they were stored one-hot."""
    if isinstance(space, gym.spaces.Discrete):
        numbers: NDArray[np.int64] = vectors.argmax(axis=1) + np.int64(space.start)
        return numbers
    return vectors.astype(space.dtype or np.float32)
