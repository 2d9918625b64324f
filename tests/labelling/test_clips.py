import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from labelling import record_queries

from prefrl.data.segment import Film
from prefrl.feedback.question import Query
from prefrl.labelling import clips as clip_cache
from prefrl.labelling.clips import ClipCache
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import compress
from prefrl.rendering.simulator_state import restore
from prefrl.store.store import Store, StoreInfo


def wait_for(true: Callable[[], object], seconds: float = 40.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def asked(url: str) -> list[int]:
    with Store(url) as store:
        store.describe(StoreInfo("CartPole-v1", {}, 4, 2, {}))
        return store.add_queries(record_queries(6))


@pytest.fixture
def cache(url: str, asked: list[int]) -> Iterator[ClipCache]:
    cache = ClipCache(url, size=64)
    yield cache
    cache.close()


def is_drawn(cache: ClipCache, query_id: int) -> bool:
    pair = cache.get(query_id)
    return pair is not None and pair.drawn >= 1.0


def test_frames_are_those_of_the_renderer_on_both_sides(cache: ClipCache, url: str, asked: list[int]) -> None:
    cache.want(asked[:1])
    wait_for(lambda: is_drawn(cache, asked[0]))
    pair = cache.get(asked[0])
    with Store(url) as store, Renderer("CartPole-v1") as renderer:
        query = store.query(asked[0])
        for side, segment in enumerate((query.left, query.right)):
            np.testing.assert_array_equal(np.stack(pair.frames[side]), renderer.frames(segment))
            first = segment.absorbing.tolist().index(True) if segment.absorbing.any() else None
            assert pair.ended[side] == first
    assert (pair.length, pair.fps) == (len(query.left) + 1, gym.make("CartPole-v1").metadata["render_fps"])


def test_what_is_not_wanted_any_more_is_forgotten_but_for_the_one_kept(cache: ClipCache, asked: list[int]) -> None:
    cache.want(asked[:3])
    wait_for(lambda: all(is_drawn(cache, id) for id in asked[:3]))
    cache.want(asked[2:4], keep=asked[0])
    wait_for(lambda: is_drawn(cache, asked[3]))
    assert [id for id in asked if cache.get(id) is not None] == [asked[0], asked[2], asked[3]]


def test_memory_is_bounded(url: str, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = 2 * 21 * 400 * 600 * 3
    monkeypatch.setattr(clip_cache, "MAX_BYTES", 3 * frames)
    cache = ClipCache(url)
    try:
        cache.want(asked[:1])
        wait_for(lambda: is_drawn(cache, asked[0]))
        cache.want(asked)
        wait_for(lambda: is_drawn(cache, asked[1]))
        time.sleep(0.5)
        assert [id for id in asked if cache.get(id) is not None] == asked[:2]  # and room for one that is kept
    finally:
        cache.close()


@pytest.mark.fault
def test_a_clip_that_cannot_be_drawn_is_told_and_the_others_are_drawn(url: str, asked: list[int]) -> None:
    with Store(url) as store:
        whole = store.query(asked[0])
        bare = Query(whole.left, type(whole.left)(*(getattr(whole.left, name) for name in ARRAYS)))
        broken = store.add_queries([bare])[0]
    cache = ClipCache(url)
    try:
        cache.want([broken, 10**6, asked[1]])
        wait_for(lambda: is_drawn(cache, asked[1]))
        assert "neither simulator states nor reset seed" in str(cache.error(broken))
        assert "has no query 1000000" in str(cache.error(10**6))
    finally:
        cache.close()


ARRAYS = ("obs", "actions", "absorbing", "true_rewards")


@pytest.mark.fault
def test_an_environment_that_is_missing_is_told_for_every_clip(url: str) -> None:
    with Store(url) as store:
        store.describe(StoreInfo("Missing-v0", {}, 4, 2, {}))
        ids = store.add_queries(record_queries(2))
    cache = ClipCache(url)
    try:
        cache.want(ids)
        wait_for(lambda: all(cache.error(id) for id in ids))
        assert all("Missing" in str(cache.error(id)) for id in ids)
    finally:
        cache.close()


def test_films_are_shown_and_their_environment_is_left_alone(url: str) -> None:
    pictures = [np.full((8, 8, 3), 12 * step, np.uint8) for step in range(21)]
    film = Film(tuple(map(compress, pictures)), 12.5)
    query = record_queries(1)[0]
    query = Query(*(dataclasses.replace(s, film=film) for s in (query.left, query.right)))
    with Store(url) as store:
        store.describe(StoreInfo("Missing-v0", {}, 4, 2, {}))  # a robot that stands elsewhere, say
        [query_id] = store.add_queries([query])
    cache = ClipCache(url)
    try:
        cache.want([query_id])
        wait_for(lambda: is_drawn(cache, query_id) or cache.error(query_id))
        pair = cache.get(query_id)
        assert (pair.length, pair.fps) == (21, 12.5)
        for frames in pair.frames:
            np.testing.assert_allclose(np.stack(frames).astype(int), np.stack(pictures), atol=3)
    finally:
        cache.close()


@pytest.mark.fault
def test_a_drawing_process_that_dies_is_replaced_and_its_clip_tried_again_on_request(
    cache: ClipCache, asked: list[int]
) -> None:
    cache.want(asked[:1])
    wait_for(lambda: is_drawn(cache, asked[0]))
    os.kill(cache._process.pid, signal.SIGSTOP)  # so that it dies with the next one undrawn
    cache.want(asked[:2])
    os.kill(cache._process.pid, signal.SIGKILL)
    wait_for(lambda: cache.error(asked[1]))
    assert cache.error(asked[1]) == "the process that draws clips ended with code -9"
    assert is_drawn(cache, asked[0])
    cache.retry()
    wait_for(lambda: is_drawn(cache, asked[1]))
    assert cache.error(asked[1]) is None


@pytest.mark.fault
def test_a_drawing_process_that_hangs_is_replaced_and_the_clip_can_be_skipped(
    cache: ClipCache, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.want(asked[:1])
    wait_for(lambda: is_drawn(cache, asked[0]))
    os.kill(cache._process.pid, signal.SIGSTOP)  # as in an environment that never comes back
    monkeypatch.setattr(clip_cache, "PATIENCE", 1.5)
    time.sleep(2.5)  # as long as nothing is wanted, nobody waits
    assert cache._process.is_alive()
    cache.want(asked[:3])
    wait_for(lambda: cache.error(asked[1]))
    monkeypatch.undo()  # the next one takes time to start
    assert cache.error(asked[1]) == "nothing was drawn for 1.5 s"
    wait_for(lambda: is_drawn(cache, asked[2]))
    assert is_drawn(cache, asked[0])


@pytest.mark.fault
def test_the_drawing_process_ends_when_its_owner_is_killed(url: str, asked: list[int]) -> None:
    code = f"""if True:
        import os, signal, time
        from prefrl.labelling.clips import ClipCache
        cache = ClipCache({url!r})
        cache.want({asked})
        while cache.get({asked[0]}) is None:
            time.sleep(0.05)
        print(cache._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False, timeout=40)
    assert done.returncode == -9
    wait_for(lambda: not is_alive(int(done.stdout)))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_recording_can_be_restored() -> None:
    """What the tests here rest on: recorded states are those of the environment."""
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    segment = record_queries(1)[0].left
    assert segment.sim_states is not None
    restore(env, segment.sim_states[3])
    np.testing.assert_array_equal(np.float32(env.unwrapped.state), segment.obs[3])
