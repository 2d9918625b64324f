"""Frames in memory."""

import numpy as np
import pytest

from prefrl.labelling.frames import Clips, Frames, pack, unpack

RNG = np.random.default_rng(0)


def filled(pictures: list[np.ndarray]) -> Frames:
    frames = Frames()
    for picture in pictures:
        frames.add(pack(picture))
    return frames


@pytest.mark.parametrize("shape", [(4, 6, 3), (1, 1, 3), (64, 64, 3)])
def test_a_frame_comes_back_as_it_was(shape: tuple[int, int, int]) -> None:
    picture = RNG.integers(256, size=shape).astype(np.uint8)
    np.testing.assert_array_equal(unpack(pack(picture)), picture)
    np.testing.assert_array_equal(unpack(pack(picture[::-1, :, ::-1])), picture[::-1, :, ::-1])


def test_frames_are_a_sequence_of_pictures() -> None:
    pictures = [np.full((2, 3, 3), value, np.uint8) for value in range(5)]
    frames = filled(pictures)
    assert len(frames) == 5
    for index in (0, 3, 3, -1, 0):
        np.testing.assert_array_equal(frames[index], pictures[index])
    np.testing.assert_array_equal(np.stack(frames[1:4]), np.stack(pictures[1:4]))
    np.testing.assert_array_equal(np.stack(list(frames)), np.stack(pictures))
    with pytest.raises(IndexError):
        frames[5]
    with pytest.raises(IndexError):
        Frames()[0]


def test_the_frame_on_the_screen_is_unpacked_once() -> None:
    frames = filled([np.zeros((2, 3, 3), np.uint8)] * 2)
    assert frames[1] is frames[-1]
    assert frames[1] is not frames[0]


def test_pictures_of_few_colours_take_little_memory() -> None:
    sky = np.full((320, 320, 3), 200, np.uint8)
    assert filled([sky] * 10).nbytes < 10 * sky.nbytes / 50


def test_a_question_may_have_any_number_of_clips() -> None:
    clips = Clips(length=2, fps=30.0, ended=(None, 1, None))
    frame = pack(np.zeros((4, 6, 3), np.uint8))
    assert (clips.drawn, clips.nbytes) == (0.0, 0)
    for frames in clips.frames:
        frames.add(frame)
    assert clips.drawn == 0.5
    assert clips.nbytes == 2 * 3 * len(frame.data)  # when all is drawn
