from stable_baselines3.common.callbacks import CheckpointCallback

from prefrl.algorithms.watch import listed


def test_none_one_and_several_callbacks_are_a_list() -> None:
    one, other = CheckpointCallback(10, "."), CheckpointCallback(10, ".")
    assert listed(None) == []
    assert listed(one) == [one]
    assert listed((one, other)) == [one, other]
