import dataclasses

import numpy as np
import pytest
import torch
import toy_envs
from agents import SAC, make, trained
from safetensors.torch import load

from prefrl.algorithms.off_policy import REPLAY_FILE, reset_critic
from prefrl.errors import CheckpointError
from prefrl.rewards.ensemble import RawReward, RewardEnsemble


def test_a_critic_is_reset_and_the_actor_is_not() -> None:
    algorithm = trained(SAC)
    before = algorithm.files()
    reset_critic(algorithm.agent)
    after = algorithm.files()
    assert not algorithm.agent.critic.optimizer.state
    kept, drawn = load(before["policy.safetensors"]), load(after["policy.safetensors"])
    for name, value in drawn.items():
        same = torch.equal(value, kept[name])
        assert same == name.startswith("actor"), name
    for name in ("actor_optimizer.safetensors", "ent_coef_optimizer.safetensors", "log_ent_coef.safetensors"):
        assert after[name] == before[name]
    assert all(
        torch.equal(drawn[name], drawn[name.replace("critic.", "critic_target.")])
        for name in drawn
        if name.startswith("critic.")
    )


@pytest.mark.parametrize(("env", "paid"), [(toy_envs.OneStep, RawReward), (toy_envs.MoveRight, RewardEnsemble)])
def test_where_episodes_end_while_it_explores_it_is_paid_in_raw_units(env, paid: type) -> None:
    algorithm = make(SAC, env)
    algorithm.explore(60)
    assert isinstance(algorithm.paid.reward_function, paid)


def test_a_changed_reward_is_paid_for_every_remembered_step() -> None:
    algorithm = make(SAC)
    algorithm.explore(60)
    rewards = algorithm.agent.replay_buffer.rewards
    before = rewards[:30].copy()
    algorithm.paid.reward_function.output_mean.sub_(1.0)  # of a reward with a deviation of 1: one more for each step
    algorithm.reward_changed(0, [])
    np.testing.assert_allclose(rewards[:30] - before, 1.0, atol=1e-5)


def test_the_buffer_is_a_file_of_its_own() -> None:
    algorithm = trained(SAC)
    assert algorithm.memory().keys() == {REPLAY_FILE}
    assert REPLAY_FILE not in algorithm.files()
    smaller = make(dataclasses.replace(SAC, sac=dataclasses.replace(SAC.sac, buffer_size=20)))
    with pytest.raises(CheckpointError, match="replay buffer does not fit"):
        smaller.load_memory(algorithm.memory().__getitem__)
