"""A run that is given more to do goes on as if it had been planned so from there."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import small
import small_runs
from hypothesis import given
from hypothesis import strategies as st
from small_runs import SMALL, hashes

from prefrl.config.run import Leg, TrainConfig
from prefrl.config.saved import from_json, to_json
from prefrl.errors import UsageError
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store
from prefrl.training.loop import resume, train
from prefrl.training.more import Amount, with_more
from prefrl.training.plan import Plan

CONFIG = small.SMALL  # 80 steps explored, 9 rollouts of 80 in 4 rounds, 20 labels


def steps(config: TrainConfig) -> list[int]:
    plan = Plan(config)
    return [plan.steps_after(k) for k in range(plan.rounds + 1)]


def labels(config: TrainConfig) -> list[int]:
    plan = Plan(config)
    return [plan.labels_after(k) for k in range(plan.rounds + 1)]


def test_a_plan_with_more_in_numbers() -> None:
    assert steps(CONFIG) == [80, 240, 400, 560, 800]
    assert labels(CONFIG) == [5, 13, 18, 20, 20]
    more = with_more(CONFIG, 4, steps=1600, labels="+10")
    assert (more.steps, more.labels, more.earlier) == (1600, 30, (Leg(4, 800, 20),))
    assert steps(more) == [80, 240, 400, 560, 800, 960, 1200, 1360, 1600]
    assert labels(more) == [5, 13, 18, 20, 20, 25, 28, 30, 30]  # ten more as 3 : 2 : 1, none after the last round


def test_what_is_left_of_a_run_that_was_stopped_is_spread_anew() -> None:
    more = with_more(CONFIG, 1, labels=40)
    assert steps(more)[:2] == [80, 240]
    assert steps(more)[-1] == 800
    assert labels(more)[:2] == [5, 13]
    assert labels(more)[-2:] == [40, 40]


def test_before_the_first_checkpoint_the_whole_run_is_planned_anew() -> None:
    assert with_more(CONFIG, None, steps="+800") == dataclasses.replace(CONFIG, steps=1600)


def test_more_labels_alone_bring_as_many_steps_for_each_as_before() -> None:
    assert with_more(CONFIG, 4, labels="+10").steps == 800 + 400
    assert with_more(CONFIG, 4, labels="+1").steps == 800 + 160  # a rollout to ask about and one to learn in
    assert with_more(CONFIG, 4, labels=30, steps=2000).steps == 2000


def test_nothing_new_changes_nothing() -> None:
    assert with_more(CONFIG, 4, steps=800, labels="+0") is CONFIG


@pytest.mark.parametrize(
    ("amounts", "error"),
    [
        ({"steps": 100}, "--steps is 100, but the run has 800 already; give more, or how many more: +1000"),
        ({"labels": 19}, "--labels is 19, but the run has 20 already"),
        ({"steps": "-5"}, "--steps is '-5'; give a whole number in all, or how many more"),
        ({"labels": "many"}, "--labels is 'many'; give a whole number"),
        ({"steps": "+\u0663"}, "give a whole number"),
        ({"steps": "+80", "labels": "+5"}, "leaves 1 rollouts of 80 steps after the 800"),
        ({"steps": "+160", "labels": "+5000"}, "asks for 5000 pairs after step 880, but .* ask for fewer labels"),
    ],
)
def test_what_cannot_be_done_is_refused(amounts: dict[str, Amount], error: str) -> None:
    with pytest.raises(UsageError, match=error if ".*" in error else re.escape(error)):
        with_more(CONFIG, 4, **amounts)


def test_a_run_paid_the_true_reward_takes_more_steps_and_no_labels() -> None:
    true = dataclasses.replace(CONFIG, reward="true")
    assert steps(with_more(true, 4, steps="+800"))[-1] >= 1600
    with pytest.raises(UsageError, match="--reward true asks for no labels"):
        with_more(true, 4, labels="+1")


more_steps, more_labels = st.integers(160, 3000), st.integers(0, 20)


@given(
    st.lists(st.tuples(st.floats(0, 1), more_steps, more_labels), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_whatever_is_added_what_was_planned_stays_and_the_totals_are_met(
    added: list[tuple[float, int, int]], until: float
) -> None:
    config = dataclasses.replace(CONFIG, labels_until=until)
    for share, more, labelled in added:
        done = round(share * Plan(config).rounds)
        after = with_more(config, done, steps=f"+{more}", labels=f"+{labelled}")
        assert steps(after)[: done + 1] == steps(config)[: done + 1]
        assert labels(after)[: done + 1] == labels(config)[: done + 1]
        config = after
    assert config.steps <= steps(config)[-1] < config.steps + 80
    assert labels(config)[-1] == config.labels
    assert all(before < after for before, after in pairwise(steps(config)))
    assert all(before <= after for before, after in pairwise(labels(config)))
    if labels(config)[-1] > labels(config)[0]:
        assert labels(config)[-1] == labels(config)[-2], "nothing is asked after the last round"
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_more_labels_come_on_top_of_those_that_a_store_began_with() -> None:
    begun = dataclasses.replace(CONFIG, labels=0, store="other")
    assert with_more(begun, 4, labels="+10", asked=40).labels == 50
    assert with_more(begun, 4, labels="+10", asked=40).steps == 800 + 200


def test_a_run_killed_before_its_best_agent_was_chosen_chooses_it_before_it_does_more(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, steps=1600)
    run = train(config, tmp_path / "run")
    (last, *_) = run.whole_checkpoints()
    assert "agent_of" in last.state
    killed = RunDir(tmp_path / "killed")
    shutil.copytree(run.path, killed.path)
    for checkpoint in killed.whole_checkpoints()[:1]:
        shutil.rmtree(checkpoint.path)
    monkey = "import os, sys; sys.path[:0] = {path!r}; import toy_envs; from prefrl.training import loop\n"
    monkey += "loop.keep_best = lambda *_: os._exit(9)\nloop.resume({run!r})"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", monkey.format(path=sys.path, run=str(killed.path))])
    assert done.returncode == 9
    assert "agent_of" not in killed.whole_checkpoints()[0].state
    for one in (run, killed):
        resume(one.path, steps="+800")
    assert hashes(killed) == hashes(run)


@pytest.mark.parametrize("config", ["SMALL", "SAC"])
def test_a_finished_run_goes_on_and_being_killed_meanwhile_changes_nothing(config: str, tmp_path: Path) -> None:
    run = train(getattr(small_runs, config), tmp_path / "run")
    before = hashes(run)
    shutil.copytree(run.path, tmp_path / "again")
    resume(run.path, steps="+600", labels="+10")
    with Store(run.store_url) as store:
        assert store.num_answers() == 30
    assert [record["round"] for record in run.metrics()] == list(range(1, len(run.metrics()) + 1))
    assert run.metrics()[-1]["num_timesteps"] >= 1400
    assert hashes(run) != before

    again = RunDir(tmp_path / "again")
    resume(again.path, steps=1400, labels=30)
    latest = again.whole_checkpoints()[0]
    for checkpoint in again.whole_checkpoints()[:2]:  # as if it had been killed two rounds before its end
        shutil.rmtree(checkpoint.path)
    assert again.latest_checkpoint() != latest
    resume(again.path)
    assert hashes(again) == hashes(run)
    resume(again.path, steps=1400)  # asks for nothing new
    assert hashes(again) == hashes(run)


def test_a_run_that_cannot_be_given_that_is_left_as_it_is(tmp_path: Path) -> None:
    run = train(SMALL, tmp_path / "run")
    settings = (run.path / "config.json").read_bytes()
    with pytest.raises(UsageError, match="has 800 already"):
        resume(run.path, steps=10)
    assert (run.path / "config.json").read_bytes() == settings
