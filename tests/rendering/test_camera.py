import gymnasium as gym
import numpy as np
import pytest
import toy_envs

from prefrl.errors import EnvError
from prefrl.rendering.camera import Camera, as_rgb, rate


def flickers(fault: str, good: int = 1) -> Camera:
    env = toy_envs.Flickers(fault, good, render_mode="rgb_array")
    env.reset()
    return Camera(env, {})


def test_a_picture_is_a_copy() -> None:
    env = gym.make("MoveRight-v0", render_mode="rgb_array")
    env.reset(seed=0)
    frame = Camera(env, {}).draw()
    np.testing.assert_array_equal(frame, env.render())
    assert not np.shares_memory(frame, as_rgb(frame, ""))


@pytest.mark.parametrize("fault", ["size", "empty", "none", "raises"])
def test_what_the_environment_does_wrong_is_named_in_one_line(fault: str) -> None:
    camera = flickers(fault)
    assert camera.draw().shape == (8, 8, 3)
    with pytest.raises(EnvError, match="Flickers") as caught:
        camera.draw()
    assert "\n" not in str(caught.value)
    camera.close()
    camera.close()


def test_numbers_that_are_not_finite_are_drawn_as_the_nearest_that_are() -> None:
    pixels = np.array([[[np.nan, np.inf, -np.inf]]])
    np.testing.assert_array_equal(as_rgb(pixels, ""), [[[0, 255, 0]]])


def test_real_time_is_30_steps_a_second_unless_said() -> None:
    assert (rate({"render_fps": 125}), rate({"render_fps": None}), rate({})) == (125.0, 30.0, 30.0)
    assert [rate(odd) for odd in (None, {"render_fps": "fast"}, {"render_fps": -1}, {"render_fps": np.inf})] == [
        30.0
    ] * 4
