import odd_envs  # noqa: F401  # is found by its name
import pytest

from prefrl.environments.make import make_env
from prefrl.errors import EnvError


@pytest.mark.parametrize(
    ("made", "kwargs", "wrapper"),
    [
        ("make_normalised", {}, "NormalizeObservation"),
        ("make_normalised", {"reward": True}, "NormalizeReward"),
        ("make_own_norm", {}, "OwnNorm"),
    ],
)
def test_running_statistics_are_refused_in_one_line(
    made: str, kwargs: dict[str, bool], wrapper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFRL_TRUST", f"odd_envs:{made}")
    with pytest.raises(EnvError) as caught:
        make_env(f"odd_envs:{made}", kwargs)
    assert str(caught.value).startswith(f"odd_envs:{made} is wrapped in {wrapper}, whose running statistics")
    assert str(caught.value).endswith("leave it out, since prefrl normalises itself")


def test_frozen_statistics_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFRL_TRUST", "odd_envs:make_normalised")
    make_env("odd_envs:make_normalised", {"frozen": True})
