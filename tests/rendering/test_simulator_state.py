import logging
import os
import subprocess
import sys

import changing_envs  # noqa: F401  # registers them
import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl.data.info_keys import RESET_SEED, SIM_STATE
from prefrl.errors import EnvError
from prefrl.rendering.simulator_state import RecordSimState, restore, set_up_mujoco, snapshot, snapshotter

set_up_mujoco()
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning")  # SWIG in Box2D

CLASSIC = ["CartPole-v1", "Pendulum-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1"]
MUJOCO = ["Hopper-v5", "HalfCheetah-v5", "Ant-v5", "Reacher-v5"]


def run(env: gym.Env, steps: int) -> np.ndarray:
    """Reset with seed 3, take fixed random actions, return the last observation."""
    obs, _ = env.reset(seed=3)
    env.action_space.seed(3)
    for _ in range(steps):
        obs = env.step(env.action_space.sample())[0]
    return obs


def python(code: str, cwd: os.PathLike, **variables: str) -> subprocess.CompletedProcess:
    kept = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")}
    env = {**kept, "PYTHONPATH": os.getcwd(), **variables}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("env_id", [*CLASSIC, *MUJOCO, "prefrl/Drive-v0"])
def test_a_restored_environment_goes_on_as_the_original_would(env_id: str) -> None:
    original, other = gym.make(env_id), gym.make(env_id)
    run(original, 7)
    state = snapshot(original)
    assert state is not None
    assert state.dtype == np.float64
    assert state.ndim == 1
    other.reset(seed=99)
    assert not np.array_equal(snapshot(other), state, equal_nan=True)
    restore(other, state)
    np.testing.assert_array_equal(snapshot(other), state)
    action = original.action_space.sample()
    expected, got = original.step(action), other.step(action)
    # contact forces are solved iteratively from a warm start that the state leaves out
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-4, atol=1e-4)


class Counter(gym.Env):
    """Brings a state of its own, by the two methods that are asked for."""

    observation_space, action_space = gym.spaces.Box(0, 9, (1,)), gym.spaces.Discrete(2)
    count = 0.0

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        return np.zeros(1, dtype=np.float32), {}

    def get_sim_state(self) -> np.ndarray:
        return np.array([self.count])

    def set_sim_state(self, state: np.ndarray) -> None:
        (self.count,) = state


def test_an_environment_may_bring_its_own_state() -> None:
    env = RecordSimState(Counter())
    env.unwrapped.count = 4.0
    np.testing.assert_array_equal(env.reset(seed=0)[1][SIM_STATE], [4])
    restore(env, np.array([7.0]))
    assert env.unwrapped.count == 7
    with pytest.raises(EnvError, match=r"a state of Counter has shape \(2,\), want \(1,\)"):
        restore(env, np.zeros(2))


@pytest.mark.parametrize("method", ["get_sim_state", "set_sim_state"])
def test_a_state_that_an_environment_cannot_give_or_take_names_it(method: str) -> None:
    env = Counter()
    setattr(env, method, lambda *_: 1 / 0)
    with pytest.raises(EnvError, match=rf"^Counter: {method}\(\) raised ZeroDivisionError: division by zero; mend"):
        restore(env, np.array([7.0]))
    env.get_sim_state = lambda: 7.0
    with pytest.raises(EnvError, match=r"^Counter: get_sim_state\(\) gives an array \(\), want \(state_dim,\)"):
        RecordSimState(env).reset()


def test_one_of_the_two_methods_is_not_enough() -> None:
    env = Counter()
    env.set_sim_state = None
    assert snapshot(env) is None


def test_mujoco_states_hold_time_positions_and_velocities() -> None:
    env = gym.make("Hopper-v5")
    run(env, 5)
    state, data = snapshot(env), env.unwrapped.data
    assert state.shape == (13,)
    assert state[0] == pytest.approx(5 * 0.008)
    np.testing.assert_array_equal(state[1:], np.concatenate([data.qpos, data.qvel]))


def test_pendulum_states_hold_the_torque_that_is_drawn() -> None:
    env = gym.make("Pendulum-v1")
    env.reset(seed=0)
    start = snapshot(env)
    assert np.isnan(start[2])
    env.step(np.array([9.0], dtype=np.float32))
    assert snapshot(env)[2] == 2.0  # clipped, as executed
    restore(env, start)
    assert env.unwrapped.last_u is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_restore_is_the_inverse_of_snapshot(values: list[float]) -> None:
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    restore(env, np.array(values))
    np.testing.assert_array_equal(snapshot(env), values)


def test_a_state_is_a_copy_in_both_directions() -> None:
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    state = snapshot(env)
    kept = state.copy()
    env.step(1)
    np.testing.assert_array_equal(state, kept)
    restore(env, state)
    env.unwrapped.state[0] = 5.0
    np.testing.assert_array_equal(state, kept)


def test_a_state_of_another_model_is_refused() -> None:
    env = gym.make("Hopper-v5")
    env.reset(seed=0)
    with pytest.raises(EnvError, match=r"Hopper-v5 has shape \(12,\), want \(13,\)"):
        restore(env, np.zeros(12))


