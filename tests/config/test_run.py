import ast
import dataclasses
import inspect
import json
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.config.run import OracleConfig, RewardConfig, TrainConfig, from_json, to_json
from prefrl.errors import UsageError

unit = st.floats(0, 1)
positive = st.floats(1e-9, 1e9)
widths = st.lists(st.integers(1, 512), min_size=1, max_size=3).map(tuple)
configs = st.builds(
    TrainConfig,
    env_id=st.text(min_size=1),
    env_kwargs=st.dictionaries(st.text(), st.booleans() | st.integers() | st.floats(-9, 9) | st.text()),
    run_dir=st.none() | st.just(Path("runs/over here")),
    seed=st.integers(0, 10**12),
    steps=st.integers(1, 10**9),
    labels=st.integers(0, 10**6),
    reward=st.sampled_from(["learned", "true"]),
    initial_share=unit,
    labels_until=unit,
    algorithm=st.sampled_from(["ppo", "sac"]),
    sac=st.builds(SACConfig, tau=unit, gamma=st.floats(0, 0.999), hidden=widths),
    ppo=st.builds(PPOConfig, learning_rate=positive, gamma=st.floats(0, 0.999), hidden=widths),
    reward_model=st.builds(
        RewardConfig,
        members=st.integers(1, 9),
        hidden=widths,
        held_out=st.floats(0, 0.5),
        random_answers=st.floats(0, 0.99),
    ),
    oracle=st.builds(OracleConfig, beta=positive | st.just(math.inf), mistake=unit),
)


def test_a_run_of_before_there_was_an_option_goes_on_without_it() -> None:
    values = to_json(TrainConfig("X-v0"))
    del values["labels_until"], values["reward_model"]["sees_action"]
    assert from_json(values) == TrainConfig("X-v0")


def test_a_run_of_before_random_answers_goes_on_with_samples_and_about_the_same_likelihood() -> None:
    values = to_json(TrainConfig("X-v0"))
    del values["reward_model"]["random_answers"], values["reward_model"]["bootstrap"]
    values["reward_model"]["label_smoothing"] = 0.2
    assert from_json(values).reward_model == RewardConfig(random_answers=0.2, bootstrap=True)


def test_a_run_of_when_random_answers_had_another_name_goes_on() -> None:
    values = to_json(TrainConfig("X-v0"))
    values["reward_model"]["error_rate"] = values["reward_model"].pop("random_answers") * 2
    assert from_json(values).reward_model == RewardConfig(random_answers=0.2)


@given(configs)
def test_json_gives_back_the_same_configuration(original: TrainConfig) -> None:
    text = json.dumps(to_json(original), allow_nan=False)
    assert from_json(json.loads(text)) == original


def test_a_perfect_oracle_is_null_in_json() -> None:
    assert to_json(TrainConfig("X-v0"))["oracle"]["beta"] is None


def _nested(path: str, value: Any) -> TrainConfig:
    group, _, name = path.rpartition(".")
    blank = TrainConfig("X-v0")
    if not group:
        return dataclasses.replace(blank, **{name: value})
    return dataclasses.replace(blank, **{group: dataclasses.replace(getattr(blank, group), **{name: value})})


@pytest.mark.parametrize(
    ("path", "value", "option"),
    [
        ("steps", 0, "--steps"),
        ("steps", math.nan, "--steps"),
        ("labels", -1, "--labels"),
        ("seed", -1, "--seed"),
        ("segment_length", 0, "--segment-length"),
        ("initial_share", 1.5, "--initial-share"),
        ("candidates", 0, "--candidates"),
        ("ppo.learning_rate", math.nan, "--ppo.learning-rate"),
        ("ppo.learning_rate", math.inf, "--ppo.learning-rate"),
        ("ppo.gamma", -0.1, "--ppo.gamma"),
        ("ppo.gamma", 1.0, "--ppo.gamma"),
        ("ppo.hidden", (), "--ppo.hidden"),
        ("ppo.hidden", (64, 0), "--ppo.hidden"),
        ("ppo.log_std_init", math.nan, "--ppo.log-std-init"),
        ("ppo.batch_size", 0, "--ppo.batch-size"),
        ("ppo.batch_size", 1, "--ppo.batch-size"),
        ("steps", 1e6, "--steps"),
        ("steps", True, "--steps"),
        ("ppo.gamma", "0.9", "--ppo.gamma"),
        ("reward", "ture", "--reward"),
        ("selector", "best", "--selector"),
        ("labels_until", 1.01, "--labels-until"),
        ("ppo.activation", "gelu", "--ppo.activation"),
        ("reward_model.members", 0, "--reward-model.members"),
        ("reward_model.random_answers", 1.0, "--reward-model.random-answers"),
        ("reward_model.weight_decay", -1e-9, "--reward-model.weight-decay"),
        ("oracle.beta", math.nan, "--oracle.beta"),
        ("oracle.beta", -math.inf, "--oracle.beta"),
        ("oracle.mistake", 1.01, "--oracle.mistake"),
    ],
)
def test_numbers_that_no_run_could_use_are_refused_by_option_in_one_line(path: str, value: Any, option: str) -> None:
    with pytest.raises(UsageError) as caught:
        _nested(path, value)
    assert str(caught.value).startswith(f"{option} is ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"), [("ppo.log_std_init", -3.0), ("oracle.beta", math.inf), ("ppo.ent_coef", 0), ("labels", 0)]
)
def test_numbers_at_the_edge_are_taken(path: str, value: Any) -> None:
    assert _nested(path, value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda saved: saved.update(new_option=1), "new_option"),
        (lambda saved: saved["ppo"].update(new_option=1), "new_option"),
        (lambda saved: saved["oracle"].update(new_option=1), "new_option"),
        (lambda saved: saved.pop("ppo"), "ppo"),
        (lambda saved: saved["oracle"].pop("beta"), "beta"),
        (lambda saved: saved.update(steps=-5), "--steps"),
        (lambda saved: saved.update(steps="many"), "steps"),
    ],
)
def test_a_saved_configuration_of_another_version_is_refused(change: Any, named: str) -> None:
    saved = to_json(TrainConfig("X-v0"))
    change(saved)
    with pytest.raises(UsageError, match=named):
        from_json(saved)


def test_reading_leaves_the_json_values_as_they_are() -> None:
    saved = to_json(TrainConfig("X-v0", run_dir=Path("a")))
    before = json.dumps(saved)
    from_json(saved)
    assert json.dumps(saved) == before


@pytest.mark.parametrize("kind", [PPOConfig, SACConfig, RewardConfig, OracleConfig, TrainConfig])
def test_every_option_explains_itself(kind: type) -> None:
    """`--help` shows the docstring under each field; groups are explained by the docstring of their class."""
    (body,) = (
        n.body
        for n in ast.parse(inspect.getsource(sys.modules[kind.__module__])).body
        if getattr(n, "name", "") == kind.__name__
    )
    explained = {
        field.target.id
        for field, after in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
    assert {f.name for f in dataclasses.fields(kind)} - {"ppo", "sac", "reward_model", "oracle"} == explained
    assert kind.__doc__
