from pathlib import Path

import numpy as np
import pytest
import torch
from builders import make_answer, make_question
from report_runs import answer, trained

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import stack
from prefrl.data.spaces import Spaces, rows
from prefrl.errors import StoreError, UsageError
from prefrl.feedback.answer import is_held_out
from prefrl.report.gather import gather, judge, standardise
from prefrl.rewards.ensemble import RewardEnsemble


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("gather") / "run").path


def test_a_finished_run_is_gathered_whole(path: Path) -> None:
    before = sorted((file, file.stat().st_mtime_ns) for file in path.rglob("*") if "journal" not in file.name)
    run = gather(path, "run")
    assert run.num_timesteps == 800
    assert len(run.answers) == sum(map(len, run.by_annotator.values())) == 20
    assert run.judged is not None
    assert len(run.judged.answers) == 20
    assert run.notes == []
    assert sorted((file, file.stat().st_mtime_ns) for file in path.rglob("*") if "journal" not in file.name) == before


def test_the_model_judges_as_the_agent_is_paid() -> None:
    answers = [answer(i, ("left", "tie", "skip", "right")[i % 4]) for i in range(1, 13)]
    ensemble = RewardEnsemble(Spaces.vectors(3, 2), 2, (8,), generator=torch.Generator().manual_seed(0))
    ensemble.output_mean.fill_(0.25)
    ensemble.output_std.fill_(2.0)
    found = judge(ensemble, answers, RewardConfig(held_out=0.5))
    first = found.segments[0]
    states, after = rows(first.obs, slice(-1)), rows(first.obs, slice(1, None))
    paid = ensemble.reward(states, first.actions, after, first.absorbing[1:])
    np.testing.assert_allclose(found.rewards[0], paid, rtol=1e-5)
    assert len(found.segments) == 24
    used = [a for a in answers if a.words != "skip"]
    assert found.targets.tolist() == [{"left": 1.0, "right": 0.0, "tie": 0.5}[a.words] for a in used]
    returns = ensemble.returns(stack([segment for a in used for segment in a.question.segments])).mean(0)
    better = 1 / (1 + np.exp(returns[1::2] - returns[::2]))
    np.testing.assert_allclose(found.probabilities, 0.9 * better + 0.05, rtol=1e-5)  # a tenth answers at random
    np.testing.assert_array_equal(found.held_out, is_held_out(used, 0.5))


def test_clips_of_several_lengths_are_judged_each_as_alone() -> None:
    rng, ensemble = np.random.default_rng(0), RewardEnsemble(Spaces.vectors(3, 2), 2, (8,))
    ensemble.output_mean.fill_(0.25)
    asked = [make_question(rng, steps, id=number) for number, steps in enumerate((4, 9, 4, 6), 1)]
    given = [make_answer(question, seq=question.id) for question in asked]
    found, alone = judge(ensemble, given, RewardConfig()), [judge(ensemble, [a], RewardConfig()) for a in given]
    np.testing.assert_allclose(found.returns, np.concatenate([one.returns for one in alone]), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.true_returns, np.concatenate([one.true_returns for one in alone]))
    assert found.living.sum(1).tolist() == [4, 4, 9, 9, 4, 4, 6, 6]
    assert found.true_rewards.shape == found.rewards.shape == (8, 9)


def test_a_run_that_has_just_begun_is_told_as_it_is(path: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes((path / "config.json").read_bytes())
    run = gather(tmp_path / "run", "run")
    assert (run.metrics, run.answers, run.judged) == ([], [], None)
    assert "no checkpoint yet" in run.notes[0]
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["config.json"]


@pytest.mark.fault
def test_a_damaged_checkpoint_is_noted_and_damaged_preferences_are_refused(tmp_path: Path) -> None:
    path = trained(tmp_path / "run").path
    newest = max((path / "checkpoints").iterdir())
    (newest / "reward_model.safetensors").write_bytes(b"?")
    run = gather(path, "run")
    assert run.judged is not None
    assert "trying the checkpoint before" in run.notes[0]
    for folder in (path / "checkpoints").iterdir():
        (folder / "reward_model.safetensors").write_bytes(b"?")
    assert "no checkpoint that is whole" in gather(path, "run").notes[0]
    data = bytearray((path / "preferences.sqlite").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    (path / "preferences.sqlite").write_bytes(data)
    with pytest.raises(StoreError):
        gather(path, "run")
    with pytest.raises(UsageError, match="no run folder"):
        gather(tmp_path, "run")


def test_a_whole_file_that_is_no_reward_model_is_noted(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    files = {name: checkpoint.read(name) for name in checkpoint.hashes}
    run.write_checkpoint(900, {**files, "reward_model.safetensors": files["policy.safetensors"]}, checkpoint.state)
    found = gather(run.path, "run")
    assert found.judged is None
    assert "holds no reward model" in found.notes[0]


def test_rewards_of_any_unit_can_be_seen_together() -> None:
    values = np.array([1.0, 3.0])
    assert standardise(values, values).tolist() == standardise(values * 10 + 7, values * 10 + 7).tolist() == [-1.0, 1.0]
    assert standardise(np.ones(2), np.ones(2)).tolist() == [0.0, 0.0]
