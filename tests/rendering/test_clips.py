import itertools
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import mujoco
import numpy as np
import pytest

from prefrl.data.info_keys import SIM_STATE
from prefrl.data.segment import Segment
from prefrl.errors import EnvError
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.rendering.simulator_state import RecordSimState, set_up_mujoco

set_up_mujoco()
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning")  # SWIG in Box2D


def segment_of(states: np.ndarray) -> Segment:
    steps = len(states) - 1
    return Segment(
        obs={"obs": np.zeros((steps + 1, 1), np.float32)},
        actions=np.zeros((steps, 1), np.float32),
        absorbing=np.zeros(steps + 1, bool),
        true_rewards=np.zeros(steps, np.float32),
        sim_states=states,
    )


def record(env: gym.Env, steps: int) -> np.ndarray:
    """States (steps + 1, state_dim) of one episode under random actions."""
    env = RecordSimState(env)
    states = [env.reset(seed=2)[1][SIM_STATE]]
    env.action_space.seed(2)
    for _ in range(steps):
        states.append(env.step(env.action_space.sample())[4][SIM_STATE])
    return np.stack(states)


def pictures_of_mujoco_itself(env_id: str, steps: int) -> np.ndarray:
    """The frames that Gymnasium draws while the episode of `record` happens, under the scene settings of clips."""
    env = gym.make(env_id, render_mode="rgb_array", width=128, height=128, camera_name="track")
    model, data, renderer = env.unwrapped.model, env.unwrapped.data, env.unwrapped.mujoco_renderer
    model.vis.quality.offsamples = 0
    env.reset(seed=2)
    env.render()
    renderer.viewer.scn.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
    renderer.viewer.scn.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    env.action_space.seed(2)
    frames = [env.render()]
    for _ in range(steps):
        env.step(env.action_space.sample())
        mujoco.mj_forward(model, data)  # positions lag one integrator step behind the state
        frames.append(env.render())
    renderer.viewer.con.free()
    env.close()
    return np.stack(frames)


@pytest.mark.parametrize("env_id", ["Hopper-v5", "HalfCheetah-v5"])
def test_restored_mujoco_frames_equal_the_environments_own(env_id: str) -> None:
    expected = pictures_of_mujoco_itself(env_id, 5)
    with Renderer(env_id, size=128) as renderer:
        frames = renderer.frames(segment_of(record(gym.make(env_id), 5)))
    assert frames.shape == (6, 128, 128, 3)
    assert frames.dtype == np.uint8
    assert len({frame.tobytes() for frame in frames}) == 6
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "MountainCar-v0", "Acrobot-v1"])
def test_restored_classic_frames_equal_the_environments_own(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=2)
    env.action_space.seed(2)
    expected = [env.render()]
    for _ in range(5):
        env.step(env.action_space.sample())
        expected.append(env.render())
    with Renderer(env_id) as renderer:
        frames = renderer.frames(segment_of(record(gym.make(env_id), 5)))
    np.testing.assert_array_equal(frames, np.stack(expected))


def test_frames_do_not_depend_on_what_was_drawn_before() -> None:
    states = record(gym.make("Ant-v5"), 4)
    with Renderer("Ant-v5", size=64) as renderer:
        frames = renderer.frames(segment_of(states))
        np.testing.assert_array_equal(renderer.frames(segment_of(states[::-1])), frames[::-1])
    with Renderer("Ant-v5", size=64) as another:
        np.testing.assert_array_equal(another.frames(segment_of(states[2:])), frames[2:])


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Hopper-v5", "Ant-v5", "Swimmer-v5"])
def test_the_camera_follows_the_agent(env_id: str) -> None:
    states = record(gym.make(env_id), 1)
    states[1] = states[0]
    states[1, 1] += 40.0  # metres along x
    with Renderer(env_id, size=128) as renderer:
        frames = renderer.frames(segment_of(states)).astype(int)
    orange = ((frames[..., 0] - frames[..., 2]) > 40).sum(axis=(1, 2))
    assert orange[1] == pytest.approx(orange[0], rel=0.1)
    assert orange[0] > 100


def test_a_camera_that_was_asked_for_is_kept() -> None:
    segment = segment_of(record(gym.make("HalfCheetah-v5"), 1))
    pictures = []
    for env_kwargs in ({}, {"camera_id": -1}, {"camera_id": -1}):
        with Renderer("HalfCheetah-v5", env_kwargs, size=64) as renderer:
            pictures.append(renderer.frames(segment))
    following, free, again = pictures
    assert not np.array_equal(following, free)
    np.testing.assert_array_equal(free, again)


