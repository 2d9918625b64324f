import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import SameArrays, assert_as_by_hand, by_hand, random_actions, random_ends
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.data.batch import stack
from prefrl.data.episode import Episode, cut
from prefrl.data.spaces import ArraySpec, Spaces
from prefrl.environments.learned_reward import LearnedRewardVecEnv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.rewards.ensemble import RewardEnsemble

GAMMA = 0.9


def ensemble(obs_dim: int = 3, action_dim: int = 2) -> RewardEnsemble:
    """Untrained, but with an output scale that is not 1 and an absorbing reward that is not 0."""
    model = RewardEnsemble(Spaces.vectors(obs_dim, action_dim), 3, (16,), generator=torch.Generator().manual_seed(4))
    model.output_mean.fill_(0.3)
    model.output_std.fill_(0.05)
    return model


def learned(num_envs: int = 1, model: RewardEnsemble | None = None) -> tuple[LearnedRewardVecEnv, RecordingVecEnv]:
    recorder = RecordingVecEnv(DummyVecEnv([random_ends] * num_envs))
    return LearnedRewardVecEnv(recorder, model or ensemble(), GAMMA), recorder


def paid(venv: LearnedRewardVecEnv, actions: np.ndarray, seed: int) -> np.ndarray:
    """(L, N) rewards of taking `actions`."""
    venv.seed(seed)
    venv.reset()
    return np.array([venv.step(row)[1] for row in actions])


def by_transition(model: RewardEnsemble, episode: Episode) -> np.ndarray:
    """(n,) what each step of an episode should be paid."""
    steps = len(episode.actions)
    terminated = np.arange(1, steps + 1) == (steps if episode.terminated else -1)
    obs = episode.obs["obs"]
    rewards = model.reward({"obs": obs[:-1]}, episode.actions, {"obs": obs[1:]}, terminated)
    return rewards + terminated * GAMMA / (1 - GAMMA) * model.absorbing_reward()


def test_a_termination_is_paid_the_worth_of_staying_dead_and_a_time_limit_is_not() -> None:
    venv, recorder = learned(num_envs=3)
    rewards = paid(venv, random_actions(60, 3), seed=5)
    assert abs(venv.reward_function.absorbing_reward()) > 0.5
    episodes = recorder.drain()
    assert {(e.terminated, e.truncated) for e in episodes} == {(True, False), (False, True), (False, False)}
    for env in range(3):
        expected = np.concatenate([by_transition(venv.reward_function, e) for e in episodes if e.env_index == env])
        np.testing.assert_allclose(rewards[:, env], expected, rtol=1e-4, atol=1e-4)


def test_with_neutral_endings_a_termination_is_paid_for_its_last_step_alone() -> None:
    recorder = RecordingVecEnv(DummyVecEnv([random_ends]))
    venv = LearnedRewardVecEnv(recorder, ensemble(), GAMMA, neutral_endings=True)
    rewards = paid(venv, random_actions(60, 1), seed=5)[:, 0]
    episodes = recorder.drain()
    expected = np.concatenate([by_transition(venv.reward_function, e) for e in episodes])
    last = [k for k, e in zip(np.cumsum([len(e.actions) for e in episodes]) - 1, episodes, strict=True) if e.terminated]
    assert last
    expected[last] -= GAMMA / (1 - GAMMA) * venv.reward_function.absorbing_reward()
    np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-4)


def discounted(rewards: np.ndarray) -> float:
    return float(rewards @ GAMMA ** np.arange(len(rewards)))


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1))
def test_the_return_of_an_episode_that_ends_is_that_of_staying_dead_for_ever(seed: int) -> None:
    venv, recorder = learned()
    rewards = paid(venv, random_actions(20, 1), seed)[:, 0]
    first = recorder.drain()[0]
    for_ever, model = cut([first], length=300 if first.terminated else len(first.actions)), venv.reward_function
    raw = model.segment_rewards(stack(for_ever).map(torch.from_numpy)).mean(0)[0].detach().numpy()
    scaled = (raw - model.output_mean.item()) / model.output_std.item()  # 0.9^300 is 2e-14
    assert discounted(rewards[: len(first.actions)]) == pytest.approx(discounted(scaled), rel=1e-3, abs=1e-3)


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1), st.floats(-3, 3))
def test_a_constant_added_to_the_reward_makes_no_episode_better_than_another(seed: int, constant: float) -> None:
    """However early an episode terminates, its return shifts by constant / (1 - gamma), as that of living for ever."""
    model, shifted = ensemble(), ensemble()
    shifted.output_mean.sub_(constant * shifted.output_std)
    rewards = []
    for either in (model, shifted):
        venv, recorder = learned(model=either)
        rewards.append(paid(venv, random_actions(40, 1), seed)[:, 0])
    first = 0
    for episode in recorder.drain():
        here = slice(first, first + len(episode.actions))
        first = here.stop
        lives_on = 0.0 if episode.terminated else GAMMA ** len(episode.actions) / (1 - GAMMA)  # what V would add
        difference = discounted(rewards[1][here]) - discounted(rewards[0][here])
        assert difference + lives_on * constant == pytest.approx(constant / (1 - GAMMA), rel=1e-3, abs=1e-3)


