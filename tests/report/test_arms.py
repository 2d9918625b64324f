import dataclasses

import numpy as np
import pytest
from report_runs import SMALL, made_up

from prefrl.report.arms import arms, curve, final_return, flat


def records(*returns: float | None) -> list[dict[str, float | None]]:
    return [{"num_timesteps": 100 * (i + 1), "true_return": value} for i, value in enumerate(returns)]


def test_runs_that_differ_in_their_seed_alone_are_one_arm() -> None:
    runs = [
        made_up(reward="true", seed=1, labels=7),
        made_up(seed=1),
        made_up(seed=2),
        made_up(labels=40),
        made_up(selector="uniform"),
        made_up(reward="true", seed=2),
        made_up(env_id="Counter-v0"),
    ]
    found = arms(runs)
    assert [(arm.env_id, len(arm.runs), arm.learned) for arm in found] == [
        ("Counter-v0", 1, True),
        ("MoveRight-v0", 2, True),
        ("MoveRight-v0", 1, True),
        ("MoveRight-v0", 1, True),
        ("MoveRight-v0", 2, False),
    ]
    names = {arm.name for arm in found}
    assert names == {
        "20 labels",
        "20 labels, selector disagreement",
        "20 labels, selector uniform",
        "40 labels, selector disagreement",
        "true reward",
    }


def test_algorithms_are_arms_of_their_own_and_the_other_ones_settings_do_not_matter() -> None:
    runs = [made_up(reward="true", algorithm=algorithm) for algorithm in ("ppo", "sac", "sac")]
    runs += [made_up(reward="true", algorithm="sac", ppo=dataclasses.replace(SMALL.ppo, n_epochs=1))]
    assert sorted(len(arm.runs) for arm in arms(runs)) == [1, 3]


def test_a_curve_is_the_interquartile_mean_over_shared_steps() -> None:
    runs = [made_up(records(*(level, level))) for level in (0.0, 1.0, 2.0, 3.0, 100.0)]
    found = curve(runs, np.random.default_rng(0))
    assert found is not None
    assert (found.x[0], found.x[-1]) == (100.0, 200.0)
    np.testing.assert_allclose(found.middle, 2.0)  # of 1, 2 and 3
    assert (found.low <= found.middle).all()
    assert (found.middle <= found.high).all()
    assert found.low[0] < found.high[0]


def test_one_run_has_no_interval_and_none_no_curve() -> None:
    found = curve([made_up(records(None, 5.0, 7.0))], np.random.default_rng(0))
    assert found is not None
    assert (found.x[0], found.middle[0], found.middle[-1]) == (200.0, 5.0, 7.0)
    np.testing.assert_array_equal(found.low, found.high)
    assert curve([made_up()], np.random.default_rng(0)) is None


def test_runs_that_share_no_steps_have_no_curve() -> None:
    early, late = records(1.0, 2.0, None, None), records(None, None, 3.0, 4.0)
    assert curve([made_up(early), made_up(late)], np.random.default_rng(0)) is None


def test_equal_runs_have_an_interval_of_no_width() -> None:
    found = curve([made_up(records(1.0, 2.0))] * 4, np.random.default_rng(0))
    assert found is not None
    np.testing.assert_allclose(found.low, found.high)


@pytest.mark.parametrize(
    ("returns", "wanted"), [((), None), ((None,), None), ((3.0,), 3.0), ((0.0,) * 18 + (2.0, 4.0), 3.0)]
)
def test_the_final_return_is_that_of_the_last_tenth(returns: tuple[float | None, ...], wanted: float | None) -> None:
    assert final_return(made_up(records(*returns))) == wanted


def test_settings_are_named_by_dots() -> None:
    named = flat(dataclasses.asdict(SMALL))
    assert named["ppo.n_envs"] == 4
    assert named["env_kwargs"] == {}
