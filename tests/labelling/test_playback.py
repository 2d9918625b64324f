import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefrl.labelling.playback import CLIP_SECONDS, HOLD, Playback


def test_a_short_clip_is_slowed_down_and_a_long_one_keeps_its_time() -> None:
    assert Playback(51, 125).duration == CLIP_SECONDS
    assert Playback(201, 20).duration == 10.0


def test_frames_over_one_loop() -> None:
    clip = Playback(5, 125)  # frames every half second
    frames = [clip.advance(0.25 * k).frame for k in range(10)]
    assert frames == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert clip.advance(CLIP_SECONDS + HOLD - 0.01).frame == 4
    assert clip.advance(CLIP_SECONDS + HOLD + 0.01).frame == 0


@given(st.integers(2, 300), st.floats(1, 200), st.lists(st.floats(0, 0.5), max_size=50))
def test_the_frame_is_always_one_of_the_clip(length: int, fps: float, steps: list[float]) -> None:
    clip = Playback(length, fps)
    for seconds in steps:
        clip = clip.advance(seconds)
        assert 0 <= clip.frame < length


@given(st.integers(2, 300), st.floats(1, 200))
def test_stepping_visits_every_frame(length: int, fps: float) -> None:
    clip, frames = Playback(length, fps), [0]
    for _ in range(length):
        clip = clip.step(1)
        frames.append(clip.frame)
    assert frames == [*range(length), length - 1]
    assert clip.paused
    assert clip.seen
    assert clip.step(-1).frame == length - 2


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.0, 2.0])
def test_speed_and_pause(speed: float) -> None:
    clip = Playback(51, 125, speed=speed)
    assert clip.advance(0.5).position == 0.5 * speed
    assert Playback(51, 125, paused=True).advance(0.5).position == 0


def test_seen_means_played_to_the_end_once() -> None:
    clip = Playback(51, 125)
    assert not clip.advance(1.9).seen
    assert clip.advance(1.0).advance(1.1).seen
    assert not clip.at(1.0).seen  # a jump to the end
    for tenth in range(11):
        clip = clip.at(tenth / 10)  # a drag
    assert clip.seen
    assert Playback(51, 125, watched=math.inf).advance(0.1).seen  # seen before it was taken back


def test_clips_that_have_all_ended_are_seen() -> None:
    clip = Playback(51, 125, last=20)
    assert not clip.advance(0.79).seen
    assert clip.advance(0.79).frame == 19
    assert clip.advance(0.8).seen
    assert clip.advance(0.8).frame == 20  # the first over which "ended" stands
    assert not clip.at(1.0).seen


def test_restart_plays_from_the_first_frame() -> None:
    clip = Playback(51, 125).step(20).restart()
    assert (clip.frame, clip.paused) == (0, False)
