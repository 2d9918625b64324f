import base64
import re
from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import pytest
from report_runs import trained
from toy_envs import MoveRight

from prefrl.report.gather import Run, gather
from prefrl.report.reels import TRACE, Clip, reels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return gather(trained(tmp_path_factory.mktemp("reels") / "run").path, "run")


def frames(clip: Clip, path: Path) -> int:
    assert clip.video is not None
    kind, data = clip.video.split(",")
    assert kind == "data:video/mp4;base64"
    (path / "clip.mp4").write_bytes(base64.b64decode(data))
    return len(iio.imread(path / "clip.mp4", plugin="pyav"))


def learned(clip: Clip) -> float:
    return float(re.search(r"learned return (\S+)", clip.told[0])[1])  # type: ignore[index]


def test_the_best_and_the_worst_are_those_by_learned_reward(run: Run, tmp_path: Path) -> None:
    found = reels(run, each=3, pairs=2)
    assert run.judged is not None
    ranked = sorted(run.judged.returns, reverse=True)
    assert [learned(clip) for clip in found.best] == pytest.approx(ranked[:3], abs=0.06)
    assert [learned(clip) for clip in found.worst] == pytest.approx(ranked[::-1][:3], abs=0.06)
    assert {frames(clip, tmp_path) for clip in found.best + found.worst} == {11}
    assert found.missing is None
    assert len(found.hard) == 2
    assert ["preferred" in side.title for side in found.hard[0].clips].count(True) == 1


def test_a_trace_has_a_point_for_each_step_within_its_box(run: Run) -> None:
    trace = reels(run, each=1, pairs=0).best[0].trace
    points = re.findall(r"[ML](\S+) ([^L]+)", trace.learned)
    assert len(points) == 10
    assert float(points[0][0]) == 5.0
    assert float(points[-1][0]) == 95.0
    assert all(0 <= float(y) <= TRACE[1] for _, y in points)
    assert 0 < trace.zero < TRACE[1]


class Invisible(MoveRight):
    def render(self):
        raise RuntimeError("no screen")


class Unmade(MoveRight):
    def __init__(self, **_):
        raise AttributeError("no OpenGL")


class Fickle(MoveRight):
    """Draws its first picture, and leaves in the middle of a clip."""

    def step(self, action):
        raise SystemExit("enough")


@pytest.mark.fault
@pytest.mark.parametrize(("broken", "said"), [(Invisible, "no screen"), (Unmade, "no OpenGL"), (Fickle, "enough")])
def test_what_cannot_be_drawn_is_told_and_the_rest_is_there(
    run: Run, broken: type[MoveRight], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gym.registry["MoveRight-v0"], "entry_point", broken)
    found = reels(run, each=2, pairs=1)
    assert found.missing is not None
    assert said in found.missing
    assert len(found.best) == 2
    assert [clip.video for clip in found.best] == [None, None]
    assert found.best[0].trace.learned.startswith("M")


def test_a_run_without_a_reward_model_has_no_clips(tmp_path: Path) -> None:
    found = reels(gather(trained(tmp_path / "run", reward="true").path, "run"), each=2, pairs=2)
    assert (found.best, found.worst, found.hard) == ([], [], [])
