"""Settings tuned for each of some environments, and the defaults for all others."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prefrl.config.algorithms import ALGORITHM_NAMES
from prefrl.config.env_ids import env_id_of
from prefrl.config.run import TrainConfig

_PRESETS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "CartPole-v1": lambda c: replace(c, steps=100_000, labels=200, ppo=replace(c.ppo, n_steps=64)),
    "Pendulum-v1": lambda c: _foresight(replace(c, steps=200_000, labels=200, ppo=replace(c.ppo, n_steps=64)), 0.95),
    "LunarLander-v3": lambda c: replace(
        c,
        selector="disagreement_kcentre",  # landings and crashes are rare among the clips, and unlike the others
        labels_until=0.6,  # landing takes long training on a reward that no longer changes
        ppo=replace(c.ppo, ent_coef=0.005),
        reward_model=replace(
            c.reward_model,
            step_share=1.0,
            terminal_scale=50.0,
            bounded=False,
            sees_change=True,
            neutral_endings=True,
            patience=4,  # its reward is hard to learn: longer fits help
        ),
    ),
    # With less entropy it stands still, then falls; with a lower gamma it jumps and falls.
    "Hopper-v5": lambda c: _foresight(replace(c, ppo=replace(c.ppo, ent_coef=0.003)), 0.995),
    # A bounded reward hardly tells speeds apart that are above all that were compared.
    "HalfCheetah-v5": lambda c: _foresight(
        replace(_runner(c), reward_model=replace(c.reward_model, bounded=False)), 0.98
    ),
    "Walker2d-v5": lambda c: _foresight(replace(c, steps=1_000_000), 0.995),
    # It can fall: gamma stays 0.99. With few answers, a net that sees actions takes them for causes of what they only
    # accompany. Most of its inputs, contact forces, are nearly always 0: with a small epsilon, Adam still follows their
    # tiny gradients.
    "Ant-v5": lambda c: replace(
        _runner(replace(c, ppo=replace(c.ppo, adam_eps=1e-8))),
        labels=1000,
        reward_model=replace(c.reward_model, sees_action=False),
    ),
    # Random actions cost more than the whole way to the goal, so that clips of them teach it to keep still. A bounded
    # reward hardly tells apart what is better than all that was compared. Distance to the goal counts, and effort.
    "Reacher-v5": lambda c: replace(
        c,
        initial_share=0.05,
        ppo=replace(c.ppo, log_std_init=-2.0),
        reward_model=replace(c.reward_model, step_share=1.0, bounded=False, sees_squares=True),
    ),
    # These settings of the reward led to good gaits more often than the defaults; which of them matters is not clear.
    "Swimmer-v5": lambda c: _foresight(
        replace(
            c,
            reward_model=replace(c.reward_model, members=3, bootstrap=True, step_share=0.5, random_answers=0.0),
        ),
        0.9999,
    ),
    # A clip of 100 steps lasts 0.8 s, long enough for a whole flip.
    "prefrl/HopperBackflip-v0": lambda c: replace(
        c, steps=2_000_000, labels=900, segment_length=100, ppo=replace(c.ppo, ent_coef=0.003)
    ),
    "prefrl/HalfCheetahStand-v0": lambda c: replace(c, labels=400),
    "prefrl/ReacherCircle-v0": lambda c: replace(c, steps=400_000, labels=400),
    "prefrl/Drive-v0": lambda c: replace(c, steps=400_000, labels=400),
}


def _foresight(config: TrainConfig, gamma: float) -> TrainConfig:
    """How far to look ahead depends on the task, not on the algorithm."""
    changes: dict[str, Any] = {name: replace(getattr(config, name), gamma=gamma) for name in ALGORITHM_NAMES}
    return replace(config, **changes)


def _runner(config: TrainConfig) -> TrainConfig:
    """For legs that run rather than balance: little noise, and advantages that look less far ahead."""
    return replace(config, steps=1_000_000, ppo=replace(config.ppo, gae_lambda=0.92, log_std_init=-2.0))


def preset(env: str | Callable[..., Any], **overrides: Any) -> TrainConfig:
    """The settings tuned for `env`, or else the defaults.

    Args:
        env: a Gymnasium id, or a class or function at the top of a module that makes an environment.
        overrides: fields of `TrainConfig` to set, for example `labels=200, seed=1`.

    Raises:
        TypeError: an override is not a field of `TrainConfig`.
        UsageError: a value that no run could use.
    """
    tuned = TrainConfig(env_id_of(env))
    if tuned.env_id in _PRESETS:
        tuned = _PRESETS[tuned.env_id](tuned)
    return replace(tuned, **overrides)


def tuned() -> tuple[str, ...]:
    """Ids of the environments that have settings of their own."""
    return tuple(_PRESETS)
