"""How an agent learns: the settings of each algorithm. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PPOConfig:
    """How the agent learns: Stable-Baselines3 PPO (Schulman et al. 2017)."""

    n_envs: int = 16
    """Environments stepped side by side."""

    n_steps: int = 128
    """Steps of each environment between two updates."""

    batch_size: int = 256
    """Transitions in one gradient step."""

    n_epochs: int = 10
    """Passes over the collected transitions in one update."""

    learning_rate: float = 3e-4
    """Step size of Adam at the start."""

    final_learning_rate: float = 1e-4
    """Step size that the last span comes close to: it falls linearly, span by span."""

    adam_eps: float = 1e-5
    """What Adam adds to the root of a gradient's mean square; with less, weights with tiny gradients move as well."""

    gamma: float = 0.99
    """Discount factor; about 1 / (1 - gamma) steps are looked ahead."""

    gae_lambda: float = 0.95
    """Bias against variance of the advantages (Schulman et al. 2016): 0 trusts the value net, 1 the returns."""

    clip_range: float = 0.2
    """How far one update may move an action's probability."""

    ent_coef: float = 0.0
    """Weight of the entropy bonus; more explores more."""

    vf_coef: float = 0.5
    """Weight of the value loss."""

    max_grad_norm: float = 0.5
    """Gradients longer than this are shortened to it."""

    hidden: tuple[int, ...] = (128, 128)
    """Units in each hidden layer of the policy net and of the value net."""

    activation: Literal["relu", "tanh"] = "relu"
    """Non-linearity of both nets."""

    log_std_init: float = 0.0
    """Logarithm of the first standard deviation of a continuous action."""

    @property
    def rollout(self) -> int:
        """Environment steps between two updates: training stops after whole ones."""
        return self.n_envs * self.n_steps


@dataclass(frozen=True)
class SACConfig:
    """How the agent learns with --algorithm sac: Stable-Baselines3 SAC (Haarnoja et al. 2018), for environments whose
    steps are dear. It learns from all steps so far, which are paid anew whenever the reward was (PEBBLE)."""

    n_envs: int = 4
    """Environments stepped side by side."""

    gradient_steps: int = 2
    """Gradient steps after each step of all environments; as many as environments is usual, fewer is faster."""

    batch_size: int = 256
    """Transitions in one gradient step."""

    buffer_size: int = 1_000_000
    """Transitions remembered; the oldest go first. Each takes 16 bytes an observed number and more, in memory and in
    each of three checkpoints: a million of HalfCheetah 0.3 GB."""

    random_steps: int = 1000
    """Steps taken at random before anything is learned."""

    learning_rate: float = 3e-4
    """Step size of Adam."""

    gamma: float = 0.99
    """Discount factor; about 1 / (1 - gamma) steps are looked ahead."""

    tau: float = 0.005
    """How far the target net moves towards the value net in one gradient step."""

    hidden: tuple[int, ...] = (256, 256)
    """Units in each hidden layer of the policy net and of the value nets."""

    @property
    def rollout(self) -> int:
        """Environment steps between two updates: training stops after whole ones."""
        return self.n_envs
