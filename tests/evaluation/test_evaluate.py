import dataclasses
import hashlib
import json
import math
import sys
from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SMALL

from prefrl.data.episode import Episode
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import CheckpointError, UsageError
from prefrl.evaluation.evaluate import Evaluation, are_alike, evaluate, success, summary
from prefrl.evaluation.tables import table
from prefrl.rewards.ensemble import RewardEnsemble
from prefrl.runs.run_dir import Checkpoint, RunDir
from prefrl.training.learner import Learner
from prefrl.training.loop import train
from prefrl.training.play import load, play


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return train(SMALL, tmp_path_factory.mktemp("evaluate") / "run")


def checkpoint_of(run: RunDir) -> Checkpoint:
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    return checkpoint


def test_fewer_than_two_clips_are_not_called_alike(run: RunDir) -> None:
    config = run.config
    episodes = play(config, checkpoint_of(run), np.linspace(0.0, 1.0, 4), 3)
    assert not are_alike([], episodes, config.segment_length)
    assert not are_alike(episodes, [], config.segment_length)


def test_json_keeps_the_contract_and_adds_to_it(run: RunDir) -> None:
    found = evaluate(run.path, episodes=3, seed=5).to_json()
    assert list(found)[:9] == [
        "env_id", "run_dir", "num_timesteps", "num_preferences", "episodes", "seed", "true_return", "episode_length",
        "reward_model",
    ]  # fmt: skip
    assert found["true_return"].keys() == {"mean", "std", "iqm", "ci95"}
    assert found["episode_length"].keys() == {"mean", "std", "ci95"}
    figures = {
        "preference_accuracy", "expected_calibration_error", "spearman_step", "spearman_segment", "brier_score",
        "pearson_step", "pearson_segment", "epic_distance", "ensemble_spread",
    }  # fmt: skip
    for model in (found["reward_model"], found["reward_model_broad"]):
        assert model.keys() == figures | {"epic_fit", "segments", "ci95"}
        assert model["ci95"].keys() == figures
    assert found["held_out_answers"].keys() == {
        "preference_accuracy", "brier_score", "expected_calibration_error", "answers", "ci95"
    }  # fmt: skip
    assert found["success"] is None
    low, high = found["true_return"]["ci95"]
    assert low <= found["true_return"]["mean"] <= high
    assert (found["env_id"], found["run_dir"], found["episodes"], found["seed"]) == (
        "MoveRight-v0", str(run.path), 3, 5
    )  # fmt: skip
    assert (found["num_timesteps"], found["num_preferences"]) == (checkpoint_of(run).num_timesteps, 20)
    assert found["episode_length"] == {"mean": 20.0, "std": 0.0, "ci95": [20.0, 20.0]}
    json.dumps(found, allow_nan=False)


def test_figures_that_do_not_exist_are_null(run: RunDir) -> None:
    """One segment makes no pair."""
    result = evaluate(run.path, episodes=1)
    assert result.reward_model is not None
    none = dataclasses.replace(result, reward_model=dataclasses.replace(result.reward_model, spearman_step=math.nan))
    assert none.to_json()["reward_model"]["spearman_step"] is None


def test_returns_are_those_of_the_policys_mode_in_the_untouched_environment(run: RunDir) -> None:
    algorithm = load(SMALL, checkpoint_of(run), RecordingVecEnv(Learner(SMALL).recorder.venv))
    returns = []
    for seed in (5, 6, 7):
        env, over, total = gym.make("MoveRight-v0"), False, 0.0
        obs, _ = env.reset(seed=seed)
        while not over:
            obs, reward, terminated, truncated, _ = env.step(algorithm.act(obs[None])[0])
            over, total = terminated or truncated, total + float(reward)
        returns.append(total)
    result = evaluate(run.path, episodes=3, seed=5)
    assert result.true_return.mean == pytest.approx(np.mean(returns), abs=1e-4)
    assert result.true_return.std == pytest.approx(np.std(returns), abs=1e-4)
    assert [e.true_return for e in play(SMALL, checkpoint_of(run), np.zeros(3), 5)] == pytest.approx(returns, abs=1e-4)


