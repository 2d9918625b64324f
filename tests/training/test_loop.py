import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_runs
from small_runs import SMALL, hashes
from stable_baselines3.common.callbacks import BaseCallback

from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.teachers import OracleConfig
from prefrl.errors import EnvError, LockedError, StorageError, StoreError, UsageError
from prefrl.evaluation.evaluate import evaluate
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.best_agent import Trial
from prefrl.training.loop import resume, train

LEARNS = dataclasses.replace(
    SMALL,
    seed=3,
    steps=5000,
    labels=100,
    segment_length=5,
    rounds=10,
    explore_steps=800,
    initial_share=0.5,
    ppo=PPOConfig(n_envs=8, n_steps=40, batch_size=80, hidden=(16,), learning_rate=1e-3, gamma=0.9, log_std_init=-0.5),
    reward_model=RewardConfig(hidden=(32,), batch_size=16, max_epochs=40),
)


def answers(run: RunDir) -> list[str]:
    with Store(run.store_url) as store:
        return [answer.words for answer in store.answers()]


def test_learning_from_preferences_works(tmp_path: Path) -> None:
    """20 is the best return there is, 0 that of acting at random."""
    run = train(LEARNS, tmp_path / "run")
    result = evaluate(run.path, episodes=20)
    assert result.true_return.mean > 15
    assert result.num_preferences == 100
    early, late = run.metrics()[0], run.metrics()[-1]
    assert late["true_return"] > early["true_return"] + 5
    assert late["reward/held_out_accuracy"] > 0.6


def test_learning_from_preferences_works_with_sac_too(tmp_path: Path) -> None:
    """And learns more from a step: these are a fifth of the steps."""
    sac = SACConfig(
        n_envs=4, gradient_steps=4, batch_size=64, random_steps=100, learning_rate=3e-3, gamma=0.9, hidden=(32,)
    )
    config = dataclasses.replace(LEARNS, algorithm="sac", sac=sac, steps=1000, explore_steps=200, labels=60)
    run = train(config, tmp_path / "run")
    assert evaluate(run.path, episodes=20).true_return.mean > 15
    assert "replay.safetensors" in hashes(run)


def test_the_matched_ceiling_learns_too(tmp_path: Path) -> None:
    run = train(dataclasses.replace(LEARNS, reward="true", labels=0), tmp_path / "run")
    result = evaluate(run.path, episodes=10)
    assert result.true_return.mean > 15
    assert (result.num_preferences, result.reward_model) == (0, None)
    with Store(run.store_url) as store:
        assert store.num_questions() == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """An uninterrupted run of SMALL."""
    return train(SMALL, tmp_path_factory.mktemp("small") / "run")


def test_a_run_leaves_what_was_asked_for(small: RunDir) -> None:
    assert small.config == dataclasses.replace(SMALL, run_dir=small.path)
    checkpoint = small.latest_checkpoint()
    assert checkpoint is not None
    assert SMALL.steps <= checkpoint.num_timesteps < SMALL.steps + 80
    assert checkpoint.hashes.keys() == {
        "policy.safetensors", "policy_optimizer.safetensors", "reward_model.safetensors", "vec_normalize.json"
    }  # fmt: skip
    assert small.agent_zip.is_file()
    assert any(small.tensorboard.iterdir())


def test_metrics_have_a_line_for_each_round(small: RunDir) -> None:
    lines = [m for m in small.metrics() if m["round"] > 0]
    assert [m["round"] for m in lines] == [1, 2, 3, 4]
    assert [m["num_timesteps"] for m in lines] == sorted({m["num_timesteps"] for m in lines})
    assert [m["num_preferences"] for m in lines][-1] == 20
    for m in lines:
        assert m["episode_length"] == 20
        assert -20 <= m["true_return"] <= 20
        assert m["steps_per_second"] > 0
        assert m["bad_steps"] == 0
        assert 0 <= m["reward/held_out_accuracy"] <= 1


@pytest.mark.parametrize("labels", [2, 3, 33])
def test_the_label_budget_is_spent_exactly(labels: int, tmp_path: Path) -> None:
    run = train(dataclasses.replace(SMALL, labels=labels), tmp_path / "run")
    with Store(run.store_url) as store:
        assert (store.num_questions(), store.num_answers(), store.pending()) == (labels, labels, [])


