import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import prefrl_envs  # noqa: F401  # registers the environments
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from prefrl_envs.drive import TRAIL, DriveEnv
from prefrl_envs.half_cheetah_stand import HalfCheetahStandEnv
from prefrl_envs.hopper_backflip import HopperBackflipEnv, mean_pitch
from prefrl_envs.reacher_circle import ReacherCircleEnv
from prefrl_envs.track import HALF_WIDTH, SHOULDER, Track

from prefrl.data.episode import Episode, cut
from prefrl.data.info_keys import SIM_STATE
from prefrl.environments.make import make_env
from prefrl.errors import EnvError
from prefrl.rendering.clips import Renderer
from prefrl.rendering.simulator_state import RecordSimState, restore, set_up_mujoco, snapshot

set_up_mujoco()

LENGTHS = {
    "prefrl/HopperBackflip-v0": 500,
    "prefrl/HalfCheetahStand-v0": 200,
    "prefrl/ReacherCircle-v0": 200,
    "prefrl/Drive-v0": 500,
}
TASTES = ["smooth", "fast", "drift"]


def record(env_id: str, steps: int) -> Episode:
    """An episode of random actions, cut off after `steps`, as the recorder of training keeps it."""
    env = RecordSimState(gym.make(env_id))
    obs, info = env.reset(seed=5)
    env.action_space.seed(5)
    rows, actions, rewards, states = [obs], [], [], [info[SIM_STATE]]
    for _ in range(steps):
        actions.append(env.action_space.sample())
        obs, reward, _, _, info = env.step(actions[-1])
        rows.append(obs)
        rewards.append(reward)
        states.append(info[SIM_STATE])
    return Episode(
        obs={"obs": np.array(rows, dtype=np.float32)},
        actions=np.array(actions, dtype=np.float32),
        true_rewards=np.array(rewards, dtype=np.float32),
        terminated=False,
        truncated=True,
        sim_states=np.array(states),
        reset_seed=None,
        env_index=0,
    )


