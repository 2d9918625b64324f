"""EnvPool against Gymnasium. It is no part of what the tests install: pip install 'prefrl[envpool]'"""

import dataclasses
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from small import SMALL
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from prefrl.config.run import TrainConfig
from prefrl.environments.envpool import PoolVecEnv
from prefrl.environments.make import make_env, make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import EnvError, UsageError
from prefrl.evaluation.evaluate import evaluate
from prefrl.store.store import Store
from prefrl.training.loop import resume, train

STILL = {"reset_noise_scale": 0.0}


def pool(env_id: str, count: int = 3, **kwargs: float) -> PoolVecEnv:
    pytest.importorskip("envpool")
    return PoolVecEnv(make_env(env_id, kwargs), count, kwargs)


def follow(venv: VecEnv, actions: np.ndarray) -> list[tuple[object, ...]]:
    """What SB3 sees: observations, rewards, ends, and what is told of ends."""
    seen: list[tuple[object, ...]] = [(venv.reset(),)]
    for action in actions:
        obs, rewards, dones, infos = venv.step(action)
        ends = [
            (i, info["TimeLimit.truncated"], info["terminal_observation"]) for i, info in enumerate(infos) if dones[i]
        ]
        seen.append((obs, rewards, dones, ends))
    return seen


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [("Hopper-v5", STILL), ("Walker2d-v5", STILL), ("InvertedPendulum-v5", STILL), ("Swimmer-v5", STILL)],
)
def test_it_is_what_sb3_sees_of_gymnasiums_environment(env_id: str, kwargs: dict[str, float]) -> None:
    """From equal starts by equal actions, over many ends: an action for each step, none of them a dummy."""
    ours = pool(env_id, 3, **kwargs)
    theirs = DummyVecEnv([lambda: gym.make(env_id, **kwargs)] * 3)
    space = theirs.action_space
    space.seed(0)
    actions = np.array([[space.sample() for _ in range(3)] for _ in range(100)])
    for one, other in zip(follow(ours, actions), follow(theirs, actions), strict=True):
        for mine, wanted in zip(one[:3], other[:3], strict=True):
            np.testing.assert_allclose(mine, wanted, atol=1e-5)
        for (i, limit, last), (j, other_limit, other_last) in zip(
            *(x[3] if len(x) > 3 else [] for x in (one, other)), strict=True
        ):
            assert (i, limit) == (j, other_limit)
            np.testing.assert_allclose(last, other_last, atol=1e-5)


def test_a_time_limit_is_no_termination() -> None:
    venv = pool("Pendulum-v1", 2)
    venv.reset()
    for step in range(1, 201):
        obs, _, dones, infos = venv.step(np.zeros((2, 1), np.float32))
        assert dones.all() == (step == 200)
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]
    assert not np.allclose(infos[0]["terminal_observation"], obs[0])


def test_what_is_recorded_are_whole_episodes_without_a_dummy_step() -> None:
    recorder = RecordingVecEnv(pool("Hopper-v5", 4))
    recorder.reset()
    rng = np.random.default_rng(0)
    for _ in range(150):
        recorder.step(rng.uniform(-1, 1, (4, 3)))
    episodes = recorder.drain()
    assert sum(len(e.actions) for e in episodes) == 600
    ended = [e for e in episodes if e.terminated]
    assert len(ended) > 10
    for e in ended:
        # Unhealthy is what ends an episode of Hopper: leaning, or lying. Every other state is healthy.
        healthy = (e.obs["obs"][:, 0] > 0.7) & (np.abs(e.obs["obs"][:, 1]) < 0.2)
        assert healthy[:-1].all()
        assert not healthy[-1]
        assert np.abs(e.obs["obs"][0, 1:]).max() < 0.006  # how far a reset strays


def test_the_seed_decides() -> None:
    venv = pool("Hopper-v5", 2)
    starts = []
    for seed in (1, 1, 2):
        venv.seed(seed)
        starts.append(venv.reset())
    np.testing.assert_array_equal(starts[0], starts[1])
    assert not np.allclose(starts[0], starts[2])
    assert not np.allclose(starts[0][0], starts[0][1])


def test_a_run_learns_resumes_exactly_and_is_evaluated_in_gymnasiums_environment(tmp_path: Path) -> None:
    pytest.importorskip("envpool")
    config = dataclasses.replace(SMALL, env_id="CartPole-v1", vec="envpool", steps=1600, segment_length=5)
    one, other = train(config, tmp_path / "one"), train(config, tmp_path / "other")
    last = [run.latest_checkpoint() for run in (one, other)]
    assert last[0] is not None
    assert last[1] is not None
    assert last[0].hashes == last[1].hashes
    shutil.rmtree(last[0].path)
    resume(one.path)
    again = one.latest_checkpoint()
    assert again is not None
    assert again.hashes == last[1].hashes
    with Store(one.store_url) as store:
        assert store.num_answers() == 20
    assert evaluate(one.path, episodes=3).true_return.mean > 5


def test_what_it_does_not_have_is_named() -> None:
    pytest.importorskip("envpool")
    with pytest.raises(EnvError, match=r"EnvPool cannot make MoveRight-v0.*leave --vec envpool out"):
        make_venv(TrainConfig("MoveRight-v0", vec="envpool"), 1)


@pytest.mark.parametrize("change", [{"teacher": "human"}, {"record_frames": True}])
def test_nobody_is_asked_about_clips_that_cannot_be_drawn(change: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--vec envpool gives no simulator states"):
        TrainConfig("Hopper-v5", vec="envpool", **change)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "envpool", None)
    with pytest.raises(UsageError, match=r"pip install 'prefrl\[envpool\]'"):
        make_venv(TrainConfig("CartPole-v1", vec="envpool"), 1)
