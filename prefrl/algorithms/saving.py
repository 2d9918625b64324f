"""Agents of Stable-Baselines3 as files, and back, without pickle."""

import json
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.errors import CheckpointError
from prefrl.watchdog import first_line

NORMALISER_FILE = "vec_normalize.json"


def agent_files(agent: BaseAlgorithm, normaliser: VecNormalize) -> dict[str, bytes]:
    """The agent as files: weights and optimisers as safetensors, normaliser as JSON. A replay buffer is left out."""
    stats = {"obs": _stats(normaliser.obs_rms), "returns": _stats(normaliser.ret_rms)}
    weights = {
        name: save({key: value.contiguous() for key, value in tensors.items()})
        for name, tensors in agent_tensors(agent).items()
    }
    return {NORMALISER_FILE: json.dumps(stats).encode(), **weights}


def agent_tensors(agent: BaseAlgorithm) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of each file that `agent_files` makes."""
    return {name: _tensors(part) for name, part in _parts(agent).items()}


def load_agent(agent: BaseAlgorithm, normaliser: VecNormalize, read: Callable[[str], bytes]) -> None:
    """Give `agent` and `normaliser` what `agent_files` saved; `read` maps a file's name to its bytes.

    Raises:
        CheckpointError: the files are of another environment or another network.
    """
    try:
        for name, part in _parts(agent).items():
            _load(part, load(read(name)))
        stats = json.loads(read(NORMALISER_FILE))
        normaliser.obs_rms = _running(stats["obs"])  # type: ignore[assignment]  # a dict only for Dict spaces
        normaliser.ret_rms = _running(stats["returns"])
    except (SafetensorError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"the saved policy does not fit this environment: {first_line(error)}") from error


def _parts(agent: BaseAlgorithm) -> dict[str, Any]:
    """What SB3 saves of an agent, by the name of its file: modules, optimisers and single tensors."""
    modules, tensors = agent._get_torch_save_params()
    return {f"{name.replace('.', '_')}.safetensors": attrgetter(name)(agent) for name in (*modules, *tensors)}


def _tensors(part: Any) -> dict[str, torch.Tensor]:
    if isinstance(part, torch.Tensor):
        return {"value": part.detach()}
    if isinstance(part, torch.optim.Optimizer):
        states = part.state_dict()["state"]
        return {f"{index}.{name}": value for index, state in states.items() for name, value in state.items()}
    return dict(part.state_dict())


def _load(part: Any, tensors: dict[str, torch.Tensor]) -> None:
    if isinstance(part, torch.Tensor):
        part.data.copy_(tensors["value"])
    elif isinstance(part, torch.nn.Module):
        part.load_state_dict(tensors)
    else:
        states = part.state_dict()
        for key, value in tensors.items():
            index, name = key.split(".", 1)
            states["state"].setdefault(int(index), {})[name] = value
        part.load_state_dict(states)


def _stats(rms: Any) -> dict[str, Any]:
    return {"mean": np.asarray(rms.mean).tolist(), "var": np.asarray(rms.var).tolist(), "count": float(rms.count)}


def _running(stats: Mapping[str, Any]) -> RunningMeanStd:
    rms = RunningMeanStd(shape=np.shape(stats["mean"]))
    rms.mean, rms.var, rms.count = np.array(stats["mean"]), np.array(stats["var"]), stats["count"]
    return rms
