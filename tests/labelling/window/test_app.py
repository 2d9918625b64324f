"""The real window on a display of its own, driven by real keys and clicks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from label_bot import Driver, Run, record_questions, wait_for, xvfb

from prefrl.feedback.answer import standing
from prefrl.labelling.window.layout import Layout, Plan, layout
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store

pytestmark = pytest.mark.slow
SIZE = 1280, 720
ASPECT = 600 / 400  # of CartPole's pictures


def places(size: tuple[int, int]) -> Layout:
    """Where things are while a question is asked and nobody trains."""
    return layout(Plan(size, "comparison", ASPECT, banner=True))


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with xvfb(*SIZE) as (name, _):
        yield name


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def open_window(run: Run, display: str) -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def start(*options: str) -> Driver:
        drivers.append(Driver(run, display, "--repeat-share", "0", *options))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()


def test_every_key(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(8)
    driver = open_window("--goal", "keep the pole up")
    for count, key in enumerate(["Left", "Right", "Up", "Down"], 1):
        driver.answer(count, key)
    choices = [choice for _, choice in run.answers()]
    assert choices == ["left", "right", "tie", "skip"]
    assert [id for id, _ in run.answers()] == [1, 2, 3, 4]
    driver.key("u")
    wait_for(lambda: len(run.answers()) == 3)
    driver.key("ctrl+z")
    wait_for(lambda: len(run.answers()) == 2)
    driver.answer(3, "Left")  # those taken back come again, at once
    assert run.answers()[-1] == (3, "left")
    for key in ("space", "comma", "period", "r", "1", "2", "3", "4", "question", "x", "f", "f"):
        driver.key(key)
        time.sleep(0.05)
    driver.answer(4, "Right")
    assert run.answers()[-1] == (4, "right")
    out = driver.leave()
    assert out.startswith("4 labels in ")
    assert "4 labels in" in out
    assert ": 2 left, 2 right" in out
    assert "not counted: 2 answers taken back" in out
    with Store(RunDir(run.path).store_url) as store:
        assert store.info().goal == "keep the pole up"
        times = [(p.shown_at, p.answered_at) for p in standing(store.answers())]
    assert all(time.time() - 120 < shown < answered < time.time() for shown, answered in times)


def test_help_closes_as_it_opens_and_by_any_other_key_or_click(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(2)
    driver = open_window()
    for close in ("question", "Escape", "x", "click"):
        driver.answer(1, "Left")
        driver.key("question")  # with Shift, which is a key of its own
        time.sleep(0.3)
        driver.click(200, 300) if close == "click" else driver.key(close)
        driver.key("u")  # once: if help were still there, it would only close it
        wait_for(lambda: run.answers() == [], 5)


def test_an_answer_before_the_clips_were_seen_is_asked_again(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(4)
    driver = open_window()
    driver.answer(1, "Left")
    time.sleep(0.5)  # the next pair plays, for two seconds
    driver.key("Left")
    time.sleep(0.4)
    assert len(run.answers()) == 1
    driver.key("Right")  # another answer has to be confirmed too
    time.sleep(0.4)
    assert len(run.answers()) == 1
    driver.key("Right")
    wait_for(lambda: len(run.answers()) == 2, 3)
    time.sleep(3.5)
    driver.key("Left")
    wait_for(lambda: len(run.answers()) == 3, 3)
    assert [choice for _, choice in run.answers()] == ["left", "right", "left"]


def test_clicks_do_what_keys_do_at_any_size(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(6)
    driver = open_window()
    driver.answer(1, "Left")
    driver.until(2, lambda: driver.click(*places(SIZE).clips[1].center))
    driver.xdotool("windowsize", driver.window(), 900, 600)
    time.sleep(0.5)
    buttons = {button.action: rect.center for button, rect in places((900, 600)).buttons}
    driver.until(3, lambda: driver.click(*buttons["tie"]))
    driver.click(*buttons["undo"])
    wait_for(lambda: len(run.answers()) == 2)
    bar = places((900, 600)).bar
    driver.xdotool("mousemove", bar.left + 5, bar.centery, "mousedown", 1, "mousemove", bar.right, bar.centery)
    driver.xdotool("mouseup", 1)
    driver.until(3, lambda: driver.click(*buttons["skip"]))
    assert [choice for _, choice in run.answers()] == ["left", "right", "skip"]


@pytest.mark.fault
def test_a_window_killed_in_the_middle_loses_nothing_and_asks_nothing_twice(
    run: Run, open_window: Callable[..., Driver]
) -> None:
    run.create(9)
    for count in (2, 4, 6):
        driver = open_window()
        driver.answer(count - 1, "Left")
        driver.answer(count, "Right")
        driver.key("Left")  # perhaps on its way
        driver.process.kill()
        driver.process.wait()
        given = run.answers()
        assert [id for id, _ in given] == list(range(1, count + 1))
    driver = open_window()
    driver.answer(7, "Up")
    driver.until(6, lambda: driver.key("u"))
    driver.until(5, lambda: driver.key("u"))  # of the window that was killed
    driver.leave()


def test_either_may_be_started_first(run: Run, open_window: Callable[..., Driver]) -> None:
    driver = open_window()
    time.sleep(2)
    assert driver.process.poll() is None
    run.create(2)
    driver.answer(1, "Left")
    driver.answer(2, "Left")
    with Store(RunDir(run.path).store_url) as store:
        store.add_questions(record_questions(1))  # while the window says that the agent is training
    driver.answer(3, "Right")


@pytest.mark.fault
def test_clips_that_cannot_be_drawn_can_only_be_skipped(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(2, env_id="Missing-v0")
    driver = open_window()
    time.sleep(5)
    driver.key("Left", "Left", "r")
    time.sleep(0.5)
    assert run.answers() == []
    driver.answer(1, "Down")
    driver.answer(2, "Down")
    assert {choice for _, choice in run.answers()} == {"skip"}
    assert "2 can't tell" in driver.leave()


def test_two_windows_share_the_questions(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(10)
    with xvfb() as (name, _):
        one, two = open_window(), Driver(run, name, "--annotator", "Bob")
        try:
            wait_for(lambda: len(run.answers()) == 10 or (one.key("Left"), two.key("Right"), time.sleep(0.2))[0], 60)
        finally:
            two.kill()
    assert sorted(id for id, _ in run.answers()) == list(range(1, 11))
    assert {choice for _, choice in run.answers()} == {"left", "right"}


@pytest.mark.fault
def test_a_run_folder_that_goes_and_comes_back(run: Run, open_window: Callable[..., Driver]) -> None:
    run.create(5)
    driver = open_window()
    driver.answer(1, "Left")
    elsewhere = run.path.with_name("elsewhere")
    run.path.rename(elsewhere)
    time.sleep(1.5)
    driver.key("Right", "Right")  # not stored: the window says so, and tries again
    time.sleep(1.5)
    assert driver.process.poll() is None
    elsewhere.rename(run.path)
    wait_for(lambda: len(run.answers()) == 2, 10)
    driver.answer(3, "Up")
    assert [choice for _, choice in run.answers()] == ["left", "right", "tie"]


@pytest.mark.fault
def test_a_display_that_goes_is_told_and_loses_nothing(run: Run) -> None:
    run.create(4)
    with xvfb() as (name, server):
        driver = Driver(run, name)
        driver.answer(1, "Left")
        server.kill()
        out, err = driver.process.communicate(timeout=20)
    assert driver.process.returncode == 1
    assert f"prefrl label {run.path}" in err
    assert out.startswith("1 label in ")
    assert run.answers() == [(1, "left")]


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_with_the_summary(
    run: Run, open_window: Callable[..., Driver], stop: signal.Signals, code: int
) -> None:
    run.create(3)
    driver = open_window()
    driver.answer(1, "Left")
    driver.process.send_signal(stop)
    out, err = driver.process.communicate(timeout=20)
    assert (driver.process.returncode, err) == (code, "")
    assert out.startswith("1 label in ")


@pytest.mark.parametrize(("display", "said"), [({}, "there is no display"), ({"DISPLAY": ":987"}, "does not answer")])
def test_without_a_display_it_says_so_in_one_line(run: Run, display: dict[str, str], said: str) -> None:
    run.create(1)
    env = {name: value for name, value in os.environ.items() if "DISPLAY" not in name} | display
    command = [sys.executable, "-m", "prefrl", "label", str(run.path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert (done.returncode, done.stdout) == (2, "")
    *_, told = done.stderr.splitlines()  # before it, libwayland may complain where no desktop was ever started
    assert told.startswith("prefrl: error: ")
    assert said in told
    assert "Traceback" not in done.stderr