def files(run: RunDir) -> dict[str, str]:
    paths = [p for p in run.path.rglob("*") if p.is_file()]
    return {str(p.relative_to(run.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def test_evaluation_gives_the_same_figures_twice_and_changes_no_file(run: RunDir) -> None:
    before = files(run)
    assert evaluate(run.path, episodes=4) == evaluate(run.path, episodes=4)
    assert evaluate(run.path, episodes=4, seed=1).true_return != evaluate(run.path, episodes=4).true_return
    assert files(run) == before


def test_evaluation_teaches_the_normaliser_nothing(run: RunDir) -> None:
    checkpoint = checkpoint_of(run)
    saved = json.loads(checkpoint.read("vec_normalize.json"))
    algorithm = load(SMALL, checkpoint, RecordingVecEnv(Learner(SMALL).recorder.venv))
    normaliser = algorithm.normaliser
    algorithm.recorder.seed(0)
    obs = normaliser.reset()
    for _ in range(30):
        obs, *_ = normaliser.step(algorithm.agent.predict(obs, deterministic=True)[0])
    for name, stats in (("obs", normaliser.obs_rms), ("returns", normaliser.ret_rms)):
        assert np.array_equal(stats.mean, saved[name]["mean"])
        assert np.array_equal(stats.var, saved[name]["var"])
        assert stats.count == saved[name]["count"]


def test_a_run_can_be_looked_at_while_it_is_trained(run: RunDir) -> None:
    with run.lock():
        assert evaluate(run.path, episodes=1).episodes == 1


def test_a_run_on_the_true_reward_has_no_reward_model(tmp_path: Path) -> None:
    true = train(dataclasses.replace(SMALL, reward="true", labels=0, steps=160), tmp_path / "run")
    result = evaluate(true.path, episodes=2)
    assert result.reward_model is None
    assert result.to_json()["reward_model"] is None
    assert result.num_preferences == 0
    assert (result.reward_model_broad, result.held_out_answers) == (None, None)
    assert "reward model" not in table(result)


def test_success_is_what_the_environment_reports(tmp_path: Path) -> None:
    told = train(dataclasses.replace(SMALL, env_id="Reports-v0"), tmp_path / "run")
    found = evaluate(told.path, episodes=8).success
    assert found is not None
    assert found.rate == 0.5  # every other seed
    assert found.ci95 == pytest.approx((0.215, 0.785), abs=1e-3)
    assert success([None, None]) is None
    assert success([True, None, True]) == success([True, True])


def test_broad_episodes_are_random_in_the_share_asked_for(run: RunDir) -> None:
    own, mixed, wild = play(SMALL, checkpoint_of(run), np.array([0.0, 0.5, 1.0]), 5)
    algorithm = load(SMALL, checkpoint_of(run), RecordingVecEnv(Learner(SMALL).recorder.venv))

    def chosen(episode: Episode) -> float:
        actions = algorithm.act(episode.obs["obs"][:-1])
        return float(np.isclose(np.clip(actions, -1, 1), episode.actions, atol=1e-5).mean())

    assert chosen(own) == 1
    assert 0 < chosen(mixed) < 1
    assert chosen(wild) == 0
    assert np.ptp(wild.actions) > 1


def test_the_judge_sees_the_answers_that_were_held_out(run: RunDir) -> None:
    found = evaluate(run.path, episodes=2).held_out_answers
    assert found is not None
    assert found.answers == 2  # of 20, questions 1 and 11


def test_a_forecast_of_too_few_answers_is_refused_before_anything_is_played(run: RunDir) -> None:
    with pytest.raises(UsageError, match="answers name a better side"):
        evaluate(run.path, episodes=2, goal=0.9)
    assert evaluate(run.path, episodes=2).label_forecast is None


def test_episodes_that_never_end_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["prefrl.training.play"], "LONGEST", 50)
    endless = train(dataclasses.replace(SMALL, env_id="Endless-v0"), tmp_path / "run")
    result = evaluate(endless.path, episodes=2)
    assert (result.episode_length.mean, result.true_return.mean) == (50, sum(range(50)))


def test_each_environment_plays_one_whole_episode_of_its_own_length(tmp_path: Path) -> None:
    uneven = train(dataclasses.replace(SMALL, env_id="RandomEnds-v0"), tmp_path / "run")
    episodes = play(uneven.config, checkpoint_of(uneven), np.zeros(12), 0)
    assert [e.env_index for e in episodes] == list(range(12))
    assert all(e.finished for e in episodes)
    assert len({len(e.actions) for e in episodes}) > 2


def test_the_last_fit_is_what_is_judged(run: RunDir) -> None:
    read = RewardEnsemble.from_bytes(checkpoint_of(run).read("reward_model.safetensors"))
    assert (read.spaces.obs["obs"].shape, read.spaces.action.width, read.members) == ((1,), 1, 2)


def test_summary_by_hand() -> None:
    found = summary(np.array([0.0, 10.0, 2.0, 4.0]))
    assert (found.mean, found.iqm) == (4.0, 3.0)
    assert found.std == pytest.approx(math.sqrt((16 + 36 + 4 + 0) / 4))
    assert 0 <= found.ci95[0] < 4 < found.ci95[1] <= 10


@pytest.mark.parametrize("returns", [[7.0], [7.0, 7.0, 7.0]])
def test_equal_returns_have_an_interval_without_width(returns: list[float]) -> None:
    assert dataclasses.astuple(summary(np.array(returns))) == (7.0, 0.0, 7.0, (7.0, 7.0))


@settings(max_examples=20)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_any_returns_have_a_summary(returns: list[float]) -> None:
    found = summary(np.array(returns))
    for value in (found.mean, found.iqm, *found.ci95):
        assert min(returns) - 1e-3 <= value <= max(returns) + 1e-3
    assert found.ci95[0] <= found.ci95[1]


def test_the_interval_holds_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(60):
        low, high = summary(rng.normal(3.0, 1.0, 30)).ci95
        held.append(low <= 3.0 <= high)
    assert 0.85 < np.mean(held) <= 1.0


def test_a_video_shows_the_first_episode(run: RunDir, tmp_path: Path) -> None:
    evaluate(run.path, episodes=2, video=tmp_path / "new folder" / "clip.mp4")
    frames = iio.imread(tmp_path / "new folder" / "clip.mp4", plugin="pyav")
    assert frames.shape == (21, 32, 32, 3)
    assert frames.max() > 200


def test_a_folder_without_a_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    RunDir.create(tmp_path / "run", SMALL)
    with pytest.raises(CheckpointError, match="prefrl resume"):
        evaluate(tmp_path / "run")


def test_what_is_no_run_folder_and_no_number_of_episodes_is_refused(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        evaluate(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        evaluate(tmp_path / "nowhere")
    for episodes in (0, -1):
        with pytest.raises(UsageError, match="--episodes"):
            evaluate(run.path, episodes=episodes)


def test_the_result_is_frozen_and_comparable(run: RunDir) -> None:
    result = evaluate(run.path, episodes=1)
    assert isinstance(result, Evaluation)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.seed = 3  # type: ignore[misc]