def test_environments_with_more_than_a_known_state_are_replayed() -> None:
    lander = gym.make("LunarLander-v3")
    assert snapshotter(lander) is None
    with pytest.raises(EnvError, match="LunarLander-v3 has no simulator state"):
        restore(lander, np.zeros(3))

    class WindyCartPole(type(gym.make("CartPole-v1").unwrapped)):
        pass

    assert snapshot(WindyCartPole()) is None
    reaching = gym.make("Reacher-v5")
    reaching.unwrapped.observation_space = gym.spaces.Dict({"desired_goal": gym.spaces.Box(0, 1)})
    assert snapshot(reaching) is None


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1"])
def test_recording_adds_the_state_after_the_step_and_changes_nothing(env_id: str) -> None:
    recorded, plain = RecordSimState(gym.make(env_id)), gym.make(env_id)
    obs, info = recorded.reset(seed=1)
    np.testing.assert_array_equal(obs, plain.reset(seed=1)[0])
    states = [info[SIM_STATE]]
    plain.action_space.seed(1)
    for _ in range(10):
        action = plain.action_space.sample()
        obs, reward, terminated, truncated, info = recorded.step(action)
        expected = plain.step(action)
        np.testing.assert_array_equal(obs, expected[0])
        assert (reward, terminated, truncated) == expected[1:4]
        np.testing.assert_array_equal(info[SIM_STATE], snapshot(plain))
        states.append(info[SIM_STATE])
    assert len({state.tobytes() for state in states}) == 11
    np.testing.assert_array_equal(recorded.reset()[0], plain.reset()[0])


def test_seeds_of_resets_replay_episodes() -> None:
    env = RecordSimState(gym.make("LunarLander-v3"))
    first, info = env.reset(seed=5)
    assert info[RESET_SEED] == 5
    second, info = env.reset()
    drawn = info[RESET_SEED]
    assert 0 <= drawn < 2**31
    assert not np.array_equal(first, second)
    after = env.step(2)
    assert after[4][RESET_SEED] == drawn
    other = gym.make("LunarLander-v3")
    np.testing.assert_array_equal(other.reset(seed=drawn)[0], second)
    np.testing.assert_array_equal(other.step(2)[0], after[0])

    env.reset(seed=5)
    assert env.reset()[1][RESET_SEED] == drawn
    assert env.reset()[1][RESET_SEED] != drawn
    env.reset(seed=6)
    assert env.reset()[1][RESET_SEED] != drawn


def test_where_a_model_may_change_beyond_what_is_kept_there_are_seeds_too() -> None:
    env = RecordSimState(gym.make("Reshaped-v0"))
    infos = [env.reset(seed=3)[1], *(env.step(np.zeros(1, np.float32))[4] for _ in range(9))]
    assert [SIM_STATE in info for info in infos] == [True] * 8 + [False] * 2
    assert all(info[RESET_SEED] == 3 for info in infos)
    obs, info = env.reset()
    np.testing.assert_array_equal(gym.make("Reshaped-v0").reset(seed=info[RESET_SEED])[0], obs)
    assert SIM_STATE in info


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1"])
def test_known_families_are_not_seeded_where_there_are_states(env_id: str) -> None:
    env = RecordSimState(gym.make(env_id))
    assert all(RESET_SEED not in env.reset(seed=seed)[1] for seed in (1, None))


SET_UP = "from prefrl.rendering.simulator_state import set_up_mujoco as s; s(); "
CHOICE = (
    "import os; from prefrl.rendering.simulator_state import choose_gl; choose_gl(); print(os.environ.get('MUJOCO_GL'))"
)


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is for Linux")
@pytest.mark.parametrize(
    ("variables", "choice"),
    [({}, "egl"), ({"DISPLAY": ":0"}, "None"), ({"WAYLAND_DISPLAY": "w"}, "None"), ({"MUJOCO_GL": "osmesa"}, "osmesa")],
)
def test_egl_is_chosen_without_a_display(tmp_path, variables: dict[str, str], choice: str) -> None:
    assert python(CHOICE, tmp_path, **variables).stdout.strip() == choice


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is for Linux")
def test_training_needs_no_libegl(tmp_path) -> None:
    (tmp_path / "libEGL.so.1").write_bytes(b"broken")
    code = SET_UP + "import gymnasium as g; g.make('Hopper-v5').reset();"
    result = python(code + CHOICE, tmp_path, LD_LIBRARY_PATH=str(tmp_path))
    assert (result.stdout.strip(), result.returncode) == ("None", 0), result.stderr


def test_models_load_quietly(tmp_path) -> None:
    code = SET_UP + "import gymnasium as g; g.make('HalfCheetah-v5').reset()"
    result = python(code, tmp_path)
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert list(tmp_path.iterdir()) == []


def test_an_unstable_simulation_is_still_reported(caplog) -> None:
    env = gym.make("Hopper-v5")
    env.reset(seed=0)
    env.unwrapped.data.qvel[0] = np.nan
    with caplog.at_level(logging.WARNING, logger="mujoco"):
        env.step(np.zeros(3, dtype=np.float32))
    assert "unstable" in caplog.text or "Nan" in caplog.text
