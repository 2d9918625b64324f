import dataclasses

from small import SMALL

from prefrl.config.teachers import OracleConfig
from prefrl.data.verdict import Verdict
from prefrl.evaluation.evaluate import evaluate
from prefrl.evaluation.tables import table
from prefrl.rewards.verdict import figures
from prefrl.training.judging import lowered
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
    last = run.metrics()[-1]
    said = {name.removeprefix("signals/foreseen_"): v for name, v in last.items() if "foreseen_" in name}
    assert said == dict(kept.figures)  # alarms and the verdict rest on the same figures
    assert [alarm["kind"] for alarm in last["alarms"]] == ["too_few_labels"]
    assert f"{said['right']} of {said['decided']} follow" in last["alarms"][0]["message"]


def test_an_alarm_about_the_paid_reward_lowers_a_good_verdict():
    good = Verdict("good", "Your answers agree with each other; the reward foresees 34 of 37: trust it", about="x")
    found = lowered(good, ["drift", "reward_hacking"])
    assert (found.level, found.about) == ("doubtful", "x")
    assert found.sentence == (
        "Your answers agree with each other, but training ended with an alarm (reward hacking): look at what the agent "
        "does"
    )
    assert lowered(good, ["drift"]) == good
    bad = Verdict("bad", "Do not trust it")
    assert lowered(bad, ["dead_ensemble"]) == bad


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
