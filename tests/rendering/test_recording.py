import dataclasses
import itertools
import tracemalloc
from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import pytest
import toy_envs
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from prefrl.config.algorithms import PPOConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode, cut
from prefrl.data.info_keys import JPEG_FRAME, SIM_STATE
from prefrl.data.segment import Film, Segment
from prefrl.environments.guarded import Guarded
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import EnvError, StoreError, UsageError
from prefrl.evaluation.evaluate import evaluate
from prefrl.rendering import recording as film
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import RecordFrames, Reel, compress, decompress, show
from prefrl.rendering.simulator_state import RecordSimState, restore
from prefrl.store.store import Store
from prefrl.training import feedback_round
from prefrl.training.loop import train
from prefrl.training.plan import Plan

SMALL = TrainConfig(
    "Windy-v0",
    record_frames=True,
    steps=800,
    labels=12,
    segment_length=10,
    rounds=2,
    explore_steps=80,
    ppo=PPOConfig(n_envs=4, n_steps=20, batch_size=40, n_epochs=2, hidden=(8,)),
    reward_model=RewardConfig(members=2, hidden=(8,), max_epochs=3),
)


def seen_at(frames: np.ndarray) -> np.ndarray:
    """The places x that Windy drew, from its pictures (T, H, W, 3), however large."""
    brightness = frames.astype(float).mean(axis=(1, 3))  # (T, W)
    brightness[brightness < 40] = 0.0
    columns = (brightness * (np.arange(frames.shape[2]) + 0.5)).sum(1) / brightness.sum(1)
    return (columns / frames.shape[2] * 600 - 300) / 250


def is_as_observed(frames: np.ndarray, segment: Segment) -> bool:
    """Whether the clip shows what was observed; after the end, the last place."""
    assert frames.shape == (len(segment) + 1, 128, 256, 3)
    last = int(segment.absorbing.argmax()) if segment.absorbing.any() else len(segment)
    held = all(np.array_equal(frame, frames[last]) for frame in frames[last:])
    return held and np.allclose(seen_at(frames)[: last + 1], segment.obs["obs"][: last + 1, 0], atol=0.02)


def record(wrap: object, **kwargs: object) -> list[Segment]:
    venv = RecordingVecEnv(DummyVecEnv([lambda: wrap(toy_envs.Windy(render_mode="rgb_array", **kwargs))] * 2))
    venv.seed(3)
    venv.reset()
    for _ in range(25):
        venv.step(np.full((2, 1), 0.5, np.float32))
    return cut(venv.drain(), 10)


def test_a_picture_survives_but_for_what_jpeg_takes() -> None:
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()[:256, 150:400]
    jpeg = compress(frame)
    assert jpeg[:2] == b"\xff\xd8"
    assert len(jpeg) < frame.nbytes / 30
    assert decompress(jpeg).shape == frame.shape
    assert np.abs(decompress(jpeg).astype(int) - frame).mean() < 2


@pytest.mark.parametrize(
    ("size", "kept"), [((400, 600), (171, 256)), ((600, 400), (256, 171)), ((210, 160), (210, 160)), ((1, 9), (1, 9))]
)
def test_large_pictures_are_scaled_down(size: tuple[int, int], kept: tuple[int, int]) -> None:
    assert decompress(compress(np.zeros((*size, 3), np.uint8))).shape == (*kept, 3)


