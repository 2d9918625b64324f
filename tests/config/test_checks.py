import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from prefrl.config.checks import Count, Limits, Positive, Share, check
from prefrl.config.run import TrainConfig
from prefrl.errors import UsageError


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


@dataclass(frozen=True)
class Example:
    """Settings with every kind of limits."""

    anything: float = 1.0
    positive: Positive = 1.0
    share: Share = 0.5
    count: Count = 1
    few: Annotated[int, Limits(1, 9)] = 1
    signed: Annotated[float, Limits(-5, 5)] = 0.0
    endless: Annotated[float, Limits(infinite=True)] = 1.0

    def conflict(self, prefix: str) -> str | None:
        """Nine is too few where the share is one."""
        return f"{prefix}few is too many" if self.few == 9 and self.share == 1 else None


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"anything": -1.0}, "--anything is -1.0; give a number from 0 to 1e+12"),
        ({"anything": 1e13}, "--anything is 10000000000000.0; give a number from 0 to 1e+12"),
        ({"anything": math.inf}, "--anything is inf; give a finite number"),
        ({"positive": 0.0}, "--positive is 0.0; give a number above 0, up to 1e+12"),
        ({"share": 1.1}, "--share is 1.1; give a number from 0 to 1"),
        ({"count": 0}, "--count is 0; give a number from 1 to 1e+12"),
        ({"count": 1.0}, "--count is 1.0; give a whole number"),
        ({"few": 10}, "--few is 10; give a number from 1 to 9"),
        ({"signed": -6}, "--signed is -6; give a number from -5 to 5"),
        ({"endless": math.nan}, "--endless is nan; give a finite number"),
        ({"endless": -math.inf}, "--endless is -inf; give a number from 0 to inf"),
        ({"few": 9, "share": 1}, "--few is too many"),
    ],
)
def test_limits_stand_beside_their_field(changes: dict[str, Any], remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(Example(**changes))
    assert str(caught.value) == remedy


@pytest.mark.parametrize(
    "changes", [{}, {"share": 1}, {"share": 0}, {"few": 9}, {"signed": -5}, {"endless": math.inf}, {"anything": 0}]
)
def test_numbers_within_limits_are_taken(changes: dict[str, Any]) -> None:
    check(Example(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": True}, "--label opens a window for a person's answers; add --teacher human"),
        ({"vec": "envpool", "teacher": "human"}, "--vec envpool gives no simulator states"),
        ({"vec": "envpool", "record_frames": True}, "--vec envpool gives no simulator states"),
        ({"env_kwargs": {"x": math.inf}}, "--env-kwargs is {'x': inf}; give finite numbers"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        TrainConfig("X-v0", **changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
