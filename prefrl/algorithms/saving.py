"""Build Stable-Baselines3 agents from a configuration; save and load them without pickle."""

import json
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from safetensors import SafetensorError
from safetensors.torch import load, save
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from prefrl.algorithms.replay import RawReplayBuffer
from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.environments.make import check_sac, first_line
from prefrl.errors import CheckpointError, UsageError

SPAN, EXPLORE, FIT, WEIGHTS, ASK, ANSWER, PERFORM = range(7)  # the purposes that seeds are derived for
FUSED = {"fused": True}  # Adam steps all tensors in one call; on a CPU, torch's default is one by one
REWARD_CLIP = 100.0  # of PPO; SB3's default of 10 would cut into what a termination is paid


def normalise(venv: VecEnv, config: PPOConfig | SACConfig, training: bool = True) -> VecNormalize:
    """Normalise what the agent sees and is paid; with `training` False, by statistics that stay as they are.

    SAC is paid as it is: in units of whole returns a step's reward is some hundredths, and SAC's temperature, which
    starts at 1 and falls by a 3000th of itself in a gradient step, would outweigh it for 20,000 of them.
    """
    scaled = training and isinstance(config, PPOConfig)
    normaliser = VecNormalize(venv, training=training, norm_reward=scaled, gamma=config.gamma, clip_reward=REWARD_CLIP)
    space = normaliser.observation_space
    if not np.issubdtype(space.dtype, np.floating):  # SB3 would keep what is normalised as whole numbers
        normaliser.observation_space = spaces.Box(-np.inf, np.inf, space.shape, np.float32)
    return normaliser


Agent = PPO | SAC


def make_agent(config: PPOConfig | SACConfig, venv: VecEnv) -> Agent:
    """An untrained agent; seed SB3's generators first (see `seed_span`).

    Raises:
        UsageError: the algorithm cannot act in these environments.
    """
    return _make_sac(config, venv) if isinstance(config, SACConfig) else _make_ppo(config, venv)


def _make_sac(config: SACConfig, venv: VecEnv) -> SAC:
    check_sac(venv.action_space)
    return SAC(
        "MlpPolicy",
        venv,
        learning_rate=config.learning_rate,
        buffer_size=config.buffer_size,
        learning_starts=config.random_steps,
        batch_size=config.batch_size,
        tau=config.tau,
        gamma=config.gamma,
        gradient_steps=config.gradient_steps,
        replay_buffer_class=RawReplayBuffer,
        policy_kwargs={"net_arch": list(config.hidden), "optimizer_kwargs": FUSED},
        device="cpu",
    )


def _make_ppo(config: PPOConfig, venv: VecEnv) -> PPO:
    continuous = isinstance(venv.action_space, spaces.Box)
    policy_kwargs: dict[str, Any] = {
        "net_arch": list(config.hidden),
        "activation_fn": {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[config.activation],
        "ortho_init": False,
        "optimizer_kwargs": {**FUSED, "eps": config.adam_eps},
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


def seed_span(agent: Agent, seed: int, span: int) -> None:
    """Make the start of a span a clean state: every generator derived anew, every environment reset."""
    assert agent.env is not None
    span_seed = derive_seed(seed, SPAN, span)
    set_random_seed(span_seed)  # SB3 draws from the global generators of torch and numpy
    agent.env.seed(span_seed)
    agent.action_space.seed(span_seed)  # what SAC draws its random steps from
    agent._last_obs = None  # makes learn() reset the environments


def forget_values(agent: SAC) -> None:
    """Draw the value nets anew: they were of a reward that does not count any more."""
    for module in agent.critic.modules():
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()
    agent.critic_target.load_state_dict(agent.critic.state_dict())
    agent.critic.optimizer.state.clear()


def require_finite(agent: Agent, tensors: Iterable[torch.Tensor]) -> None:
    """Refuse an agent that an update has broken, as some of its `tensors` show.

    Raises:
        UsageError: a value is NaN or infinite, or their sum overflows.
    """
    if not all(tensor.detach().sum().isfinite() for tensor in tensors):
        raise UsageError(
            f"the agent's nets hold NaN or infinity after {agent.num_timesteps} steps; start anew with a lower "
            f"--{type(agent).__name__.lower()}.learning-rate"
        )


def agent_files(agent: Agent, normaliser: VecNormalize) -> dict[str, bytes]:
    """The agent as files: weights and optimisers as safetensors, normaliser as JSON. A replay buffer is left out.

    Raises:
        UsageError: something of the agent is not finite.
    """
    stats = {"obs": _stats(normaliser.obs_rms), "returns": _stats(normaliser.ret_rms)}
    files = {"vec_normalize.json": json.dumps(stats).encode()}
    for name, part in _parts(agent).items():
        tensors = _moments(part) if isinstance(part, torch.optim.Optimizer) else _tensors(part)
        require_finite(agent, tensors.values())
        files[name] = save({key: value.contiguous() for key, value in tensors.items()})
    return files


def _parts(agent: Agent) -> dict[str, Any]:
    """What SB3 saves of an agent, by name of a file: modules, optimisers and single tensors."""
    modules, tensors = agent._get_torch_save_params()
    return {f"{name.replace('.', '_')}.safetensors": attrgetter(name)(agent) for name in (*modules, *tensors)}


def _tensors(part: torch.nn.Module | torch.Tensor) -> dict[str, torch.Tensor]:
    return {"value": part.detach()} if isinstance(part, torch.Tensor) else part.state_dict()


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    states = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, state in states.items() for name, value in state.items()}


def load_agent(agent: Agent, normaliser: VecNormalize, read: Callable[[str], bytes]) -> None:
    """Give `agent` and `normaliser` what `agent_files` saved; `read` maps a file's name to its bytes.

    Raises:
        CheckpointError: the files are of another environment or another network.
    """
    try:
        for name, part in _parts(agent).items():
            _load(part, load(read(name)))
        stats = json.loads(read("vec_normalize.json"))
        normaliser.obs_rms = _running(stats["obs"])  # type: ignore[assignment]  # a dict only for Dict spaces
        normaliser.ret_rms = _running(stats["returns"])
    except (SafetensorError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"the saved policy does not fit this environment: {first_line(error)}") from error


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
