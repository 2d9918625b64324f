import os
from pathlib import Path

import gymnasium as gym
import minari
import numpy as np
import pytest
from builders import make_segment
from stores import named_segment

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
