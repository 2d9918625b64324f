import time
from dataclasses import replace

import changing_envs  # noqa: F401  # registers them
import numpy as np
import pytest

from prefrl.config.presets import preset
from prefrl.data.episode import cut
from prefrl.environments.clips import with_clips
from prefrl.environments.make import make_venv
from prefrl.environments.recorder import RecordingVecEnv
from prefrl.errors import EnvError
from prefrl.rendering.clips import Renderer


def person(env_id: str):
    return preset(env_id, teacher="human", steps=2000, labels=20)


@pytest.mark.parametrize(
    ("env_id", "replay"),
    [
        ("Hopper-v5", False),
        ("Coloured-v0", False),
        ("MarksInStep-v0", True),
        ("Papered-v0", True),
        ("Painted-v0", False),
    ],
)
def test_clips_are_replayed_only_where_states_do_not_tell_all(env_id: str, replay: bool) -> None:
    start = time.monotonic()
    assert with_clips(person(env_id)).replay == replay
    assert time.monotonic() - start < 20  # 3 on a machine that does nothing else


def test_what_can_be_drawn_in_no_way_is_refused_before_a_run_begins() -> None:
    with pytest.raises(EnvError, match=r"^clips of Counting-v0 .*; add --record-frames$"):
        with_clips(person("Counting-v0"))
    assert not with_clips(replace(person("Counting-v0"), record_frames=True)).replay


def test_an_oracle_looks_at_no_clips() -> None:
    config = preset("Counting-v0", steps=2000, labels=20)
    assert with_clips(config) is config


def test_a_run_that_replays_keeps_seeds() -> None:
    venv = RecordingVecEnv(make_venv(replace(preset("Hopper-v5"), replay=True), 2))
    venv.seed(0)
    venv.reset()
    for _ in range(3):
        venv.step([venv.action_space.sample()] * 2)
    assert all(e.sim_states is None and e.reset_seed is not None for e in venv.drain())


def test_an_episode_whose_states_are_of_no_use_is_replayed() -> None:
    config = person("Reshaped-v0")
    assert not with_clips(config).replay  # what the trial saw could be kept
    venv = RecordingVecEnv(make_venv(config, 1))
    venv.seed(0)
    venv.reset()
    for step in range(20):
        venv.step([np.float32([0.1 * (-1) ** step])])
    segments = cut(venv.drain(), 5)
    assert len(segments) >= 4
    assert any(segment.start > 0 for segment in segments)
    with Renderer(config.env_id, size=48) as renderer:
        for segment in segments:
            assert len(renderer.frames(segment)) == 6
    assert any(segment.sim_states is None for segment in segments)