def test_skips_are_answers_too_and_ties_are_learned_from(tmp_path: Path) -> None:
    run = train(dataclasses.replace(SMALL, oracle=OracleConfig(skip=0.9, tie=0.5, beta=1.0)), tmp_path / "run")
    assert len(answers(run)) == 20
    assert "skip" in answers(run)


def test_the_oracle_answers_by_the_true_reward(small: RunDir) -> None:
    with Store(small.store_url) as store:
        for answer in store.answers():
            left, right = (segment.true_return for segment in answer.question.segments)
            assert answer.words == ("left" if left > right else "right" if right > left else "tie")
            assert answer.annotator == "oracle"


def test_labels_are_asked_on_behaviour_of_the_time(small: RunDir) -> None:
    with Store(small.store_url) as store:
        asked = [answer.question.num_timesteps for answer in store.answers()]
    assert asked == sorted(asked)
    assert asked[0] == 80
    assert len(set(asked)) == 4
    assert max(asked) < SMALL.steps


def test_the_same_seed_gives_the_same_run_and_another_seed_another(small: RunDir, tmp_path: Path) -> None:
    np.random.seed(1)  # noqa: NPY002
    again = train(SMALL, tmp_path / "again")
    assert hashes(again) == hashes(small)
    assert answers(again) == answers(small)
    other = train(dataclasses.replace(SMALL, seed=1), tmp_path / "other")
    assert all(hashes(other)[name] != sha for name, sha in hashes(small).items())


def test_the_true_reward_reaches_the_learner_by_the_answers_alone(small: RunDir, tmp_path: Path) -> None:
    """Rewards 1024 times as large give a perfect oracle the same answers; nothing else may see the difference."""
    scaled = dataclasses.replace(SMALL, env_kwargs={"reward_scale": 1024.0})
    run = train(scaled, tmp_path / "run")
    assert answers(run) == answers(small)
    assert hashes(run) == hashes(small)
    assert run.metrics()[-1]["true_return"] == pytest.approx(1024 * small.metrics()[-1]["true_return"])


def test_answers_turned_round_teach_the_opposite(tmp_path: Path) -> None:
    contrary = dataclasses.replace(LEARNS, oracle=OracleConfig(mistake=1.0))
    run = train(contrary, tmp_path / "run")
    assert evaluate(run.path, episodes=5).true_return.mean < -10


KILL = """
import importlib, os, signal, sys
from pathlib import Path
from prefrl.training.loop import resume, train
import small_runs

config, run_dir, module, owner, name, count = sys.argv[1:]
owner, count = getattr(importlib.import_module(module), owner), int(count)
original = getattr(owner, name)

def call(*args, **kwargs):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)

setattr(owner, name, call)
resume(run_dir) if Path(run_dir).exists() else train(getattr(small_runs, config), run_dir)
"""


