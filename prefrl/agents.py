"""Build Stable-Baselines3 agents from a configuration; save and load them without pickle."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from safetensors import SafetensorError
from safetensors.torch import load, save
from stable_baselines3 import PPO
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from prefrl.config import PPOConfig
from prefrl.environments import first_line
from prefrl.errors import CheckpointError

SPAN, EXPLORE, FIT, WEIGHTS, ASK, ANSWER = range(6)  # the purposes that seeds are derived for
REWARD_CLIP = 100.0  # SB3's default of 10 would cut into what a termination is paid


def normalise(venv: VecEnv, gamma: float, training: bool = True) -> VecNormalize:
    """Normalise what the agent sees and is paid; with `training` False, by statistics that stay as they are."""
    return VecNormalize(venv, training=training, norm_reward=training, gamma=gamma, clip_reward=REWARD_CLIP)


def make_agent(config: PPOConfig, venv: VecEnv) -> PPO:
    """An untrained PPO agent; seed SB3's generators first (see `seed_span`)."""
    continuous = isinstance(venv.action_space, spaces.Box)
    policy_kwargs: dict[str, Any] = {
        "net_arch": list(config.hidden),
        "activation_fn": {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[config.activation],
        "ortho_init": False,
        **({"log_std_init": config.log_std_init} if continuous else {}),
    }
    return PPO(
        "MlpPolicy",
        venv,
        n_steps=config.n_steps,
        batch_size=config.batch_size,
        n_epochs=config.n_epochs,
        learning_rate=config.learning_rate,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=config.ent_coef,
        vf_coef=config.vf_coef,
        max_grad_norm=config.max_grad_norm,
        policy_kwargs=policy_kwargs,
        device="cpu",
    )


def derive_seed(seed: int, *path: int) -> int:
    """A seed of its own for each purpose, a pure function of the run's seed: what makes a resumed run repeat itself."""
    # A spawn key, because (seed, 1) and (seed, 1, 0) are one and the same entropy to numpy.
    return (
        int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1)[0]) >> 1
    )  # SB3 adds env indices to an int32


def seed_span(agent: PPO, seed: int, span: int) -> None:
    """Make the start of a span a clean state: every generator derived anew, every environment reset."""
    assert agent.env is not None
    span_seed = derive_seed(seed, SPAN, span)
    set_random_seed(span_seed)  # SB3 draws from the global generators of torch and numpy
    agent.env.seed(span_seed)
    agent._last_obs = None  # makes learn() reset the environments


def agent_files(agent: PPO, normaliser: VecNormalize) -> dict[str, bytes]:
    """The agent as files: weights and optimiser as safetensors, normaliser as JSON."""
    optimizer = agent.policy.optimizer.state_dict()["state"]
    moments = {f"{index}.{name}": value for index, state in optimizer.items() for name, value in state.items()}
    weights = {name: value.contiguous() for name, value in agent.policy.state_dict().items()}
    stats = {"obs": _stats(normaliser.obs_rms), "returns": _stats(normaliser.ret_rms)}
    return {
        "policy.safetensors": save(weights),
        "policy_optimizer.safetensors": save(moments),
        "vec_normalize.json": json.dumps(stats).encode(),
    }


def _stats(rms: Any) -> dict[str, Any]:
    return {"mean": np.asarray(rms.mean).tolist(), "var": np.asarray(rms.var).tolist(), "count": float(rms.count)}


def load_agent(agent: PPO, normaliser: VecNormalize, read: Callable[[str], bytes]) -> None:
    """Give `agent` and `normaliser` what `agent_files` saved; `read` maps a file's name to its bytes.

    Raises:
        CheckpointError: the files are of another environment or another network.
    """
    try:
        agent.policy.load_state_dict(load(read("policy.safetensors")))
        optimizer = agent.policy.optimizer.state_dict()
        for key, value in load(read("policy_optimizer.safetensors")).items():
            index, name = key.split(".", 1)
            optimizer["state"].setdefault(int(index), {})[name] = value
        agent.policy.optimizer.load_state_dict(optimizer)
        stats = json.loads(read("vec_normalize.json"))
        normaliser.obs_rms = _running(stats["obs"])  # type: ignore[assignment]  # a dict only for Dict spaces
        normaliser.ret_rms = _running(stats["returns"])
    except (SafetensorError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"the saved policy does not fit this environment: {first_line(error)}") from error


def _running(stats: Mapping[str, Any]) -> RunningMeanStd:
    rms = RunningMeanStd(shape=np.shape(stats["mean"]))
    rms.mean, rms.var, rms.count = np.array(stats["mean"]), np.array(stats["var"]), stats["count"]
    return rms