def test_sb3_adds_the_value_of_what_follows_a_time_limit_to_the_learned_reward() -> None:
    venv, recorder = learned(num_envs=2)
    # A learning rate of 0 keeps the value net as it was when the rollout was collected.
    agent = PPO("MlpPolicy", venv, n_steps=40, batch_size=80, n_epochs=1, gamma=GAMMA, learning_rate=0.0, seed=0,
                device="cpu")  # fmt: skip
    agent.learn(80)
    buffer = agent.rollout_buffer.rewards  # (L, N)
    episodes = recorder.drain()
    assert sum(e.truncated for e in episodes) > 1
    for env in range(2):
        expected = []
        for e in (e for e in episodes if e.env_index == env):
            rewards = by_transition(venv.reward_function, e)
            if e.truncated:
                with torch.no_grad():
                    value = agent.policy.predict_values(torch.from_numpy(e.obs["obs"][-1:])).item()
                assert abs(value) > 1e-3
                rewards[-1] += GAMMA * value
            expected.append(rewards)
        np.testing.assert_allclose(buffer[:, env], np.concatenate(expected), rtol=1e-3, atol=1e-3)


def test_true_rewards_go_to_the_recorder_and_the_info_and_nowhere_else() -> None:
    venv, recorder = learned(num_envs=2)
    venv.seed(5)
    venv.reset()
    told = []
    for row in random_actions(30, 2):
        _, rewards, _, infos = venv.step(row)
        told.append([info["true_reward"] for info in infos])
        assert not np.isclose(rewards, told[-1], atol=1e-4).any()
        assert rewards.dtype == np.float32
    recorded = recorder.drain()
    for env in range(2):
        true_rewards = np.concatenate([e.true_rewards for e in recorded if e.env_index == env])
        np.testing.assert_allclose(np.array(told)[:, env], true_rewards, rtol=1e-6)
    assert_as_by_hand(recorded, random_ends, random_actions(30, 2), seed=5)


def test_observations_and_ends_pass_through_unchanged() -> None:
    (venv, _), plain = learned(num_envs=2), DummyVecEnv([random_ends] * 2)
    for either in (venv, plain):
        either.seed(5)
    np.testing.assert_array_equal(venv.reset(), plain.reset())
    for row in random_actions(30, 2):
        (obs, _, dones, infos), (plain_obs, _, plain_dones, plain_infos) = venv.step(row), plain.step(row)
        np.testing.assert_array_equal(obs, plain_obs)
        np.testing.assert_array_equal(dones, plain_dones)
        for info, plain_info in zip(infos, plain_infos, strict=True):
            assert info.get("TimeLimit.truncated") == plain_info.get("TimeLimit.truncated")
            np.testing.assert_array_equal(info.get("terminal_observation"), plain_info.get("terminal_observation"))


def test_a_vectorised_environment_that_reuses_its_buffers_is_paid_alike() -> None:
    venv, _ = learned(num_envs=2)
    reusing = LearnedRewardVecEnv(SameArrays(DummyVecEnv([random_ends] * 2)), ensemble(), GAMMA)
    actions = random_actions(30, 2)
    np.testing.assert_array_equal(paid(venv, actions, seed=5), paid(reusing, actions, seed=5))


def test_a_new_fit_counts_at_once() -> None:
    venv, _ = learned()
    one_step = np.zeros((1, 1, 2), np.float32)
    seed = next(s for s in range(100) if by_hand(random_ends, s, one_step[:, 0])[0]["over"] == "terminated")
    before = paid(venv, one_step, seed)
    venv.reward_function.output_mean.sub_(venv.reward_function.output_std)  # one more reward a step
    assert paid(venv, one_step, seed) == pytest.approx(before + 1 / (1 - GAMMA), rel=1e-4)


@pytest.mark.parametrize("gamma", [-0.1, 1.0, 1.5, np.nan])
def test_a_discount_without_a_finite_worth_of_being_dead_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match="want 0 <= gamma < 1"):
        LearnedRewardVecEnv(DummyVecEnv([toy_envs.RandomEnds]), ensemble(), gamma)


def test_an_ensemble_of_another_environment_is_refused() -> None:
    with pytest.raises(ValueError, match="ensemble"):
        LearnedRewardVecEnv(DummyVecEnv([lambda: gym.make("CartPole-v1")]), ensemble(5, 2), gamma=0.99)


def test_any_algorithm_of_sb3_learns_from_it() -> None:
    """The README's example: discrete actions, no recorder below, no preset."""
    venv = LearnedRewardVecEnv(DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2), ensemble(4, 2), gamma=0.99)
    PPO("MlpPolicy", venv, n_steps=16, batch_size=32, n_epochs=1, gamma=0.99, device="cpu").learn(64)


def test_a_reward_does_not_mind_the_type_of_whole_numbers() -> None:
    """Ensembles of runs before observations had types know none."""

    class Whole(toy_envs.Counter):
        observation_space = spaces.Box(0, 255, (2,), np.uint8)

    model = ensemble(2, 3)
    assert model.spaces.obs == {"obs": ArraySpec((2,))}
    venv = LearnedRewardVecEnv(DummyVecEnv([Whole]), model, GAMMA)
    venv.reset()
    _, rewards, _, _ = venv.step(np.array([1]))
    told = [np.array([seen], np.float32) for seen in ([0, 0], [0, 1, 0], [1, 0])]
    np.testing.assert_array_equal(rewards, model.reward({"obs": told[0]}, told[1], {"obs": told[2]}, np.zeros(1, bool)))
