"""Clips of each family of environments, against what these drew themselves when it happened."""

import changing_envs  # noqa: F401  # registers them
import numpy as np
import pytest

from prefrl.errors import EnvError
from prefrl.rendering.clips import Renderer
from prefrl.rendering.from_id import from_id
from prefrl.rendering.truth import look_alike, witness

pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning")  # SWIG in Box2D
SIZE = 64

FAMILIES = [
    "Hopper-v5",
    "HalfCheetah-v5",
    "CartPole-v1",
    "Pendulum-v1",
    "LunarLander-v3",
    "prefrl/Drive-v0",
    "prefrl/HopperBackflip-v0",
    "prefrl/ReacherCircle-v0",
]
BY_STATE = ["Coloured-v0", "ColouredAtOnce-v0", "Flashing-v0", "Lit-v0", "Goal-v0"]
BY_REPLAY = ["Marked-v0", "Painted-v0", "LongerPole-v0", "Bordered-v0"]


def later_clips_look_as_it_did(env_id: str, *, replay: bool, kinds: set[str]) -> None:
    """Of the middle of three episodes, drawn last to first by another environment."""
    env = from_id(env_id, {}, "rgb_array", checked=False)
    seen = list(witness(env, {}, size=SIZE, replay=replay, steps=14))
    env.close()
    assert len(seen) >= 6
    assert any(witnessed.segment.start > 0 for witnessed in seen[3:])
    assert {"states" if s.sim_states is not None else "seed" for s, _ in seen} == kinds
    with Renderer(env_id, size=SIZE) as renderer:
        for segment, frames in reversed(seen):
            drawn = renderer.frames(segment)
            assert len(drawn) == len(frames)
            assert all(map(look_alike, drawn, frames))


@pytest.mark.parametrize("env_id", FAMILIES)
def test_clips_of_known_families_look_as_it_did_when_it_happened(env_id: str) -> None:
    kind = "seed" if env_id == "LunarLander-v3" else "states"
    later_clips_look_as_it_did(env_id, replay=False, kinds={kind})
    with Renderer(env_id, size=SIZE) as renderer:
        assert renderer.is_known


@pytest.mark.parametrize("env_id", ["Hopper-v5", "CartPole-v1", "Coloured-v0"])
def test_replays_look_as_it_did_where_there_could_be_states(env_id: str) -> None:
    later_clips_look_as_it_did(env_id, replay=True, kinds={"seed"})


@pytest.mark.parametrize("env_id", BY_STATE)
def test_what_an_episode_changed_in_the_model_is_drawn(env_id: str) -> None:
    later_clips_look_as_it_did(env_id, replay=False, kinds={"states"})


@pytest.mark.parametrize("env_id", BY_REPLAY)
def test_what_no_state_holds_is_replayed(env_id: str) -> None:
    later_clips_look_as_it_did(env_id, replay=False, kinds={"seed"})


@pytest.mark.parametrize("env_id", ["Counting-v0", "MarksInStep-v0"])
def test_clips_that_would_lie_are_refused(env_id: str) -> None:
    env = from_id(env_id, {}, "rgb_array", checked=False)
    segment = next(iter(witness(env, {}, size=SIZE, replay=False))).segment
    env.close()
    with Renderer(env_id, size=SIZE) as renderer, pytest.raises(EnvError, match="add --record-frames") as caught:
        renderer.frames(segment)
    assert "\n" not in str(caught.value)


def test_pictures_are_alike_to_within_the_edge_of_a_line() -> None:
    grey = np.full((100, 100, 3), 100, np.uint8)
    nearly, line, brighter = grey.copy(), grey.copy(), grey + np.uint8(17)
    nearly[0, 0] = 255
    line[0, :3] = 255
    assert look_alike(grey, grey + np.uint8(16))
    assert look_alike(grey, nearly)
    assert not look_alike(grey, line)
    assert not look_alike(grey, brighter)
    assert not look_alike(grey, grey[:50])
