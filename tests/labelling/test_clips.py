import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from label_bot import CARTPOLE, record_questions, record_segment, wait_for

from prefrl.config.run import TrainConfig
from prefrl.data.segment import Film, Segment
from prefrl.feedback.question import Question
from prefrl.labelling import clips as clips_module
from prefrl.labelling.clips import ClipCache, Clips, Source
from prefrl.labelling.frames import Shown
from prefrl.rendering.clips import Renderer
from prefrl.rendering.recording import compress
from prefrl.rendering.simulator_state import restore
from prefrl.runs.run_dir import RunDir
from prefrl.store.info import StoreInfo
from prefrl.store.run_store import open_store
from prefrl.store.shown import read_shown, write_shown
from prefrl.store.store import Store


@pytest.fixture
def asked(url: str) -> list[int]:
    with Store(url) as store:
        store.describe(StoreInfo("CartPole-v1", {}, CARTPOLE, {}))
        return store.add_questions(record_questions(6))


@pytest.fixture
def cache(url: str, asked: list[int]) -> Iterator[ClipCache]:
    cache = ClipCache(Source(partial(Store, url)), size=64)
    yield cache
    cache.close()


def is_drawn(cache: ClipCache, question_id: int) -> bool:
    clips = cache.get(question_id)
    return clips is not None and clips.drawn >= 1.0


def test_frames_are_those_of_the_renderer_on_both_sides(cache: ClipCache, url: str, asked: list[int]) -> None:
    cache.want(asked[:1])
    wait_for(lambda: is_drawn(cache, asked[0]))
    clips = cache.get(asked[0])
    with Store(url) as store, Renderer("CartPole-v1") as renderer:
        question = store.question(asked[0])
        for frames, ended, segment in zip(clips.frames, clips.ended, question.segments, strict=True):
            np.testing.assert_array_equal(np.stack(frames), renderer.frames(segment))
            first = segment.absorbing.tolist().index(True) if segment.absorbing.any() else None
            assert ended == first
    assert (clips.length, clips.fps) == (len(question.segments[0]) + 1, gym.make("CartPole-v1").metadata["render_fps"])


def test_what_is_not_wanted_any_more_is_forgotten_but_for_the_one_kept(cache: ClipCache, asked: list[int]) -> None:
    cache.want(asked[:3])
    wait_for(lambda: all(is_drawn(cache, id) for id in asked[:3]))
    cache.want(asked[2:4], keep=asked[0])
    wait_for(lambda: is_drawn(cache, asked[3]))
    assert [id for id in asked if cache.get(id) is not None] == [asked[0], asked[2], asked[3]]


