import numpy as np

from prefrl.labelling.frames import Clips, pack
from prefrl.labelling.reel import Reel


def clips(length: int, *, ended: int | None = None, drawn: int | None = None, fps: float = 5.0) -> Clips:
    """Each frame of the grey that is its number."""
    made = Clips(length, fps, (ended,))
    for step in range(length if drawn is None else drawn):
        made.frames[0].add(pack(np.full((4, 6, 3), step, np.uint8)))
    return made


def now(reel: Reel) -> list[tuple[int, bool]]:
    return [(int(frame[0, 0, 0]), ended) for frame, ended in reel.frames()]


def test_nothing_plays_before_a_frame_is_there() -> None:
    reel = Reel()
    for nothing in (None, clips(11, drawn=0)):
        reel.follow({"now": nothing})
        reel.advance(1.0)
        assert (reel.names, reel.playback, reel.frames(), reel.aspect) == ((), None, (), 1.0)


def test_a_clip_plays_over_and_over_until_nothing_moves_any_more() -> None:
    reel = Reel()
    reel.follow({"now": clips(31, ended=20)})
    assert (now(reel), reel.aspect) == ([(0, False)], 1.5)
    reel.advance(3.0)
    assert now(reel) == [(15, False)]
    reel.advance(1.2)
    assert now(reel) == [(20, True)]
    reel.advance(0.3)  # the last picture stays for 0.4 s
    assert now(reel) == [(0, False)]


def test_it_does_not_play_beyond_what_is_drawn() -> None:
    reel, growing = Reel(), clips(11, drawn=3)
    reel.follow({"now": growing})
    for _ in range(20):
        reel.advance(0.1)
    assert now(reel) == [(2, False)]
    growing.frames[0].add(pack(np.full((4, 6, 3), 3, np.uint8)))
    reel.advance(0.1)
    assert now(reel) == [(3, False)]


def test_newer_clips_begin_when_the_loop_is_over() -> None:
    reel, newer = Reel(), clips(21)
    reel.follow({"now": clips(11)})
    reel.advance(1.0)
    reel.follow({"now": newer})
    assert now(reel) == [(5, False)]
    reel.advance(1.5)
    assert (now(reel), reel.clips) == ([(0, False)], (newer,))


def test_before_and_after_play_in_step_and_the_shorter_one_waits() -> None:
    reel = Reel()
    reel.follow({"now": clips(11)})
    reel.advance(1.0)
    reel.follow({"before": clips(11, ended=4), "after": clips(21)})
    assert (reel.names, now(reel)) == (("before", "after"), [(0, False), (0, False)])
    reel.advance(3.0)
    assert now(reel) == [(10, True), (15, False)]
    reel.advance(1.5)
    assert now(reel) == [(0, False), (0, False)]
