"""The player over a cache that a test fills by hand."""

import time
from dataclasses import replace

import numpy as np
import pytest

from prefrl.labelling.frames import Clips, pack
from prefrl.labelling.player import Player
from prefrl.labelling.session import Showing


class Cache:
    """As a `ClipCache`, without a process that draws."""

    def __init__(self) -> None:
        self.clips: dict[int, Clips] = {}
        self.errors: dict[int, str] = {}
        self.retried = 0

    def get(self, question_id: int) -> Clips | None:
        return self.clips.get(question_id)

    def error(self, question_id: int) -> str | None:
        return self.errors.get(question_id)

    def retry(self) -> None:
        self.retried += 1

    def draw(self, question_id: int, frames: int = 11) -> None:
        clips = self.clips.setdefault(question_id, Clips(11, 5.0, (None, 4)))
        for place in clips.frames:
            for _ in range(frames):
                place.add(pack(np.zeros((4, 6, 3), np.uint8)))


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def player(cache: Cache) -> Player:
    return Player(cache)  # type: ignore[arg-type]


def test_clips_play_once_they_are_drawn_to_their_end(player: Player, cache: Cache) -> None:
    assert player.drawn is None
    assert player.follow(Showing(1))
    assert (player.drawn, player.clips, player.playback) == (0.0, None, None)
    cache.draw(1, 6)
    assert not player.follow(Showing(1))
    assert (player.drawn, player.clips, player.playback) == (6 / 11, None, None)
    cache.draw(1, 5)
    player.follow(Showing(1))
    assert player.drawn is None
    assert (player.playback.length, player.playback.fps, player.aspect) == (11, 5.0, 1.5)
    player.advance(1.0)
    assert player.playback.frame == 5
    player.scrub(1.0)
    assert player.playback.frame == 10


def test_the_next_question_begins_anew_at_the_same_speed(player: Player, cache: Cache) -> None:
    cache.draw(1)
    cache.draw(2)
    player.follow(Showing(1))
    player.act("speed 2")
    player.mark_shown()
    first = player.shown_at
    player.mark_shown()
    assert player.shown_at == first
    assert abs(first - time.time()) < 10
    assert player.follow(Showing(2))
    assert player.shown_at is None
    assert (player.playback.speed, player.playback.position) == (2.0, 0.0)
    assert player.follow(None)
    assert (player.showing, player.playback, player.drawn, player.order) == (None, None, None, ())


def test_the_order_is_that_of_the_screen(player: Player) -> None:
    player.follow(Showing(1, shown_order=(1, 0)))
    assert player.order == (1, 0)


def test_what_was_seen_before_an_undo_counts_as_seen(player: Player, cache: Cache) -> None:
    cache.draw(1)
    player.follow(Showing(1))
    assert not player.playback.seen
    player.follow(Showing(1, seen=True))
    assert player.playback.seen


@pytest.mark.parametrize(("ended", "last"), [((None, 4), None), ((7, 4), 7), ((None, None), None)])
def test_a_pair_is_seen_when_both_clips_have_ended(
    player: Player, cache: Cache, ended: tuple[int | None, ...], last: int | None
) -> None:
    cache.clips[1] = Clips(11, 5.0, ended)
    cache.draw(1)
    player.follow(Showing(1))
    assert player.playback.last == last
    player.advance(1.4)
    assert player.playback.frame == 7
    assert player.playback.seen == (last == 7)


def test_controls(player: Player, cache: Cache) -> None:
    player.act("pause")  # nothing plays yet
    cache.draw(1)
    player.follow(Showing(1))
    player.act("pause")
    assert player.is_paused
    player.act("forward")
    player.act("forward")
    player.act("back")
    assert player.playback.frame == 1
    player.act("speed 0.25")
    player.act("restart")
    assert player.playback == replace(player.playback, position=0.0, paused=False, speed=0.25)
    assert cache.retried == 0


def test_clips_that_cannot_be_drawn_are_tried_again(player: Player, cache: Cache) -> None:
    cache.errors[1] = "no OpenGL"
    player.follow(Showing(1))
    assert (player.error, player.drawn) == ("no OpenGL", None)
    player.act("restart")
    assert cache.retried == 1