def test_what_is_no_picture_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = compress(np.zeros((300, 300, 3), np.uint8))
    png = iio.imwrite("<bytes>", np.zeros((8, 8, 3), np.uint8), extension=".png")
    for bad in (b"", b"\xff\xd8", good[: len(good) // 2], png, b"\x80\x04N."):
        with pytest.raises(StoreError, match="a recorded picture cannot be read"):
            decompress(bad)
    monkeypatch.setattr(film, "LONGER_SIDE", 100)
    with pytest.raises(StoreError, match="256 x 256"):
        decompress(good)


def test_a_repeated_picture_is_unpacked_once() -> None:
    a, b = (compress(np.full((8, 8, 3), grey, np.uint8)) for grey in (10, 200))
    frames = list(show(Film((a, a, b, a), 30.0)))
    assert [x is y for x, y in itertools.pairwise(frames)] == [True, False, False]
    np.testing.assert_array_equal(frames[0], frames[3])


def test_a_replay_of_hidden_randomness_is_refused_and_recording_is_offered() -> None:
    with Renderer("Windy-v0") as renderer:
        for segment in record(RecordSimState):
            with pytest.raises(EnvError, match=r"differs from the recording .*or record frames: --record-frames$"):
                renderer.frames(segment)


@pytest.mark.parametrize("steps", [0, 13, 1])
def test_recorded_clips_show_what_was_observed(steps: int) -> None:
    segments = record(lambda env: RecordFrames(env, {}), steps=steps)
    assert len(segments) >= 4
    with Renderer("Windy-v0") as renderer:
        for segment in segments:
            assert is_as_observed(renderer.frames(segment), segment)
            assert segment.film.fps == 5.0
            assert (segment.sim_states, segment.reset_seed, segment.replay_actions) == (None, None, None)


def test_pictures_cross_processes() -> None:
    makers = [lambda: RecordFrames(toy_envs.Windy(render_mode="rgb_array"), {})] * 2
    venv = RecordingVecEnv(SubprocVecEnv(makers, start_method="fork"))
    venv.reset()
    for _ in range(10):
        venv.step(np.zeros((2, 1), np.float32))
    segments = cut(venv.drain(), 10)
    venv.close()
    with Renderer("Windy-v0") as renderer:
        assert [is_as_observed(renderer.frames(s), s) for s in segments] == [True, True]


def test_mujoco_is_drawn_as_clips_are_in_several_environments_by_turns() -> None:
    """Not quite the same: after a step, the bodies that are drawn lag one integrator step behind the state."""
    venv = make_venv(TrainConfig("Hopper-v5", record_frames=True), n_envs=2)
    states = DummyVecEnv([lambda: RecordSimState(gym.make("Hopper-v5"))] * 2)
    for each in (venv, states):
        each.seed(5)
        each.reset()
    with Renderer("Hopper-v5", size=256) as renderer:
        for _ in range(4):
            taken, known = (e.step(np.full((2, 3), 0.3, np.float32))[3] for e in (venv, states))
            pictures = [decompress(info[JPEG_FRAME]).astype(int) for info in taken]
            for picture, info in zip(pictures, known, strict=True):
                restore(renderer._env, info[SIM_STATE])
                assert np.abs(picture - renderer._draw()).mean() < 4
            assert (pictures[0] != pictures[1]).any()
    venv.close()


@pytest.mark.parametrize("fault", ["float", "nan", "grey", "alpha"])
def test_pictures_that_can_be_converted_are(fault: str) -> None:
    env = RecordFrames(toy_envs.Flickers(fault, good=0, render_mode="rgb_array"), {})
    pixel = {"float": 128, "nan": 0, "grey": 7, "alpha": 9}[fault]
    np.testing.assert_allclose(decompress(env.reset()[1][JPEG_FRAME]), np.full((8, 8, 3), pixel), atol=1)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("none", "Flickers-v0 draws nothing"),
        ("size", r"Flickers-v0 draws \(9, 8, 3\) after \(8, 8, 3\)"),
        ("empty", r"Flickers-v0 draws uint8\(0, 8, 3\)"),
        ("raises", r"Flickers-v0: render\(\) raised ZeroDivisionError: the lens; mend it there"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:gymnasium")
def test_a_camera_that_fails_ends_the_run_in_one_line(fault: str, said: str, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, env_id="Flickers-v0", env_kwargs={"fault": fault})
    with pytest.raises(EnvError, match=said) as caught:
        train(config, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("env_id", ["Flickers-v0", "OneStep-v0"])
@pytest.mark.filterwarnings("ignore:.*:UserWarning:gymnasium")
def test_an_environment_that_cannot_draw_is_refused_and_nothing_is_made(env_id: str, tmp_path: Path) -> None:
    kwargs = {"fault": "none", "good": 0} if env_id == "Flickers-v0" else {}
    with pytest.raises(EnvError):
        train(dataclasses.replace(SMALL, env_id=env_id, env_kwargs=kwargs), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_keeps_the_pictures_of_its_questions_alone(tmp_path: Path) -> None:
    run = train(dataclasses.replace(SMALL, env_kwargs={"steps": 17}), tmp_path / "run")
    with Store(run.store_url) as store, Renderer("Windy-v0", {"steps": 17}) as renderer:
        questions = [store.question(answer.question.id) for answer in store.answers()]
        assert len(questions) == 12
        sides = [side for question in questions for side in question.segments]
        assert any(side.absorbing.any() for side in sides)
        assert all(is_as_observed(renderer.frames(side), side) for side in sides)
    size = (run.path / "preferences.sqlite").stat().st_size
    assert size < 200_000 + sum(len(jpeg) for side in sides for jpeg in side.film.jpegs)
    evaluate(run.path, episodes=2, video=tmp_path / "clip.mp4")
    assert iio.imread(tmp_path / "clip.mp4", plugin="pyav").shape == (18, 128, 256, 3)


def test_memory_holds_the_latest_pictures() -> None:
    reel = Reel(max_bytes=10)
    shots = [reel.keep(bytes([65 + i]) * 3) for i in range(5)]
    assert [shot.jpeg for shot in shots] == [None, None, b"CCC", b"DDD", b"EEE"]
    assert reel.keep(None) is None
    assert reel.keep(b"F" * 11).jpeg is None  # larger than all the room there is
    assert [shot.jpeg for shot in shots] == [None] * 5


def test_the_memory_of_a_recording_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_BYTES", 500_000)
    noise = np.random.default_rng(0).bytes

    class Noise(toy_envs.OneStep):
        def step(self, action: np.ndarray):
            *rest, info = super().step(action)
            return *rest, {**info, JPEG_FRAME: noise(10_000)}

    venv = RecordingVecEnv(DummyVecEnv([Noise]))
    venv.reset()
    tracemalloc.start()
    for _ in range(2000):
        venv.step(np.zeros((1, 1), np.float32))
    assert tracemalloc.get_traced_memory()[0] < 4_000_000  # 20 MB were drawn
    tracemalloc.stop()
    kept = [jpeg for episode in venv.drain() for jpeg in episode.jpegs or () if jpeg is not None]
    assert len(kept) == 50


def test_questions_are_asked_about_what_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_BYTES", 40_000)
    asked = []
    monkeypatch.setattr(feedback_round, "select", lambda *args: asked.append(args[1]) or [])
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        learner = type("Learner", (), {"config": SMALL, "num_timesteps": 0})()
        segments = cut(record_some(), 10)
        feedback_round.ask(learner, store, Plan(SMALL), 0, segments, [])
    assert 0 < len(asked[0]) < len(segments)
    assert all(s.film is not None for s in asked[0])


def record_some() -> list[Episode]:
    venv = RecordingVecEnv(make_venv(SMALL, n_envs=2))
    venv.reset()
    for _ in range(60):
        venv.step(np.zeros((2, 1), np.float32))
    return venv.drain()


def test_recording_leaves_the_environment_as_it_is() -> None:
    plain, filmed = Guarded(gym.make("CartPole-v1")), make_venv(TrainConfig("CartPole-v1", record_frames=True), 1)
    filmed.seed(4)
    np.testing.assert_array_equal(filmed.reset()[0], plain.reset(seed=4)[0])
    for action in (0, 1, 1, 0):
        np.testing.assert_array_equal(filmed.step(np.array([action]))[0][0], plain.step(action)[0])


def test_too_little_memory_for_one_clip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "MAX_BYTES", 500)
    with pytest.raises(UsageError, match="pictures of no whole clip; lower"):
        train(SMALL, tmp_path / "run")
