from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
import toy_envs
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import Make, SameArrays, assert_as_by_hand, random_actions, random_ends, record
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecMonitor

from prefrl.config.run import TrainConfig
from prefrl.data.episode import cut
from prefrl.data.spaces import ActionSpec, ArraySpec, Spaces
from prefrl.environments import guarded, recorder
from prefrl.environments.guarded import Guarded
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import EnvError

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
    assert died.obs["obs"].tolist() == [[0, 0], [1, 0], [2, 0]]
    assert died.true_rewards.tolist() == [0, 1]
    assert died.actions.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (died.terminated, died.truncated) == (True, False)
    assert stopped.obs["obs"].tolist() == [[0, 1], [1, 1], [2, 1], [3, 1]]
    assert stopped.true_rewards.tolist() == [100, 101, 102]
    assert stopped.actions.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert (stopped.terminated, stopped.truncated) == (False, True)
    assert running.obs["obs"].tolist() == [[0, 2], [1, 2]]
    assert (running.terminated, running.truncated, running.finished) == (False, False, False)


def test_a_reset_at_the_very_end_makes_no_empty_episode() -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.Counter(lengths=(2,))]))
    assert [len(e.actions) for e in record(venv, np.zeros((4, 1), int), seed=0)] == [2, 2]


def test_episodes_of_one_step() -> None:
    venv = RecordingVecEnv(DummyVecEnv([toy_envs.OneStep] * 2))
    episodes = record(venv, np.full((3, 2, 1), 0.5, np.float32), seed=0)
    assert [(len(e.actions), e.terminated, e.true_return) for e in episodes] == [(1, True, 0.5)] * 6
    assert all(e.obs["obs"][1].tolist() == [1] for e in episodes)  # and not what the next reset showed


def test_simulator_states_belong_to_their_observations() -> None:
    """CartPole's state is its observation, before the step and after it, and across ends."""
    venv = RecordingVecEnv(make_venv(TrainConfig("CartPole-v1"), n_envs=2))
    episodes = record(venv, np.ones((30, 2), int), seed=0)
    assert any(e.terminated for e in episodes)
    for e in episodes:
        assert e.sim_states is not None
        np.testing.assert_allclose(e.sim_states, e.obs["obs"], rtol=1e-6)


def test_the_first_steps_after_a_reset_replace_what_was_recorded_before() -> None:
    venv = RecordingVecEnv(DummyVecEnv([lambda: toy_envs.Counter(lengths=(0,))]))
    venv.reset()
    venv.step(np.array([0]))
    (episode,) = record(venv, np.array([[1]]), seed=0)
    assert episode.obs["obs"].tolist() == [[0, 1], [1, 1]]


def test_an_environment_that_reuses_its_buffer_changes_nothing_recorded() -> None:
    venv = RecordingVecEnv(make_venv(TrainConfig("RandomEnds-v0", env_kwargs={"reuse_buffer": True}), n_envs=3))
    actions = random_actions(60, 3)
    assert_as_by_hand(record(venv, actions, seed=5), random_ends, actions, seed=5)


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
    np.testing.assert_array_equal(episode.obs["obs"][:, 1], np.array([0, 1, bad, bad], np.float32))
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
    venv.reset()  # a round's start, resumed or not
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


class Robot(gym.Env):
    """Observes two arrays, a picture among them, and counts in both; episodes end after two steps."""

    observation_space = spaces.Dict(
        {"joints": spaces.Box(-9, 9, (3,), np.float64), "camera": spaces.Box(0, 255, (2, 2, 1), np.uint8)}
    )
    action_space = spaces.Discrete(2)

    def observe(self) -> dict[str, np.ndarray]:
        return {"joints": np.full(3, self.t / 2), "camera": np.full((2, 2, 1), 100 + self.t, np.uint8)}

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def step(self, action: int):
        self.t += 1
        return self.observe(), 1.0, self.t == 2, False, {}


def test_behind_the_gate_observations_may_have_any_names_and_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a kind of observation is added in `spaces_of` alone, and in an encoder."""
    seen = Spaces({"camera": ArraySpec((2, 2, 1), "uint8"), "joints": ArraySpec((3,))}, ActionSpec(2, "discrete"))
    for module in (recorder, guarded):
        monkeypatch.setattr(module, "spaces_of", lambda *_: seen)
    venv = RecordingVecEnv(DummyVecEnv([lambda: Guarded(Robot())] * 2))
    episodes = record(venv, np.zeros((3, 2), int), seed=0)
    assert [len(e.actions) for e in episodes] == [2, 1] * 2
    assert episodes[0].obs["joints"].tolist() == [[0] * 3, [0.5] * 3, [1] * 3]
    assert episodes[0].obs["camera"][:, 0, 0, 0].tolist() == [100, 101, 102]
    assert {name: array.dtype for name, array in episodes[0].obs.items()} == {"joints": np.float32, "camera": np.uint8}
    assert cut(episodes, 2)[0].spaces.obs == seen.obs


@pytest.mark.parametrize(
    ("obs", "said"),
    [
        ({"joints": np.zeros(3)}, r"observed object\(\)"),
        ({"joints": np.zeros(2), "camera": np.zeros((2, 2, 1), np.uint8)}, r"observed float64\(2,\)"),
        (np.zeros(3), r"observed float64\(3,\)"),
    ],
)
def test_behind_the_gate_each_array_is_checked(obs: object, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Spaces({"camera": ArraySpec((2, 2, 1), "uint8"), "joints": ArraySpec((3,))}, ActionSpec(2, "discrete"))
    monkeypatch.setattr(guarded, "spaces_of", lambda *_: seen)
    env = Guarded(Robot())
    env.reset(seed=0)
    monkeypatch.setattr(Robot, "observe", lambda self: obs)
    with pytest.raises(EnvError, match=f"Robot {said}, but its observation_space is Dict"):
        env.step(0)


def test_a_last_observation_of_another_type_than_the_space_changes_no_type() -> None:
    class Sloppy(toy_envs.Counter):
        observation_space = spaces.Box(0, 255, (2,), np.uint8)

    venv = RecordingVecEnv(DummyVecEnv([lambda: Sloppy(lengths=(2,))]))
    ended, _ = record(venv, np.zeros((3, 1), int), seed=0)
    assert ended.obs["obs"].dtype == np.uint8
    assert ended.obs["obs"].tolist() == [[0, 0], [1, 0], [2, 0]]
