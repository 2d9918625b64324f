from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
import torch
import toy_envs
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecEnvWrapper, VecMonitor

from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode, cut, stack
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import LearnedRewardVecEnv, RecordingVecEnv, action_array, action_dim
from prefrl.errors import EnvError
from prefrl.rendering.simulator_state import RecordSimState
from prefrl.rewards.ensemble import RewardEnsemble

GAMMA = 0.9
Make = Callable[[], gym.Env]


def random_ends() -> gym.Env:
    return RecordSimState(toy_envs.RandomEnds())


def by_hand(make: Make, seed: int, actions: np.ndarray) -> list[dict[str, list]]:
    """What happens in one environment that is reset with `seed` and whenever an episode is over."""
    env, episodes = make(), []
    obs, info = env.reset(seed=seed)
    for action in actions:
        if not episodes or episodes[-1]["over"]:
            fresh = {"obs": [obs.copy()], "actions": [], "rewards": [], "over": None, "seed": info.get("reset_seed")}
            episodes.append(fresh)
        obs, reward, terminated, truncated, _ = env.step(action)
        episodes[-1]["obs"].append(obs.copy())
        episodes[-1]["actions"].append(action)
        episodes[-1]["rewards"].append(reward)
        if terminated or truncated:
            episodes[-1]["over"] = "terminated" if terminated else "truncated"
            obs, info = env.reset()
    return episodes


def record(venv: RecordingVecEnv, actions: np.ndarray, seed: int) -> list[Episode]:
    venv.seed(seed)
    venv.reset()
    for row in actions:
        venv.step(row)
    return venv.drain()


def assert_as_by_hand(episodes: list[Episode], make: Make, actions: np.ndarray, seed: int) -> None:
    for env in range(actions.shape[1]):
        expected = by_hand(make, seed + env, actions[:, env])
        got = [e for e in episodes if e.env_index == env]
        assert len(got) == len(expected)
        for e, hand in zip(got, expected, strict=True):
            np.testing.assert_array_equal(e.obs, np.array(hand["obs"], np.float32))
            np.testing.assert_array_equal(e.actions, np.array(hand["actions"], np.float32))
            np.testing.assert_array_equal(e.true_rewards, np.array(hand["rewards"], np.float32))
            assert (e.terminated, e.truncated) == (hand["over"] == "terminated", hand["over"] == "truncated")
            assert e.reset_seed == hand["seed"]


def random_actions(steps: int, num_envs: int) -> np.ndarray:
    return np.random.default_rng(steps).uniform(-0.5, 2.0, (steps, num_envs, 2)).astype(np.float32)


VENVS: dict[str, Callable[[list[Make]], VecEnv]] = {
    "in this process": DummyVecEnv,
    "in other processes": lambda makers: SubprocVecEnv(makers, start_method="fork"),
    "in another wrapper": lambda makers: VecMonitor(DummyVecEnv(makers)),
}


@pytest.mark.parametrize("kind", VENVS)
def test_each_environments_episodes_are_recorded_as_by_hand(kind: str) -> None:
    venv, actions = RecordingVecEnv(VENVS[kind]([random_ends] * 3)), random_actions(60, 3)
    try:
        episodes = record(venv, actions, seed=5)
        assert_as_by_hand(episodes, random_ends, actions, seed=5)
        assert {e.finished for e in episodes} == {True, False}
        assert len({len([e for e in episodes if e.env_index == i]) for i in range(3)}) > 1  # none waits for another
        assert_as_by_hand(record(venv, actions[:7], seed=9), random_ends, actions[:7], seed=9)
    finally:
        venv.close()


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**31 - 10))
def test_a_recording_is_as_by_hand_whatever_ends_when(num_envs: int, steps: int, seed: int) -> None:
    actions = random_actions(steps, num_envs)
    venv = RecordingVecEnv(DummyVecEnv([random_ends] * num_envs))
    assert_as_by_hand(record(venv, actions, seed), random_ends, actions, seed)


def test_a_recording_in_numbers() -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.Counter(lengths=(2, -3))]))
    died, stopped, running = record(venv, np.array([[0], [1], [2], [0], [1], [2]]), seed=0)
    assert died.obs.tolist() == [[0, 0], [1, 0], [2, 0]]
    assert died.true_rewards.tolist() == [0, 1]
    assert died.actions.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (died.terminated, died.truncated) == (True, False)
    assert stopped.obs.tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert stopped.true_rewards.tolist() == [100, 101, 102]
    assert stopped.actions.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert (stopped.terminated, stopped.truncated) == (False, True)
    assert running.obs.tolist() == [[0, 2], [1, 2]]
    assert (running.terminated, running.truncated, running.finished) == (False, False, False)


def test_a_reset_at_the_very_end_makes_no_empty_episode() -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.Counter(lengths=(2,))]))
    assert [len(e.actions) for e in record(venv, np.zeros((4, 1), int), seed=0)] == [2, 2]


def test_episodes_of_one_step() -> None:
    venv = RecordingVecEnv(DummyVecEnv([toy_envs.OneStep] * 2))
    episodes = record(venv, np.full((3, 2, 1), 0.5, np.float32), seed=0)
    assert [(len(e.actions), e.terminated, e.true_return) for e in episodes] == [(1, True, 0.5)] * 6
    assert all(e.obs[1].tolist() == [1] for e in episodes)  # and not what the next reset showed


def test_simulator_states_belong_to_their_observations() -> None:
    """CartPole's state is its observation, before the step and after it, and across ends."""
    venv = RecordingVecEnv(make_venv(TrainConfig("CartPole-v1"), n_envs=2))
    episodes = record(venv, np.ones((30, 2), int), seed=0)
    assert any(e.terminated for e in episodes)
    for e in episodes:
        assert e.sim_states is not None
        np.testing.assert_allclose(e.sim_states, e.obs, rtol=1e-6)