def test_renderers_do_not_disturb_each_other() -> None:
    hopper, cheetah = record(gym.make("Hopper-v5"), 2), record(gym.make("HalfCheetah-v5"), 2)
    with Renderer("Hopper-v5", size=64) as renderer:
        alone = renderer.frames(segment_of(hopper))
        second = Renderer("HalfCheetah-v5", size=64)
        other = second.frames(segment_of(cheetah))
        np.testing.assert_array_equal(renderer.frames(segment_of(hopper)), alone)
        second.close()
        del second  # its drawing context must not take this one's along
        np.testing.assert_array_equal(renderer.frames(segment_of(hopper)), alone)
    renderer = Renderer("HalfCheetah-v5", size=64)
    np.testing.assert_array_equal(renderer.frames(segment_of(cheetah)), other)
    renderer.close()
    renderer.close()


def test_repeated_states_are_drawn_once() -> None:
    states = record(gym.make("Pendulum-v1"), 2)  # the first holds a NaN: no torque yet
    with Renderer("Pendulum-v1") as renderer:
        frames = list(renderer.iter_frames(segment_of(states[[0, 0, 1, 2, 2, 2]])))
    assert len(frames) == 6
    assert [a is b for a, b in itertools.pairwise(frames)] == [True, False, False, True, True]


def test_fps_is_real_time() -> None:
    with Renderer("Hopper-v5", size=16) as hopper, Renderer("LunarLander-v3") as lander:
        assert (hopper.fps, lander.fps) == (125.0, 50.0)


def test_a_segment_needs_something_to_be_drawn_from() -> None:
    bare = Segment(
        {"obs": np.zeros((2, 8), np.float32)}, np.zeros((1, 4), np.float32), np.zeros(2, bool), np.zeros(1, np.float32)
    )
    with Renderer("LunarLander-v3") as renderer, pytest.raises(EnvError, match="RecordSimState"):
        renderer.frames(bare)


def lander_segment(start: int, length: int, **changes: object) -> Segment:
    """Of the episode from seed 7 that fires the left engine until it crashes; recorded without rendering."""
    env = gym.make("LunarLander-v3")
    obs = [env.reset(seed=7)[0]]
    terminated = False
    while not terminated:
        step = env.step(1)
        obs.append(step[0])
        terminated = step[2]
    alive = len(obs) - 1  # the last observation is the terminal one, so absorbing
    end = start + length
    absorbing = np.arange(start, end + 1) >= alive
    rows = [np.zeros(8, np.float32) if t >= alive else obs[t] for t in range(start, end + 1)]
    actions = np.zeros((end, 4), np.float32)
    actions[:alive, 1] = 1
    fields = {
        "obs": {"obs": np.stack(rows).astype(np.float32)},
        "actions": actions[start:],
        "absorbing": absorbing,
        "true_rewards": np.zeros(length, np.float32),
        "reset_seed": 7,
        "replay_actions": actions[:start],
        "start": start,
    }
    return Segment(**{**fields, **changes})


@pytest.fixture(scope="module")
def lander_frames() -> np.ndarray:
    """What LunarLander draws itself in the episode of `lander_segment`."""
    env = gym.make("LunarLander-v3", render_mode="rgb_array")
    env.reset(seed=7)
    frames, terminated = [env.render()], False
    while not terminated:
        terminated = env.step(1)[2]
        frames.append(env.render())
    return np.stack(frames)


def test_replayed_frames_equal_the_environments_own(lander_frames: np.ndarray) -> None:
    with Renderer("LunarLander-v3") as renderer:
        np.testing.assert_array_equal(renderer.frames(lander_segment(10, 5)), lander_frames[10:16])
        no_start = lander_segment(0, 3, replay_actions=None)
        np.testing.assert_array_equal(renderer.frames(no_start), lander_frames[:4])


def test_replay_holds_the_last_frame_after_a_termination(lander_frames: np.ndarray) -> None:
    last = len(lander_frames) - 1
    with Renderer("LunarLander-v3") as renderer:
        frames = renderer.frames(lander_segment(last - 2, 5))
        np.testing.assert_array_equal(frames[:3], lander_frames[-3:])
        np.testing.assert_array_equal(frames[3:], np.stack([lander_frames[-1]] * 3))
        dead = renderer.frames(lander_segment(last + 2, 2))
        np.testing.assert_array_equal(dead, np.stack([lander_frames[-1]] * 3))


def test_a_replay_that_differs_is_refused() -> None:
    good = lander_segment(10, 5)
    obs = good.obs["obs"].copy()
    obs[3, 0] += 0.01
    right = np.zeros((10, 4), np.float32)
    right[:, 3] = 1
    wrong = {
        "step 13": {"obs": {"obs": obs}},
        "at step 10; ": {"obs": {"obs": obs[:, :7]}},
        "differs from the recording at step 10": {"obs": {"other": good.obs["obs"]}},
        "step 10": {"reset_seed": 8},
        "at step 10;": {"replay_actions": right},
        "step 12": {"absorbing": np.arange(6) >= 2},
    }
    with Renderer("LunarLander-v3") as renderer:
        for where, changes in wrong.items():
            with pytest.raises(EnvError, match=where) as caught:
                renderer.frames(lander_segment(10, 5, **changes))
            assert "\n" not in str(caught.value)


