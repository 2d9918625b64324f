import gymnasium as gym
import numpy as np
import toy_envs
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.environments.in_process import LeanVecEnv


def test_it_tells_what_sb3s_own_does_and_hands_out_infos_of_their_own() -> None:
    makers = [lambda: gym.wrappers.TimeLimit(toy_envs.RandomEnds(), 7)] * 3
    ours, theirs = LeanVecEnv(makers), DummyVecEnv(makers)
    rng, handed_out = np.random.default_rng(0), []
    ends = set()
    for venv in (ours, theirs):
        venv.seed(3)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    for _ in range(60):
        actions = rng.uniform(-0.5, 2, (3, 2)).astype(np.float32)
        one, other = ours.step(actions), theirs.step(actions)
        for mine, wanted in zip(one[:3], other[:3], strict=True):
            np.testing.assert_array_equal(mine, wanted)
        for mine, wanted in zip(one[3], other[3], strict=True):
            assert mine.keys() == wanted.keys()
            assert mine["TimeLimit.truncated"] == wanted["TimeLimit.truncated"]
            np.testing.assert_array_equal(mine.get("terminal_observation"), wanted.get("terminal_observation"))
        ends |= {(bool(done), info["TimeLimit.truncated"]) for done, info in zip(one[2], one[3], strict=True)}
        assert ours.reset_infos == theirs.reset_infos
        handed_out.append((one, [dict(info) for info in one[3]], one[0].copy(), one[2].copy()))
    assert ends == {(False, False), (True, False), (True, True)}
    for (obs, _, dones, infos), told, saw, ended in handed_out:  # later steps changed nothing of it
        assert [info.keys() for info in infos] == [info.keys() for info in told]
        np.testing.assert_array_equal(obs, saw)
        np.testing.assert_array_equal(dones, ended)