def test_the_first_steps_after_a_reset_replace_what_was_recorded_before() -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.Counter(lengths=(0,))]))
    venv.reset()
    venv.step(np.array([0]))
    (episode,) = record(venv, np.array([[1]]), seed=0)
    assert episode.obs.tolist() == [[0, 1], [1, 1]]


def test_an_environment_that_reuses_its_buffer_changes_nothing_recorded() -> None:
    venv = RecordingVecEnv(make_venv(TrainConfig("RandomEnds-v0", env_kwargs={"reuse_buffer": True}), n_envs=3))
    actions = random_actions(60, 3)
    assert_as_by_hand(record(venv, actions, seed=5), random_ends, actions, seed=5)


class SameArrays(VecEnvWrapper):
    """Hands out the same arrays each step, as some fast vectorised environments do."""

    def reset(self):
        self.obs, self.rewards = self.venv.reset(), np.zeros(self.num_envs, np.float32)
        return self.obs

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        self.obs[:], self.rewards[:] = obs, rewards
        return self.obs, self.rewards, dones, infos


def test_a_vectorised_environment_that_reuses_its_buffers_changes_nothing_recorded() -> None:
    venv, actions = RecordingVecEnv(SameArrays(DummyVecEnv([random_ends] * 3))), random_actions(60, 3)
    assert_as_by_hand(record(venv, actions, seed=5), random_ends, actions, seed=5)


def test_a_caller_that_changes_its_actions_changes_nothing_recorded() -> None:
    venv, actions = RecordingVecEnv(DummyVecEnv([random_ends])), np.zeros((1, 2), np.float32)
    venv.reset()
    venv.step(actions)
    actions[:] = 1
    (episode,) = venv.drain()
    assert episode.actions.tolist() == [[0, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_recorded_but_not_passed_on(bad: float) -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.NotFinite(obs=bad, reward=bad)]))
    venv.reset()
    passed = [venv.step(np.array([0])) for _ in range(3)]
    assert [obs[0].tolist() for obs, *_ in passed] == [[1, 1], [1, 0], [1, 0]]
    assert [rewards[0] for _, rewards, *_ in passed] == [1, 0, 0]
    (episode,) = venv.drain()
    np.testing.assert_array_equal(episode.obs[:, 1], np.array([0, 1, bad, bad], np.float32))
    np.testing.assert_array_equal(episode.true_rewards, np.array([1, bad, bad], np.float32))
    assert [s.start for s in cut([episode], length=1)] == [0]
    assert venv.bad_steps == 2


@pytest.mark.parametrize("kwargs", [{"obs": np.nan}, {"reward": np.inf}])
def test_too_many_numbers_that_are_not_finite_are_an_error(kwargs: dict[str, float]) -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.NotFinite(**kwargs)]), bad_steps_limit=3)
    venv.reset()
    for _ in range(4):  # the first is good
        venv.step(np.array([0]))
    with pytest.raises(EnvError, match="not finite in 4 steps"):
        venv.step(np.array([0]))
    venv.reset()  # a span's start, resumed or not
    for _ in range(4):
        venv.step(np.array([0]))
    assert venv.bad_steps == 3


def test_actions_are_clipped_to_what_the_environment_executes() -> None:
    """SB3's rollout buffer holds what the policy drew; the recording, like the environment, what is within bounds."""
    recorder = RecordingVecEnv(DummyVecEnv([lambda: gym.make("Pendulum-v1")] * 2))
    agent = PPO("MlpPolicy", recorder, n_steps=16, batch_size=32, n_epochs=1, policy_kwargs={"log_std_init": 2.0},
                seed=0, device="cpu")  # fmt: skip
    agent.learn(32)
    drawn = agent.rollout_buffer.actions.reshape(2, 16, 1)  # flattened by the update: (N * L, 1)
    executed = np.stack([e.actions for e in recorder.drain()])  # (N, L, 1)
    assert np.abs(drawn).max() > 2
    assert np.abs(executed).max() == 2
    np.testing.assert_array_equal(executed, np.clip(drawn, -2, 2))


def test_discrete_actions_are_one_hot() -> None:
    space = spaces.Discrete(3)
    assert action_dim(space) == 3
    assert action_array(space, np.array([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_continuous_actions_are_flattened_and_clipped_to_each_bound() -> None:
    low, high = np.array([[-1, 0], [-np.inf, -5]], np.float32), np.array([[1, 1], [np.inf, 5]], np.float32)
    space = spaces.Box(low, high)
    assert action_dim(space) == 4
    drawn = np.array([[[-3, 0.5], [1e6, -9]], [[0, 2], [-1e6, 5]]])
    assert action_array(space, drawn).tolist() == [[-1, 0.5, 1e6, -5], [0, 1, -1e6, 5]]
    assert action_array(space, drawn).dtype == np.float32


def ensemble(obs_dim: int = 3, action_dim: int = 2) -> RewardEnsemble:
    """Untrained, but with an output scale that is not 1 and an absorbing reward that is not 0."""
    model = RewardEnsemble(obs_dim, action_dim, 3, (16,), generator=torch.Generator().manual_seed(4))
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
    rewards = model.reward(episode.obs[:-1], episode.actions, episode.obs[1:], terminated)
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
    raw = model.segment_rewards(*(torch.from_numpy(x) for x in stack(for_ever))).mean(0)[0].detach().numpy()
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
                    value = agent.policy.predict_values(torch.from_numpy(e.obs[-1:])).item()
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
