import os
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
import pytest
from builders import make_segment
from gymnasium.envs.classic_control import CartPoleEnv
from stores import named_segment

from prefrl.cli.main import main
from prefrl.data.segment import Segment
from prefrl.errors import EnvError, UsageError
from prefrl.feedback.question import Question
from prefrl.runs.run_dir import sqlite_url
from prefrl.store.export import export
from prefrl.store.store import Store, StoreInfo


def segment(rng: np.random.Generator, actions: np.ndarray, absorbing_from: int | None = None) -> Segment:
    made = make_segment(rng, len(actions), 4, actions.shape[1], absorbing_from)
    return Segment(made.obs, actions.astype(np.float32), made.absorbing, made.true_rewards)


def written(path: Path, env_id: str, left: Segment, right: Segment) -> Path:
    file = path / "preferences.sqlite"
    with Store(sqlite_url(file)) as store:
        store.describe(StoreInfo(env_id, {}, left.spaces, {}, goal="balance"))
        store.add_questions([Question((left, right))])
    return file


def test_minari_loads_the_segments_as_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    whole = segment(rng, np.eye(2)[[0, 1, 1]])
    ends = segment(rng, np.eye(2)[[1, 0]].repeat([2, 1], 0) * [[1], [1], [0]], absorbing_from=2)
    folder = tmp_path / "out"
    export(written(tmp_path, "CartPole-v1", whole, ends), "minari", folder)
    assert "MINARI_DATASETS_PATH" not in os.environ
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    data = minari.load_dataset("cartpole-v1/segments-v0")
    first, second = data.iterate_episodes()
    np.testing.assert_array_equal(first.observations, whole.obs["obs"])
    np.testing.assert_array_equal(first.rewards, whole.true_rewards)
    assert first.actions.tolist() == [0, 1, 1]
    assert (first.terminations.tolist(), first.truncations.tolist()) == ([False] * 3, [False, False, True])
    assert (second.terminations.tolist(), second.truncations.tolist()) == ([False, True], [False, False])
    np.testing.assert_array_equal(second.observations, ends.obs["obs"][:3])
    assert second.infos["segment"].tolist() == [2, 2, 2]
    assert data.spec.action_space == gym.spaces.Discrete(2)
    env = data.recover_environment()
    assert env.spec is not None
    assert env.spec.id == "CartPole-v1"


def test_without_segments_or_environment_it_says_so(tmp_path: Path) -> None:
    with Store(sqlite_url(tmp_path / "empty.sqlite")):
        pass
    with pytest.raises(UsageError, match="no segments"):
        export(tmp_path / "empty.sqlite", "minari", tmp_path / "out")
    rng = np.random.default_rng(0)
    file = written(tmp_path, "Nowhere-v0", segment(rng, np.eye(2)), segment(rng, np.eye(2)))
    with pytest.raises(EnvError, match="Nowhere-v0"):
        export(file, "minari", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_named_observations_keep_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    made = [named_segment(rng), named_segment(rng, absorbing_from=3)]
    export(written(tmp_path, "CartPole-v1", made[0], made[1]), "minari", tmp_path / "out")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "out"))
    data = minari.load_dataset("cartpole-v1/segments-v0")
    first, second = data.iterate_episodes()
    assert data.spec.observation_space["image"] == gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    for name, array in made[0].obs.items():
        np.testing.assert_array_equal(first.observations[name], array)
        assert len(second.observations[name]) == 4


@pytest.mark.parametrize("output", [None, Path("out"), Path("deep/er/out")])
def test_the_folder_may_be_named_from_where_one_is(
    output: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    file = written(tmp_path, "CartPole-v1", segment(rng, np.eye(2)), segment(rng, np.eye(2)))
    monkeypatch.chdir(tmp_path)
    assert main(["export", file.name, "--format", "minari", *(["-o", str(output)] if output else [])]) == 0
    made = output or Path("preferences.sqlite-minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(made.resolve()))
    assert minari.load_dataset("cartpole-v1/segments-v0").total_episodes == 2


class Unrecorded(gym.Wrapper):  # type: ignore[type-arg]
    """A wrapper that does not tell its arguments."""

    def __init__(self, env: gym.Env, by: float = 1.0) -> None:  # type: ignore[type-arg]
        super().__init__(env)


def wrapped(**kwargs: object) -> gym.Env:  # type: ignore[type-arg]
    return Unrecorded(gym.make("CartPole-v1").unwrapped, 2.0)


ENTRIES = {
    "Class": CartPoleEnv,
    "Function": wrapped,
    "Lambda": lambda **_: CartPoleEnv(),
    "Named": f"{__name__}:wrapped",
}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_cannot_be_written_down_is_left_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    gym.register(f"{name}-v0", ENTRIES[name], max_episode_steps=30)
    try:
        file = written(tmp_path, f"{name}-v0", segment(rng, np.eye(2)), segment(rng, np.eye(2)))
        export(file, "minari", tmp_path / "out")
    finally:
        del gym.registry[f"{name}-v0"]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "out"))
    data = minari.load_dataset(f"{name.lower()}-v0/segments-v0")
    first, _ = data.iterate_episodes()
    assert first.actions.tolist() == [0, 1]
    assert data.spec.action_space == gym.spaces.Discrete(2)
    assert data.spec.observation_space.shape == (4,)
    assert data.spec.env_spec is None
