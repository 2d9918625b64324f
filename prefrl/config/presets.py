"""Settings that were tuned for an environment, and the default for any other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prefrl.config.run import TrainConfig

_PRESETS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "CartPole-v1": lambda c: replace(c, steps=100_000, labels=200, ppo=replace(c.ppo, n_steps=64)),
    "Pendulum-v1": lambda c: _foresight(replace(c, steps=200_000, labels=200, ppo=replace(c.ppo, n_steps=64)), 0.95),
    "LunarLander-v3": lambda c: replace(
        c,
        selector="disagreement_kcentre",  # landings and crashes are rare among the clips, and unlike the others
        labels_until=0.6,  # to land takes long practice on a reward that stays as it is
        ppo=replace(c.ppo, ent_coef=0.005),
        reward_model=replace(
            c.reward_model,
            step_share=1.0,
            terminal_scale=50.0,
            bounded=False,
            sees_change=True,
            neutral_endings=True,
            patience=4,  # its reward is hard to learn, and gains by longer fits
        ),
    ),
    # Less entropy leads to standing, then falling; less foresight to jumps that end in a fall.
    "Hopper-v5": lambda c: _foresight(replace(c, ppo=replace(c.ppo, ent_coef=0.003)), 0.995),
    # A bounded reward makes little of what is faster than all that was compared.
    "HalfCheetah-v5": lambda c: _foresight(
        replace(_runner(c), reward_model=replace(c.reward_model, bounded=False)), 0.98
    ),
    "Walker2d-v5": lambda c: _foresight(replace(c, steps=1_000_000), 0.995),
    # It can fall: no nearer a horizon than 0.99's. From few answers, actions are blamed for what only goes with them.
    # Most of its inputs, forces of contact, are nearly always 0: Adam must not look past their tiny gradients.
    "Ant-v5": lambda c: replace(
        _runner(replace(c, ppo=replace(c.ppo, adam_eps=1e-8))),
        labels=1000,
        reward_model=replace(c.reward_model, sees_action=False),
    ),
    # Random actions cost more than the whole way to the goal: clips of them teach to keep still, and a bounded reward
    # makes little of what is better than all that was compared. What counts is the distance to the goal, and effort.
    "Reacher-v5": lambda c: replace(
        c,
        initial_share=0.05,
        ppo=replace(c.ppo, log_std_init=-2.0),
        reward_model=replace(c.reward_model, step_share=1.0, bounded=False, sees_squares=True),
    ),
    # Three nets, each with a sample of the answers, half of the steps and no answers taken for chance led to good gaits
    # more often than the defaults; which of these matters is not clear.
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
    """How far to look ahead is a matter of the task, whatever the algorithm."""
    return replace(config, ppo=replace(config.ppo, gamma=gamma), sac=replace(config.sac, gamma=gamma))


def _runner(config: TrainConfig) -> TrainConfig:
    """Legs that run rather than balance: little noise, advantages that look less far."""
    return replace(config, steps=1_000_000, ppo=replace(config.ppo, gae_lambda=0.92, log_std_init=-2.0))


def preset(env_id: str, **overrides: Any) -> TrainConfig:
    """The settings tuned for `env_id`, or the default ones for an environment that nobody tuned.

    Args:
        env_id: a Gymnasium id.
        overrides: fields of `TrainConfig` to set, for example `labels=200, seed=1`.

    Raises:
        TypeError: an override is not a field of `TrainConfig`.
        UsageError: a value that no run could use.
    """
    tuned = TrainConfig(env_id)
    if env_id in _PRESETS:
        tuned = _PRESETS[env_id](tuned)
    return replace(tuned, **overrides)


def tuned() -> tuple[str, ...]:
    """Ids of the environments that have settings of their own."""
    return tuple(_PRESETS)
