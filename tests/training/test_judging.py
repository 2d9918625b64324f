import dataclasses

from small import SMALL

from prefrl.config.teachers import OracleConfig
from prefrl.evaluation.evaluate import evaluate
from prefrl.evaluation.tables import table
from prefrl.rewards.verdict import figures
from prefrl.training.loop import resume, train


def test_a_run_ends_with_a_verdict_that_evaluate_says_too(tmp_path, capsys):
    run = train(dataclasses.replace(SMALL, labels=40), tmp_path / "run")
    kept = run.verdict()
    assert kept is not None
    assert kept.level == "good"
    assert kept.sentence in capsys.readouterr().err
    found = evaluate(run.path, episodes=2)
    assert found.verdict == kept
    assert found.to_json()["verdict"] == {"level": "good", "sentence": kept.sentence}
    assert found.to_json()["answers_foreseen"]["decided"] == figures(kept).decided
    assert table(found).startswith(kept.sentence)
    (run.path / "verdict.json").unlink()  # a run of before: the same is found again
    assert evaluate(run.path, episodes=1).verdict == kept


def test_random_answers_are_called_contradictory(tmp_path):
    run = train(dataclasses.replace(SMALL, labels=40, oracle=OracleConfig(mistake=0.5)), tmp_path / "run")
    kept = run.verdict()
    assert kept is not None
    assert kept.level == "bad"
    assert "contradict each other" in kept.sentence


def test_where_no_reward_was_learned_no_verdict_is_kept(tmp_path):
    run = train(dataclasses.replace(SMALL, reward="true"), tmp_path / "run")
    assert run.verdict() is None
    assert evaluate(run.path, episodes=1).to_json()["verdict"]["level"] == "unknown"


def test_a_run_that_is_done_does_not_fail_for_its_verdict(tmp_path, capsys):
    run = train(SMALL, tmp_path / "run")
    (run.path / "verdict.json").unlink()
    (run.path / "verdict.json").mkdir()
    resume(run.path)
    assert "could not be judged" in capsys.readouterr().err
