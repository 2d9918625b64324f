import gymnasium as gym
import numpy as np
import pytest

from prefrl.config.run import TrainConfig
from prefrl.data.info_keys import SIM_STATE
from prefrl.data.segment import Segment
from prefrl.environments.make import make_env, try_env
from prefrl.errors import EnvError
from prefrl.rendering import atari
from prefrl.rendering.atari import is_ale
from prefrl.rendering.clips import Renderer
from prefrl.rendering.simulator_state import RecordSimState, restore, snapshot
from prefrl.store.schema import row_segment, segment_row

RAM = {"obs_type": "ram"}


def play(game: str, steps: int, **kwargs: object) -> tuple[list, list, list, list]:
    """Observations, states and frames before each action and after the last, and the actions; over several episodes."""
    env = RecordSimState(gym.make(f"ale_py:ALE/{game}-v5", render_mode="rgb_array", **RAM, **kwargs))
    env.action_space.seed(3)
    obs, info = env.reset(seed=3)
    told, states, frames, actions = [obs], [info[SIM_STATE]], [env.render()], []
    while len(actions) < steps:
        actions.append(env.action_space.sample())
        obs, _, terminated, truncated, info = env.step(actions[-1])
        if terminated or truncated:
            obs, info = env.reset()
            actions[-1] = None
        told.append(obs)
        states.append(info[SIM_STATE])
        frames.append(env.render())
    return told, states, frames, actions


def in_any_order(count: int) -> list[int]:
    return np.random.default_rng(0).permutation(count).tolist()


@pytest.mark.parametrize("game", ["Pong", "Breakout", "MsPacman", "ElevatorAction"])
def test_restored_frames_equal_the_environments_own(game: str) -> None:
    _, states, frames, _ = play(game, 250)
    order = in_any_order(len(states))
    segment = segment_of(np.stack(states)[order])
    stored = row_segment({"id": 1, **segment_row(segment, run_id=1)})
    assert stored.sim_states.tobytes() == segment.sim_states.tobytes()
    with Renderer(f"ale_py:ALE/{game}-v5", RAM) as renderer:
        np.testing.assert_array_equal(renderer.frames(stored), np.stack(frames)[order])
    assert len({frame.tobytes() for frame in frames}) > 10


def segment_of(states: np.ndarray) -> Segment:
    steps = len(states) - 1
    return Segment(
        {"obs": np.zeros((steps + 1, 128), np.uint8)},
        np.zeros((steps, 6), np.float32),
        np.zeros(steps + 1, bool),
        np.zeros(steps, np.float32),
        sim_states=states,
    )


@pytest.mark.parametrize("game", ["Pong", "Breakout"])
def test_going_on_from_a_restored_state_repeats_what_followed(game: str) -> None:
    told, states, frames, actions = play(game, 250, repeat_action_probability=0.0)
    env = gym.make(f"ale_py:ALE/{game}-v5", render_mode="rgb_array", repeat_action_probability=0.0, **RAM)
    env.reset(seed=99)
    for t in in_any_order(len(actions) - 3):
        restore(env, states[t])
        for later in range(t + 1, t + 4):
            if actions[later - 1] is None:
                break
            np.testing.assert_array_equal(env.step(actions[later - 1])[0], told[later])
            np.testing.assert_array_equal(env.render(), frames[later])


def test_the_generator_of_sticky_actions_is_part_of_the_state() -> None:
    """Which action is repeated first is not, so that all agree only where it is the same one."""
    env = gym.make("ale_py:ALE/Pong-v5", repeat_action_probability=0.5, **RAM)
    env.reset(seed=1)
    for _ in range(30):
        env.step(2)
    state, ways = snapshot(env), []
    for _ in range(3):
        for _ in range(10):
            env.step(2)
        restore(env, state)
        ways.append([env.step(action)[0].tolist() for action in [2, 3, 3, 2, 2, 3, 2, 3] * 3])
    assert ways[0] == ways[1] == ways[2]


def test_a_screen_that_does_not_fit_is_drawn_one_sixtieth_of_a_second_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atari, "CAPACITY", 8192)
    told, states, frames, _ = play("Breakout", 20)
    assert {state.nbytes for state in states} == {8192}
    env = gym.make("ale_py:ALE/Breakout-v5", render_mode="rgb_array", **RAM)
    env.reset(seed=99)
    for obs, state, frame in zip(told, states, frames, strict=True):
        restore(env, state)
        assert env.unwrapped.ale.getRAM().tolist() == obs.tolist()
        assert (env.render() != frame).any(axis=-1).mean() < 0.02


def test_what_is_no_state_of_the_game_is_refused_in_one_line() -> None:
    pong = gym.make("ale_py:ALE/Pong-v5", **RAM)
    pong.reset(seed=0)
    good = snapshot(pong)
    other = gym.make("ale_py:ALE/Breakout-v5", **RAM)
    other.reset(seed=0)
    for bad in (snapshot(other), np.zeros_like(good), np.ones_like(good), good[::-1]):
        with pytest.raises(EnvError, match="ALE/Pong-v5 cannot be restored: this is no state of this game") as caught:
            restore(pong, bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(EnvError, match=r"shape \(7,\), want \(1792,\)"):
        restore(pong, good[:7])


def test_other_environments_are_not_taken_for_it() -> None:
    env = gym.make("CartPole-v1").unwrapped
    env.ale = "a beer"
    assert not is_ale(env)


def test_atari_is_made_by_naming_its_module_and_trained_from_memory() -> None:
    env = make_env("ale_py:ALE/Pong-v5", RAM)
    assert env.observation_space.shape == (128,)
    assert try_env(TrainConfig("ale_py:ALE/Pong-v5", env_kwargs=RAM)) is None
    with pytest.raises(EnvError, match="prefrl learns from vectors"):
        make_env("ale_py:ALE/Pong-v5", {})