def test_memory_is_bounded(url: str, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ClipCache(Source(partial(Store, url)))
    try:
        cache.want(asked[:1])
        wait_for(lambda: is_drawn(cache, asked[0]))
        monkeypatch.setattr(clips_module, "MAX_BYTES", 3 * cache.get(asked[0]).nbytes)
        cache.want(asked)
        wait_for(lambda: is_drawn(cache, asked[1]))
        time.sleep(0.5)
        assert [id for id in asked if cache.get(id) is not None] == asked[:2]  # and room for one that is kept
    finally:
        cache.close()


@pytest.mark.fault
def test_a_clip_that_cannot_be_drawn_says_why_and_the_others_are_drawn(url: str, asked: list[int]) -> None:
    with Store(url) as store:
        whole = store.question(asked[0])
        left = whole.segments[0]
        bare = Question((left, type(left)(*(getattr(left, name) for name in ARRAYS))))
        broken = store.add_questions([bare])[0]
    cache = ClipCache(Source(partial(Store, url)))
    try:
        cache.want([broken, 10**6, asked[1]])
        wait_for(lambda: is_drawn(cache, asked[1]))
        assert "neither simulator states nor reset seed" in str(cache.error(broken))
        assert "has no question 1000000" in str(cache.error(10**6))
    finally:
        cache.close()


ARRAYS = ("obs", "actions", "absorbing", "true_rewards")


@pytest.mark.fault
def test_an_environment_that_is_missing_is_named_for_every_clip(url: str) -> None:
    with Store(url) as store:
        store.describe(StoreInfo("Missing-v0", {}, CARTPOLE, {}))
        ids = store.add_questions(record_questions(2))
    cache = ClipCache(Source(partial(Store, url)))
    try:
        cache.want(ids)
        wait_for(lambda: all(cache.error(id) for id in ids))
        assert all("Missing" in str(cache.error(id)) for id in ids)
    finally:
        cache.close()


def test_films_are_shown_and_their_environment_is_left_alone(url: str) -> None:
    pictures = [np.full((8, 8, 3), 12 * step, np.uint8) for step in range(21)]
    film = Film(tuple(map(compress, pictures)), 12.5)
    question = record_questions(1)[0]
    question = Question(tuple(dataclasses.replace(segment, film=film) for segment in question.segments))
    with Store(url) as store:
        store.describe(StoreInfo("Missing-v0", {}, CARTPOLE, {}))  # a robot that stands elsewhere, say
        [question_id] = store.add_questions([question])
    cache = ClipCache(Source(partial(Store, url)))
    try:
        cache.want([question_id])
        wait_for(lambda: is_drawn(cache, question_id) or cache.error(question_id))
        clips = cache.get(question_id)
        assert (clips.length, clips.fps) == (21, 12.5)
        for frames in clips.frames:
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
    monkeypatch.setattr(clips_module, "PATIENCE", 1.5)
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
        from functools import partial
        from prefrl.labelling.clips import ClipCache, Source
        from prefrl.store.store import Store
        cache = ClipCache(Source(partial(Store, {url!r})))
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
    segment = record_questions(1)[0].segments[0]
    assert segment.sim_states is not None
    restore(env, segment.sim_states[3])
    np.testing.assert_array_equal(np.float32(env.unwrapped.state), segment.obs["obs"][3])


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir.create(tmp_path / "run", TrainConfig("CartPole-v1"))
    with Store(made.store_url) as store:
        store.describe(StoreInfo("CartPole-v1", {}, CARTPOLE, {}))
        store.add_questions(record_questions(4))
    return made


@pytest.fixture
def shows(run: RunDir) -> Iterator[ClipCache]:
    cache = ClipCache(Source(partial(open_store, run), partial(read_shown, run)), size=64)
    yield cache
    cache.close()


def is_whole(clips: Clips | None) -> bool:
    return clips is not None and clips.drawn >= 1.0


def test_what_the_agent_does_is_drawn_and_the_one_before_stays_until_the_next_is_whole(
    shows: ClipCache, run: RunDir
) -> None:
    assert shows.show("now", 1) is None
    wait_for(lambda: shows.error(Shown("now", 1)))
    assert "cannot be read" in str(shows.error(Shown("now", 1)))
    first, second = record_segment(3), record_segment(5)
    write_shown(run, "now", first)
    wait_for(lambda: is_whole(shows.show("now", 2)))
    os.kill(shows._process.pid, signal.SIGSTOP)
    write_shown(run, "now", second)
    before = shows.show("now", 3)
    assert is_whole(before)
    os.kill(shows._process.pid, signal.SIGCONT)
    wait_for(lambda: shows.show("now", 3) is not before and is_whole(shows.show("now", 3)))
    with Renderer("CartPole-v1") as renderer:
        np.testing.assert_array_equal(np.stack(before.frames[0]), renderer.frames(first))
        np.testing.assert_array_equal(np.stack(shows.show("now", 3).frames[0]), renderer.frames(second))
    assert [key for key in shows._clips if isinstance(key, Shown)] == [Shown("now", 3)]


def test_questions_are_drawn_before_what_is_shown_beside_them(shows: ClipCache, run: RunDir) -> None:
    long = dataclasses.replace(record_segment(1), sim_states=None, reset_seed=1)  # a replay, so every frame is drawn
    write_shown(run, "before", long)
    write_shown(run, "after", record_segment(2))
    os.kill(shows._process.pid, signal.SIGSTOP)
    shows.show("before", 1)
    shows.show("after", 1)
    shows.want([1, 2])
    os.kill(shows._process.pid, signal.SIGCONT)
    wait_for(lambda: is_whole(shows.show("after", 1)) and shows.error(Shown("before", 1)) is not None)
    drawn = list(shows._clips)
    assert drawn[:2] == [1, 2]


def test_a_question_that_comes_interrupts_what_is_shown_beside_it(shows: ClipCache, run: RunDir) -> None:
    states = record_segment(2)
    assert states.sim_states is not None
    rows = {"obs": np.tile(states.obs["obs"][:1], (2001, 1))}
    moving = states.sim_states[0] + np.arange(2001)[:, None] * 1e-4
    many = Segment(rows, np.zeros((2000, 2), np.float32), np.zeros(2001, bool), np.zeros(2000, np.float32), moving)
    write_shown(run, "now", many)
    wait_for(lambda: shows.show("now", 1))
    shows.want([3])
    wait_for(lambda: is_drawn(shows, 3))
    assert not is_whole(shows.show("now", 1))  # some seconds of work
    wait_for(lambda: is_whole(shows.show("now", 1)))


def test_it_can_get_ready_before_there_is_a_question(shows: ClipCache, run: RunDir) -> None:
    shows.warm_up()
    shows.want([1])
    wait_for(lambda: is_drawn(shows, 1))


@pytest.mark.fault
def test_an_environment_that_cannot_be_made_ahead_is_told_with_the_first_clip(url: str) -> None:
    with Store(url) as store:
        store.describe(StoreInfo("Missing-v0", {}, CARTPOLE, {}))
        [question] = store.add_questions(record_questions(1))
    cache = ClipCache(Source(partial(Store, url)))
    try:
        cache.warm_up()
        cache.want([question])
        wait_for(lambda: cache.error(question))
        assert "Missing" in str(cache.error(question))
    finally:
        cache.close()