def killed(config: str, run_dir: Path, module: str, owner: str, name: str, count: int) -> None:
    """Train by `config` of small_runs, or resume, in a process that SIGKILL ends at the `count`-th call of a method."""
    here = Path(__file__).parents[1]
    command = [sys.executable, "-c", KILL, config, str(run_dir), module, owner, name, str(count)]
    paths = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    done = subprocess.run(command, cwd=here, env=paths, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("config", ["SMALL", "SAC"])
def test_a_run_that_was_killed_again_and_again_ends_with_the_same_weights(config: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    killed(
        config, path, "prefrl.store.store", "Store", "add_answers", 2
    )  # the first round's questions asked, and not answered
    killed(config, path, "prefrl.runs.run_dir", "RunDir", "write_checkpoint", 2)  # learned from answers, and not saved
    killed(config, path, "toy_envs", "MoveRight", "step", 130)  # in the middle of a round
    run, uninterrupted = resume(path), train(getattr(small_runs, config), tmp_path / "uninterrupted")
    assert hashes(run) == hashes(uninterrupted)
    assert answers(run) == answers(uninterrupted)
    assert [m["num_timesteps"] for m in run.metrics()] == [m["num_timesteps"] for m in uninterrupted.metrics()]


def test_resuming_a_run_that_is_done_changes_nothing(small: RunDir) -> None:
    before = hashes(small), answers(small), small.metrics()
    resume(small.path)
    assert (hashes(small), answers(small), small.metrics()) == before


def test_the_best_of_the_last_agents_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(SMALL, steps=1600)

    def failing(*_: object) -> Trial:
        raise EnvError("it broke")

    def failing_disk(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["prefrl.training.loop"], "choose", failing)
        run = train(config, tmp_path / "run")
    last, *earlier = run.whole_checkpoints()
    assert "agent_of" not in last.state  # but all that was trained is there
    whole = train(config, tmp_path / "whole")
    assert whole.whole_checkpoints()[0].state["tried"].keys() == {str(c.num_timesteps) for c in (last, *earlier)}
    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_agent", failing_disk)
        with pytest.raises(StorageError):
            resume(run.path)
    assert not run.has_agent(run.whole_checkpoints()[0])
    resume(run.path)
    assert run.has_agent(run.whole_checkpoints()[0])
    assert hashes(run) == hashes(whole)
    assert run.whole_checkpoints()[0].state["tried"] == whole.whole_checkpoints()[0].state["tried"]
    best = max(whole.whole_checkpoints()[0].state["tried"].items(), key=lambda item: (item[1], int(item[0])))[0]
    assert evaluate(run.path, episodes=1).agent_of == int(best)
    assert evaluate(run.path, episodes=1).num_timesteps == last.num_timesteps
    source = next(c for c in (last, *earlier) if c.num_timesteps == int(best))
    assert hashes(whole)["policy.safetensors"] == source.hashes["policy.safetensors"]
    assert hashes(whole)["reward_model.safetensors"] == last.hashes["reward_model.safetensors"]


def test_a_run_that_was_killed_before_its_agent_was_written_writes_it_when_it_is_resumed(tmp_path: Path) -> None:
    run = train(SMALL, tmp_path / "run")
    last = run.whole_checkpoints()[0]
    assert "agent_of" not in last.state  # it is too short to try agents
    run.agent_zip.write_bytes(b"that of the round before")
    resume(run.path)
    assert run.has_agent(run.whole_checkpoints()[0])
    assert hashes(run) == dict(last.hashes)


def test_a_folder_that_exists_is_refused_and_left_alone(small: RunDir, tmp_path: Path) -> None:
    before = hashes(small)
    with pytest.raises(UsageError, match="prefrl resume"):
        train(SMALL, small.path)
    assert hashes(small) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        train(SMALL, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"env_id": "MoveLeft-v0"}, EnvError),
        ({"env_id": "Spaces-v0", "env_kwargs": {"kind": "dict"}}, EnvError),
        ({"env_kwargs": {"no_such_option": 1}}, EnvError),
        ({"labels": 100_000}, UsageError),
        ({"labels": 1}, UsageError),
        ({"env_id": "CartPole-v1", "algorithm": "sac"}, UsageError),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_created(
    changes: dict[str, object], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        train(dataclasses.replace(SMALL, **changes), tmp_path / "run")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_use_is_refused(small: RunDir) -> None:
    with small.lock(), pytest.raises(LockedError, match=str(os.getpid())):
        resume(small.path)


def test_what_is_no_run_folder_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        resume(tmp_path)


def test_the_folder_is_named_after_environment_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = train(dataclasses.replace(SMALL, seed=4))
    assert run.path == tmp_path / "runs/MoveRight-v0-4"
    assert run.path.is_dir()


@pytest.mark.parametrize("env_id", ["OneStep-v0", "Endless-v0", "Uneven-v0"])
def test_episodes_of_one_step_and_episodes_that_never_end(env_id: str, tmp_path: Path) -> None:
    run = train(dataclasses.replace(SMALL, env_id=env_id, labels=8, steps=500), tmp_path / "run")
    assert len(answers(run)) == 8
    assert len(run.metrics()) >= 4


@pytest.mark.parametrize("kwargs", [{"obs": "nan"}, {"reward": "inf"}])
def test_an_environment_of_bad_numbers_ends_the_run(kwargs: dict[str, str], tmp_path: Path) -> None:
    """After 100 bad steps; here in the exploration already."""
    config = dataclasses.replace(SMALL, env_id="NotFinite-v0", env_kwargs=kwargs, steps=8000, explore_steps=800)
    with pytest.raises(EnvError, match="not finite in 101 steps"):
        train(config, tmp_path / "run")
    assert answers(RunDir.open(tmp_path / "run")) == []


def test_a_run_whose_answers_are_lost_does_not_go_on(tmp_path: Path) -> None:
    run = train(SMALL, tmp_path / "run")
    (run.path / "preferences.sqlite").unlink()
    with pytest.raises(StoreError, match="lacks answers"):
        resume(run.path)


@pytest.mark.fault
def test_a_run_does_not_go_on_with_other_answers_than_it_learned_from(tmp_path: Path) -> None:
    """As many of them, and later ones too, but an older copy of the store was answered anew."""
    run = train(SMALL, tmp_path / "run")
    other = train(dataclasses.replace(SMALL, oracle=OracleConfig(mistake=0.5)), tmp_path / "other")
    shutil.copy(other.path / "preferences.sqlite", run.path / "preferences.sqlite")
    with pytest.raises(StoreError, match="lacks answers"):
        resume(run.path)


def test_what_is_told_after_a_checkpoint_is_told_once(tmp_path: Path) -> None:
    run = train(SMALL, tmp_path / "run")
    told = [m["num_timesteps"] for m in run.metrics()]
    newest = max((run.path / "checkpoints").iterdir())
    shutil.rmtree(newest)
    resume(run.path)
    assert [m["num_timesteps"] for m in run.metrics()] == told


def test_a_resumed_run_goes_on_telling_its_labels_and_what_was_learned_from_them(tmp_path: Path) -> None:
    run = train(dataclasses.replace(SMALL, labels_until=0.3), tmp_path / "run")  # by its last fit long before
    told = run.metrics()[-1]
    assert told["reward/held_out_accuracy"] is not None
    shutil.rmtree(max((run.path / "checkpoints").iterdir()))
    resume(run.path)
    again = run.metrics()[-1]
    assert again["num_preferences"] == told["num_preferences"] == SMALL.labels
    assert {k: v for k, v in again.items() if "reward/" in k} == {k: v for k, v in told.items() if "reward/" in k}


def test_a_run_resumed_before_its_first_round_keeps_the_figures_of_its_first_fit(tmp_path: Path) -> None:
    """Round 0 leaves no line in metrics.jsonl, and no later round of this run fits the reward again."""
    config = dataclasses.replace(SMALL, labels_until=0.0)
    whole = train(config, tmp_path / "whole")
    run = RunDir.create(tmp_path / "stopped", config)
    checkpoint = sorted((whole.path / "checkpoints").iterdir())[0]
    learned = {key: value for key, value in whole.metrics()[0].items() if key.startswith("reward/")}
    assert learned
    assert json.loads((checkpoint / "manifest.json").read_bytes())["state"]["fitted"] == {
        key.removeprefix("reward/"): value for key, value in learned.items()
    }
    progress_of_one_round(run)
    assert {k: v for k, v in run.metrics()[0].items() if k.startswith("reward/")} == learned


def progress_of_one_round(run: RunDir) -> None:
    """Train `run`, killed right after exploration, and resumed."""
    code = f"""
import os, sys
from prefrl.runs.run_dir import RunDir
from prefrl.training import learner, loop
sys.path[:0] = {sys.path!r}
import toy_envs
save = learner.Learner.save
def last_act(self, *arguments, **more):
    save(self, *arguments, **more)
    os._exit(9)
learner.Learner.save = last_act
loop.resume({str(run.path)!r})
"""
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert killed.returncode == 9, killed.stderr
    resume(run.path)


class Stop(BaseCallback):
    """Ends training after so many steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def _on_step(self) -> bool:
        return self.num_timesteps < self.after


@pytest.mark.parametrize("after", [300, 400])  # within the second round, and with its last step
def test_a_callback_may_end_a_run_which_goes_on_later(
    after: int, tmp_path: Path, small: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(SMALL, tmp_path / "run", callback=Stop(after))
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    assert (checkpoint.num_timesteps, checkpoint.state["round"]) == (240, 1)
    assert run.has_agent(checkpoint)
    assert "stopped; go on with: prefrl resume" in " ".join(capsys.readouterr().err.split())
    resume(run.path, callback=[Stop(10**9)])
    assert hashes(run) == hashes(small)  # as if nobody had ended it
    assert [record["round"] for record in run.metrics()] == [1, 2, 3, 4]


def test_callbacks_that_only_look_change_nothing(small: RunDir, tmp_path: Path) -> None:
    run = train(SMALL, tmp_path / "run", callback=Stop(10**9))
    ours, theirs = run.latest_checkpoint(), small.latest_checkpoint()
    assert ours is not None
    assert theirs is not None
    assert ours.hashes == theirs.hashes
