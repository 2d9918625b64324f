import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.config.algorithms import PPOConfig, SACConfig
from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.config.saved import from_json, to_json
from prefrl.config.teachers import OracleConfig
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


def test_a_run_of_before_there_were_units_keeps_those_of_its_environment() -> None:
    values = to_json(TrainConfig("X-v0"))
    del values["action_units"]
    assert from_json(values) == TrainConfig("X-v0", action_units="raw")


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


def test_a_run_of_before_rounds_had_that_name_goes_on() -> None:
    values = to_json(TrainConfig("X-v0", rounds=7))
    values["spans"] = values.pop("rounds")
    assert from_json(values) == TrainConfig("X-v0", rounds=7)


def test_a_run_of_before_there_was_an_algorithm_goes_on_with_its_own() -> None:
    values = to_json(TrainConfig("X-v0", ppo=PPOConfig(n_envs=3)))
    del values["sac"], values["algorithm"]
    assert from_json(values) == TrainConfig("X-v0", ppo=PPOConfig(n_envs=3))


@pytest.mark.parametrize("group", ["sac", "reward_model", "oracle"])
def test_a_group_of_settings_that_a_run_needs_must_be_there(group: str) -> None:
    values = to_json(TrainConfig("X-v0", algorithm="sac"))
    del values[group]
    with pytest.raises(UsageError, match=group):
        from_json(values)