@pytest.mark.parametrize("env_id", LENGTHS)
@pytest.mark.filterwarnings("ignore:.*Box observation space m.* value is .*infinity:UserWarning")  # as in all of MuJoCo
def test_gymnasium_finds_nothing_wrong(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array")
    check_env(env.unwrapped, skip_render_check=True)  # which asks that all render modes of MuJoCo be tried
    env.close()


@pytest.mark.parametrize(("env_id", "length"), LENGTHS.items())
def test_every_episode_is_of_one_length(env_id: str, length: int) -> None:
    env = gym.make(env_id)
    env.reset(seed=0)
    env.action_space.seed(0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(length)]
    assert ends == [(False, False)] * (length - 1) + [(False, True)]


@pytest.mark.parametrize("env_id", LENGTHS)
def test_the_goal_is_told_in_a_sentence(env_id: str) -> None:
    goal = gym.make(env_id).metadata["goal"]
    assert goal[0].isupper()
    assert goal.endswith(".")


@pytest.mark.parametrize("env_id", LENGTHS)
def test_clips_are_drawn_from_recorded_states(env_id: str) -> None:
    (segment,) = cut([record(env_id, 12)], 12)
    with Renderer(env_id, size=64) as renderer:
        frames = renderer.frames(segment)
    assert frames.shape[0] == 13
    assert frames.std() > 10
    assert not np.array_equal(frames[0], frames[-1])


@pytest.mark.parametrize("env_id", LENGTHS)
def test_copies_are_of_the_same_class(env_id: str) -> None:
    original = gym.make(env_id).unwrapped
    assert type(original) is type(pickle.loads(pickle.dumps(original)))


def test_gymnasium_alone_can_make_them() -> None:
    code = (
        "import sys, gymnasium; gymnasium.make('prefrl_envs:prefrl/Drive-v0').reset(seed=0); "
        "assert not {'prefrl', 'torch', 'mujoco', 'pygame'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Hopper that turns backflips


def hopper_in_the_air(spin: float) -> HopperBackflipEnv:
    env = HopperBackflipEnv()
    env.reset(seed=0)
    env.set_state(np.array([0, 50, 0, -0.5, -0.5, 0]), np.array([0, 0, spin, 0, 0, 0.0]))
    env._first_pitch = env._pitch_at_start = mean_pitch(env.data.qpos)
    return env


def turn(env: HopperBackflipEnv, steps: int) -> tuple[float, dict[str, object]]:
    """Sum of rewards without any action, and the last info."""
    total = 0.0
    for _ in range(steps):
        _, reward, _, _, info = env.step(np.zeros(3, dtype=np.float32))
        total += reward
    return total, info


def test_a_turn_backwards_is_a_flip_and_pays() -> None:
    back, forth = hopper_in_the_air(-8.0), hopper_in_the_air(8.0)
    start = mean_pitch(back.data.qpos)
    paid_back, paid_forth = turn(back, 20)[0], turn(forth, 20)[0]
    turned = forth.data.qpos[2] - back.data.qpos[2]
    assert turned > 1
    assert paid_back - paid_forth == pytest.approx(0.3 * turned / 0.008, rel=0.02)
    while mean_pitch(back.data.qpos) > start - 2 * np.pi + 0.1:
        assert turn(back, 1)[1]["flips"] == 0
    while mean_pitch(back.data.qpos) > start - 2 * np.pi:
        _, info = turn(back, 1)
    assert info["flips"] == 1
    assert 1 <= info["turns"] < 1.02
    _, info = turn(forth, 100)
    assert info["flips"] == 0
    assert info["turns"] < -0.3


def test_the_mean_pitch_is_of_all_four_links() -> None:
    assert mean_pitch(np.array([7, 8, -0.5, -0.4, -0.8, 0.2])) == pytest.approx((-0.5 - 0.1 + 0.7 + 0.5) / 4)


def test_episodes_start_in_the_air_turning_backwards() -> None:
    env = HopperBackflipEnv()
    for seed in range(20):
        env.reset(seed=seed)
        assert env.data.ncon == 0
        assert env.data.qvel[2] <= -3


def test_a_flip_over_the_floor_does_not_count() -> None:
    env = hopper_in_the_air(0.0)
    env.set_state(np.array([0, 0.05, -np.pi / 2, 0, 0, 0]), np.zeros(6))  # on its back
    assert turn(env, 1)[1]["down"]
    env.set_state(np.array([0, 50, -1.9 * np.pi, 0, 0, 0]), np.array([0, 0, -8.0, 0, 0, 0]))
    assert turn(env, 20)[1]["flips"] == 0  # upright again, but by way of the floor
    assert env.data.qpos[2] < -2 * np.pi


def test_touching_oneself_is_not_lying_down() -> None:
    env = hopper_in_the_air(0.0)
    env.set_state(np.array([0, 50, 0, -2.6, -2.6, -0.78]), np.zeros(6))  # folded up
    info = turn(env, 1)[1]
    assert env.data.ncon > 0
    assert not info["down"]


def test_upright_looks_alike_after_a_flip() -> None:
    env = hopper_in_the_air(0.0)
    before = env._get_obs()
    env.data.qpos[2] -= 2 * np.pi
    np.testing.assert_allclose(env._get_obs(), before, atol=1e-12)


# HalfCheetah that stands


@pytest.mark.parametrize(("pitch", "speed", "reward"), [(-np.pi / 2, 0, 1), (-np.pi / 2, 2, 0.5), (np.pi / 2, 2, -1)])
def test_standing_still_on_the_hind_leg_pays(pitch: float, speed: float, reward: float) -> None:
    env = HalfCheetahStandEnv()
    env.reset(seed=0)
    qpos, qvel = np.zeros(9), np.zeros(9)
    qpos[1:3], qvel[0] = (20, pitch), speed  # in the air, where nothing stops it
    env.set_state(qpos, qvel)
    assert env.step(np.zeros(6, dtype=np.float32))[1] == pytest.approx(reward, abs=0.05)


# Reacher that draws circles


@pytest.mark.parametrize("way", [1, -1])
def test_drawing_anticlockwise_pays(way: int) -> None:
    env = ReacherCircleEnv()
    env.reset(seed=0)
    elbow = np.arccos((0.17**2 - 0.1**2 - 0.11**2) / (2 * 0.1 * 0.11))  # puts the fingertip 0.17 from the shoulder
    shoulder = -np.arctan2(0.11 * np.sin(elbow), 0.1 + 0.11 * np.cos(elbow))  # and straight ahead
    env.set_state(np.array([shoulder, elbow, *env.CENTRE]), np.array([way * 2.0, 0, 0, 0]))
    np.testing.assert_allclose(env._fingertip(), [0.06, 0, 0, way * 2.0 * 0.17], atol=1e-9)
    np.testing.assert_allclose(env.data.body("fingertip").xpos[:2] - env.CENTRE, [0.06, 0], atol=1e-9)
    _, reward, _, _, info = env.step(np.zeros(2, dtype=np.float32))
    assert reward == pytest.approx(way * 1.0, abs=0.05)  # 0.34 m/s is faster than is paid for
    assert info["turns"] == pytest.approx(way * 2.0 * 0.17 * env.dt / (2 * np.pi * 0.06), rel=0.1)
    assert info["off_circle"] < 0.002


# The game of driving


def test_a_taste_changes_the_reward_and_nothing_else() -> None:
    envs = [gym.make("prefrl/Drive-v0", taste=taste) for taste in TASTES]
    rewards = np.zeros((3, 60))
    for env in envs:
        env.reset(seed=1)
    for step in range(60):
        action = np.array([np.sin(step / 9), 0.6], dtype=np.float32)
        steps = [env.step(action) for env in envs]
        rewards[:, step] = [reward for _, reward, *_ in steps]
        for obs, _, _, _, info in steps[1:]:
            np.testing.assert_array_equal(obs, steps[0][0])
            assert info == steps[0][4]
    assert (np.ptp(rewards, axis=0) > 0.05).all()


@pytest.mark.parametrize(
    ("taste", "calm", "sideways"), [("smooth", 1.0, -1.5), ("fast", 0.8, 1.2), ("drift", 0.2, 1.3)]
)
def test_each_taste_has_its_own_style(taste: str, calm: float, sideways: float) -> None:
    env = DriveEnv(taste=taste)
    none = dict.fromkeys(("lateral_acceleration", "lateral_jerk", "slip"), 0.0)
    assert env._reward({**none, "progress": 0.32, "edge_distance": 4.5}) == pytest.approx(calm)  # 8 m/s, in the middle
    wild = {"lateral_acceleration": 5.0, "lateral_jerk": 90.0, "slip": 0.7}  # at 12 m/s
    assert env._reward({**wild, "progress": 0.48, "edge_distance": 4.5}) == pytest.approx(sideways)


def test_an_unknown_taste_is_refused() -> None:
    with pytest.raises(EnvError, match="taste is 'sour'; choose smooth or fast or drift"):
        make_env("prefrl/Drive-v0", {"taste": "sour"})


def test_full_throttle_from_standing() -> None:
    env = DriveEnv()
    env.reset(seed=0)
    env.speed = 0.0
    obs, _, _, _, info = env.step(np.array([0, 7], dtype=np.float32))  # clipped to 1
    assert obs[3] == pytest.approx(0.2)  # the engine answers in a fifth of a second
    assert info["speed"] == pytest.approx(0.2 * 7 * 0.04)
    assert info["progress"] == pytest.approx(0.2 * 7 * 0.04 * 0.04 * np.cos(np.arcsin(obs[5])), rel=1e-3)


def test_a_lap_is_as_long_as_the_track() -> None:
    env = DriveEnv(taste="fast")
    obs, _ = env.reset(seed=3)
    start, travelled, lap = env.index, 0.0, None
    for _ in range(4000):
        wheel = 2.0 * obs[8] / 20 * 2.6 / 0.5 * 1.2 - 1.5 * obs[5] - 0.6 * obs[4]
        obs, _, _, _, info = env.step(np.array([wheel, 0.6 - obs[0]], dtype=np.float32))
        travelled += info["progress"]
        if travelled > 100 and env.index == start:
            lap = travelled
            break
    assert lap == pytest.approx(env.track.length * env.track.spacing, abs=2.5)


@given(st.integers(0, 1000), st.sampled_from([-1.0, 1.0]))
def test_no_way_leads_through_the_wall(seed: int, wheel: float) -> None:
    env = DriveEnv()
    env.reset(seed=seed)
    for _ in range(120):
        obs, reward, _, _, info = env.step(np.array([wheel, 1.0], dtype=np.float32))
        assert info["edge_distance"] >= -SHOULDER - 1e-9
        assert np.isfinite(obs).all()
        assert np.isfinite(reward)


def test_a_restored_car_goes_on_exactly() -> None:
    original, other = gym.make("prefrl/Drive-v0"), gym.make("prefrl/Drive-v0")
    original.reset(seed=2)
    original.action_space.seed(2)
    for _ in range(77):
        original.step(original.action_space.sample())
    state = snapshot(original)
    assert state.shape == (8 + 3 * TRAIL,)
    other.reset(seed=9)
    restore(other, state)
    state[:] = np.nan  # which belongs to nobody any more
    for _ in range(50):
        action = original.action_space.sample()
        expected, got = original.step(action), other.step(action)
        np.testing.assert_array_equal(got[0], expected[0])
        assert got[1:] == expected[1:]
    np.testing.assert_array_equal(snapshot(other), snapshot(original))


def test_a_restored_car_is_drawn_as_it_was() -> None:
    env = gym.make("prefrl/Drive-v0", render_mode="rgb_array")
    other = gym.make("prefrl/Drive-v0", render_mode="rgb_array")
    env.reset(seed=4)
    other.reset(seed=8)
    for _ in range(40):
        env.step(np.array([0.4, 1.0], dtype=np.float32))
    picture = env.render()
    assert picture.shape == (480, 480, 3)
    restore(other, snapshot(env))
    np.testing.assert_array_equal(other.render(), picture)


def test_the_track_is_closed_even_and_apart_from_itself() -> None:
    track = Track()
    steps = np.linalg.norm(np.roll(track.points, -1, axis=0) - track.points, axis=1)
    np.testing.assert_allclose(steps, 1, atol=0.02)
    between = np.linalg.norm(track.points[:, None] - track.points[None], axis=2)
    apart = np.abs(np.arange(track.length)[:, None] - np.arange(track.length)[None])
    apart = np.minimum(apart, track.length - apart)
    assert between[apart > 40].min() > 2 * (HALF_WIDTH + SHOULDER)
    assert np.abs(track.curvatures).max() < 1 / HALF_WIDTH


@given(st.integers(0, 400), st.floats(-0.4, 0.4), st.floats(-HALF_WIDTH, HALF_WIDTH))
def test_the_track_tells_where_a_car_is(index: int, along: float, left: float) -> None:
    track = Track()
    x, y, heading = track.at(index, left)
    x, y = x + along * np.cos(heading), y + along * np.sin(heading)
    found, beyond, beside, line = track.locate(x, y, near=index)
    assert abs(found - index) <= 2
    assert beside == pytest.approx(left, abs=0.35)
    assert line == track.headings[found]
    assert abs(beyond) <= 1.0
