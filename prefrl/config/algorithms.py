"""How an agent learns: which algorithm, and the settings of each. The docstrings are the `--help` texts."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol, get_args

from prefrl.config.checks import Count, Limits, Positive, Share

AlgorithmName = Literal["ppo", "sac"]

ALGORITHM_NAMES: tuple[str, ...] = get_args(AlgorithmName)


class AgentConfig(Protocol):
    """What the settings of every algorithm hold."""

    @property
    def n_envs(self) -> int:
        """Environments stepped side by side."""

    @property
    def gamma(self) -> float:
        """Discount factor."""

    @property
    def rollout(self) -> int:
        """Environment steps between two updates: training stops after whole ones."""


@dataclass(frozen=True)
class PPOConfig:
    """How the agent learns: Stable-Baselines3 PPO (Schulman et al. 2017)."""

    n_envs: Annotated[int, Limits(1, 10_000)] = 16
    """Environments stepped side by side."""

    n_steps: Annotated[int, Limits(1, 10**6)] = 128
    """Steps of each environment between two updates."""

    batch_size: Annotated[int, Limits(1, 10**6)] = 256
    """Transitions in one gradient step."""

    n_epochs: Count = 10
    """Passes over the collected transitions in one update."""

    learning_rate: Positive = 3e-4
    """Step size of Adam at the start."""

    final_learning_rate: Positive = 1e-4
    """Step size towards the end: it falls linearly, round by round."""

    adam_eps: Positive = 1e-5
    """Added to the root mean square of a gradient in Adam's update; with less, weights with tiny gradients move too."""

    gamma: Share = 0.99
    """Discount factor: the agent looks about 1 / (1 - gamma) steps ahead."""

    gae_lambda: Share = 0.95
    """Bias against variance of the advantages (Schulman et al. 2016): 0 trusts the value net, 1 the returns."""

    clip_range: Positive = 0.2
    """How far one update may change an action's probability."""

    ent_coef: float = 0.0
    """Weight of the entropy bonus; more explores more."""

    vf_coef: float = 0.5
    """Weight of the value loss."""

    max_grad_norm: Positive = 0.5
    """Length that longer gradients are cut to."""

    hidden: tuple[int, ...] = (128, 128)
    """Units in each hidden layer of the policy net and of the value net."""

    activation: Literal["relu", "tanh"] = "relu"
    """Non-linearity of both nets."""

    log_std_init: Annotated[float, Limits(-1e12)] = 0.0
    """Logarithm of the first standard deviation of a continuous action, in the agent's units: 0 is half of the way from
    the least to the largest one (see action-units)."""

    @property
    def rollout(self) -> int:
        """Environment steps between two updates: training stops after whole ones."""
        return self.n_envs * self.n_steps

    def conflict(self, prefix: str) -> str | None:
        """Two settings that contradict each other."""
        if min(self.batch_size, self.rollout) < 2:
            return f"{prefix}batch-size is below 2, or n-envs * n-steps is; PPO compares a batch's transitions"
        return endless(self.gamma, prefix)


@dataclass(frozen=True)
class OffPolicyConfig:
    """What algorithms that learn from a replay buffer have in common."""

    n_envs: Annotated[int, Limits(1, 10_000)] = 4
    """Environments stepped side by side."""

    gradient_steps: Count = 2
    """Gradient steps after each step of all environments; as many as environments is usual, fewer is faster."""

    batch_size: Annotated[int, Limits(1, 10**6)] = 256
    """Transitions in one gradient step."""

    buffer_size: Count = 1_000_000
    """Transitions remembered; the oldest go first. Each takes 16 bytes or more for every observed number, in memory and
    in each of three checkpoints: a million of HalfCheetah 0.3 GB."""

    random_steps: int = 1000
    """Steps taken at random before anything is learned."""

    learning_rate: Positive = 3e-4
    """Step size of Adam."""

    gamma: Share = 0.99
    """Discount factor: the agent looks about 1 / (1 - gamma) steps ahead."""

    tau: Share = 0.005
    """How far the target net moves towards the value net in one gradient step."""

    hidden: tuple[int, ...] = (256, 256)
    """Units in each hidden layer of the policy net and of the value nets."""

    @property
    def rollout(self) -> int:
        """Environment steps between two updates: training stops after whole ones."""
        return self.n_envs

    def conflict(self, prefix: str) -> str | None:
        """Two settings that contradict each other."""
        return endless(self.gamma, prefix)


@dataclass(frozen=True)
class SACConfig(OffPolicyConfig):
    """How the agent learns with --algorithm sac: Stable-Baselines3 SAC (Haarnoja et al. 2018), for environments whose
    steps are slow. It learns from all steps so far, and these are paid again by each new reward (PEBBLE)."""


def endless(gamma: float, prefix: str) -> str | None:
    """The complaint about a discount factor that would make staying dead worth infinitely much."""
    if gamma == 1:
        return f"{prefix}gamma is 1, but staying dead for ever has a finite worth only below 1; try 0.99"
    return None


@dataclass(frozen=True, kw_only=True)
class AlgorithmChoice:
    """Which algorithm trains the agent, and how each would."""

    algorithm: AlgorithmName = "ppo"
    """What trains the agent: ppo takes many steps in little time; sac learns more from each, and takes longer."""

    action_units: Literal["scaled", "raw"] = "scaled"
    """What the agent's actions count in: scaled, -1 to 1 between two bounds, so that it learns alike in any units; raw,
    the environment's own. Where a bound is missing, scaled too counts in the environment's units, from the other bound
    or from 0, and only PPO can act."""

    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)

    @property
    def agent(self) -> AgentConfig:
        """The settings of the chosen algorithm."""
        settings: AgentConfig = getattr(self, self.algorithm)
        return settings