class Picture(gym.Env):
    """Draws whatever it was made with; takes actions 5 to 7, and observes the last one."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 9, (1,), np.float64)
    action_space = gym.spaces.Discrete(3, start=5)

    def __init__(self, picture: np.ndarray | None, render_mode: str | None = None) -> None:
        self.picture, self.render_mode = picture, render_mode

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.zeros(1), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.array([float(action)]), 0.0, False, False, {}

    def render(self) -> np.ndarray | None:
        return self.picture


gym.register("Picture-v0", Picture)


def picture_frames(picture: object) -> np.ndarray:
    segment = Segment(
        obs={"obs": np.array([[0], [7]], np.float32)},
        actions=np.array([[0, 0, 1]], np.float32),
        absorbing=np.zeros(2, bool),
        true_rewards=np.zeros(1, np.float32),
        reset_seed=0,
    )
    with Renderer("Picture-v0", {"picture": picture}) as renderer:
        return renderer.frames(segment)


@pytest.mark.parametrize(
    ("picture", "pixel"),
    [
        (np.full((3, 5, 3), 200, np.uint8), (200, 200, 200)),
        (np.full((3, 5, 4), (10, 20, 30, 255), np.uint8), (10, 20, 30)),
        (np.full((3, 5), 9, np.uint8), (9, 9, 9)),
        (np.full((3, 5, 1), 300, np.int64), (255, 255, 255)),
        (np.full((3, 5, 3), (0.0, 0.5, 1.0)), (0, 128, 255)),
        (np.full((3, 5, 3), (0.0, 99.6, 300.0)), (0, 100, 255)),
    ],
)
def test_pictures_become_rgb(picture: np.ndarray, pixel: tuple[int, int, int]) -> None:
    frames = picture_frames(picture)
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, np.broadcast_to(np.array(pixel), (2, 3, 5, 3)))


@pytest.mark.parametrize(
    ("picture", "what"), [(None, "nothing"), (np.zeros((3, 5, 2)), r"float64\(3, 5, 2\)"), ("text", "<U4")]
)
def test_what_is_no_picture_is_refused(picture: object, what: str) -> None:
    with pytest.raises(EnvError, match=f"Picture-v0 draws {what}"):
        picture_frames(picture)


def test_an_unknown_environment_is_one_line() -> None:
    with pytest.raises(EnvError, match="there is no environment NoSuchEnv-v0") as caught:
        Renderer("NoSuchEnv-v0")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is for Linux")
@pytest.mark.parametrize(
    "broken", [{"__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent", "MUJOCO_GL": "egl"}, {"LD_LIBRARY_PATH": "."}]
)
def test_missing_opengl_names_the_packages(tmp_path: Path, broken: dict[str, str]) -> None:
    (tmp_path / "libEGL.so.1").write_bytes(b"broken")
    code = """
from prefrl.rendering.clips import Renderer
from prefrl.errors import EnvError
try:
    Renderer("Hopper-v5")
except EnvError as error:
    print(error)
"""
    kept = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY")}
    env = {**kept, "PYTHONPATH": os.getcwd(), **broken}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "cannot draw Hopper-v5 with MUJOCO_GL" in done.stdout
    assert "apt-get install libegl1 libgl1-mesa-dri" in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def stripes(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames (count, height, width, 3), each of another grey."""
    greys = np.linspace(20, 220, count).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (count, height, width, 3))


def test_a_clip_holds_every_frame(tmp_path: Path) -> None:
    frames = stripes(51)
    write_mp4(tmp_path / "new" / "clip.mp4", (frame for frame in frames), fps=125.0)
    read = iio.imread(tmp_path / "new" / "clip.mp4", plugin="pyav")
    assert read.shape == frames.shape
    np.testing.assert_allclose(read, frames, atol=4)
    meta = iio.immeta(tmp_path / "new" / "clip.mp4", plugin="pyav")
    assert (meta["codec"], meta["fps"], meta["video_format"]) == ("h264", 125.0, "yuv420p")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["clip.mp4"]


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    write_mp4(tmp_path / "clip.mp4", stripes(1, height=47, width=63), fps=29.97)
    assert iio.imread(tmp_path / "clip.mp4", plugin="pyav").shape == (1, 48, 64, 3)


def test_a_clip_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_mp4(clip, stripes(3), fps=10)
    before = clip.read_bytes()

    def interrupted():
        yield from stripes(2)
        raise EnvError("the replay differs")

    with pytest.raises(EnvError, match="replay differs"):
        write_mp4(clip, interrupted(), fps=10)
    with pytest.raises(ValueError, match="at least one frame"):
        write_mp4(clip, [], fps=10)
    assert clip.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.fault
def test_a_full_disk_is_one_line_and_leaves_no_remains(tmp_path: Path) -> None:
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from prefrl.rendering.clips import write_mp4
from prefrl.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 255, (40, 128, 128, 3), dtype=np.uint8)
try:
    write_mp4(Path("clip.mp4"), noise, fps=10)
except StorageError as error:
    print(error)
"""
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "cannot write the clip clip.mp4" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
