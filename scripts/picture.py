"""Make the README's moving picture: the labelling window while answers are given, then the agent before and after.

    .venv/bin/python scripts/picture.py

Trains a HalfCheetah first, unless its folder is there. Needs Xvfb and xdotool; takes five minutes on two cores.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from screen import Screen, screen

from prefrl.config.presets import preset
from prefrl.data.episode import Episode, cut
from prefrl.errors import CheckpointError
from prefrl.feedback.answer import Answer, standing
from prefrl.feedback.comparison import Comparison
from prefrl.labelling.window.layout import Layout, Plan, layout
from prefrl.rendering.clips import Renderer
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.training.loop import train
from prefrl.training.play import play

Frame = NDArray[np.uint8]
"""(H, W, 3)."""

SIZE = 960, 540
X, TILT = 1, 3
"""Where a simulator state of HalfCheetah holds how far the agent has come, and its angle in radians."""

PLAIN = 25.0
"""Standard deviation of pixels up to which a part of the window is no clip."""

FPS = 10
GOAL = "Run forward, fast and on your feet"
INK, DIM, GROUND, ACCENT = (236, 238, 243), (150, 156, 170), (17, 19, 24), (122, 173, 255)
SECONDS = 6
"""How long the agent is shown."""

GIVEN = 20
"""Answers that were given before the clip starts."""

X, TILT = 1, 3
"""Where a simulator state of HalfCheetah holds how far the agent has come, and its angle in radians."""

PLAIN = 25.0
"""Standard deviation of pixels up to which a part of the window is no clip."""

FPS = 10
GOAL = "Run forward, fast and on your feet"
INK, DIM, GROUND, ACCENT = (236, 238, 243), (150, 156, 170), (17, 19, 24), (122, 173, 255)
SECONDS = 6
"""How long the agent is shown."""

FLOOR_ENDS = 25.0
"""Metres from the start at which the end of the floor comes in sight."""

KEYS = {"left": ("Left", "← left is better"), "right": ("Right", "→ right is better")}
"""Answer -> its key, and what is shown when it is pressed."""


@dataclass(frozen=True)
class Picture:
    """Make the README's moving picture."""

    run_dir: Path = Path("runs/picture")
    """Folder of the run whose agent is shown; it is trained if the folder does not exist."""

    output: Path = Path(__file__).parent / "results" / "picture.webp"
    """Picture to write, as WebP or GIF."""

    frames: Path | None = None
    """Folder for the single frames as PNG, to look at them."""

    answers: int = 3
    """How many answers are seen being given."""


def draw(what: Picture) -> None:
    """Train if need be, record the window and the agent, and write the picture."""
    if not what.run_dir.exists():
        train(preset("HalfCheetah-v5", steps=400_000, seed=1), what.run_dir)
    run = RunDir.open(what.run_dir)
    with tempfile.TemporaryDirectory() as folder, screen(SIZE) as shown:
        copy, asked = beginning(run, Path(folder) / "half_cheetah", what.answers)
        pictures = [*labelling(shown, copy, asked), *before_and_after(run)]
    save(pictures, what)


def beginning(run: RunDir, path: Path, count: int) -> tuple[RunDir, list[Answer]]:
    """A run like `run` before training starts, that waits for a person, and the `count` answers that they will give."""
    config = replace(run.config, teacher="human", run_dir=None)
    copy = RunDir.create(path, config)
    with open_store(run) as store, open_store(copy) as other:
        answers, info = standing(store.answers())[: round(config.initial_share * config.labels)], store.info()
        assert info is not None
        other.describe(replace(info, goal=GOAL))
        for given in answers[:GIVEN]:
            (question_id,) = other.add_questions([replace(given.question, id=None)])
            other.add_answers([Answer(replace(given.question, id=question_id), given.value, "Ada")])
        asked = telling(answers[GIVEN:], count)
        other.add_questions([replace(answer.question, id=None) for answer in asked])
    return copy, asked


def telling(answers: Sequence[Answer], count: int) -> list[Answer]:
    """Of `answers`, those that are plain to see: one agent goes forward on its feet, the other one lies.

    Left and right take turns.
    """
    plain = sorted((a for a in answers if lead(a) > 0), key=lead, reverse=True)
    sides = [[a for a in plain if a.value == Comparison(side)] for side in ("left", "right")]
    return [sides[k % 2][k // 2] for k in range(count)]


def lead(answer: Answer) -> float:
    """By how many radians the better agent is more upright on average; 0 if it is not on its feet or goes backward."""
    if answer.value not in (Comparison("left"), Comparison("right")):
        return 0.0
    better, worse = answer.question.segments[:: 1 if answer.value == Comparison("left") else -1]
    up, down = (np.abs(segment.sim_states[:, TILT]) for segment in (better, worse) if segment.sim_states is not None)
    return float(down.mean() - up.mean()) if up.max() < 0.8 and better.true_return > 0 else 0.0


def labelling(shown: Screen, run: RunDir, asked: Sequence[Answer]) -> Iterator[Frame]:
    """The window while a person gives `asked`, each after the clips have been seen to their end."""
    place = layout(Plan(SIZE, "comparison"))
    command = [sys.executable, "-m", "prefrl", "label", str(run.path), "--annotator", "Ada", "--repeat-share", "0"]
    with run.lock():  # as a trainer would hold it
        window = subprocess.Popen([*command, "--clip-size", "360"], env=environment(shown), stdout=subprocess.DEVNULL)
        try:
            wait_until_playing(shown, place)
            for answer in asked:
                assert isinstance(answer.value, Comparison)
                key, words = KEYS[answer.value.preferred]
                yield from recorded(shown, 2.6)
                yield from (pressed(f, place, answer.value.preferred, words) for f in recorded(shown, 0.7))
                shown.press(key)
                wait_until_playing(shown, place)
        finally:
            window.terminate()
            window.wait()


def environment(shown: Screen) -> dict[str, str]:
    """For programs on the display; drawing clips needs none."""
    return {**os.environ, "DISPLAY": shown.name, "MUJOCO_GL": "egl"}


def wait_until_playing(shown: Screen, place: Layout) -> None:
    """Until both clips are there and move."""
    begun = time.monotonic()
    while time.monotonic() < begun + 60:
        first = shown.pixels()
        time.sleep(0.15)
        second = shown.pixels()
        parts = [np.s_[rect.top : rect.bottom, rect.left : rect.right] for rect in place.clips]
        if all(first[part].std() > PLAIN and (first[part] != second[part]).any() for part in parts):
            return
    raise SystemExit("the window shows no clips that move")


def recorded(shown: Screen, seconds: float) -> Iterator[Frame]:
    """What is shown from now on, FPS times a second."""
    begun = time.monotonic()
    for k in range(round(FPS * seconds)):
        time.sleep(max(0.0, begun + k / FPS - time.monotonic()))
        yield shown.pixels()


def pressed(frame: Frame, place: Layout, side: str, words: str) -> Frame:
    """`frame` with the key that is being pressed, and the clip that it is for in a frame."""
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image)
    rect = place.clips[0 if side == "left" else 1]
    pen.rounded_rectangle((rect.left - 2, rect.top - 2, rect.right + 2, rect.bottom + 2), 8, outline=ACCENT, width=5)
    box = (rect.centerx - 120, rect.bottom - 66, rect.centerx + 120, rect.bottom - 18)
    pen.rounded_rectangle(box, 12, fill=GROUND, outline=ACCENT, width=3)
    pen.text((rect.centerx, rect.bottom - 42), words, INK, font(20), anchor="mm")
    return np.array(image)


def before_and_after(run: RunDir) -> Iterator[Frame]:
    """An episode of random actions beside one of the trained agent, in real time."""
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"{run.path} has no checkpoint")
    with Renderer(run.config.env_id, run.config.env_kwargs, size=400) as renderer:
        longest = round(SECONDS * renderer.fps)
        played = [play(run.config, checkpoint, np.full(1, share), 1_000_000, longest=longest)[0] for share in (1, 0)]
        left, right = (drawn(renderer, episode) for episode in played)
    headings = "Before", f"After {run.config.labels} answers"
    for (one, metres), (other, more) in zip(left, right, strict=True):
        yield beside((one, other), headings, (f"acts at random: {metres:.1f} m", f"runs: {more:.1f} m"))


def drawn(renderer: Renderer, episode: Episode) -> list[tuple[Frame, float]]:
    """FPS frames a second of an episode, and how many metres the agent has come by then."""
    (whole,) = cut([episode], len(episode.actions))
    frames, states = list(renderer.iter_frames(whole)), whole.sim_states
    assert states is not None
    moments = [round(k * renderer.fps / FPS) for k in range(SECONDS * FPS)]
    return [(frames[m], float(states[m, X] - states[0, X])) for m in moments]


def beside(frames: tuple[Frame, Frame], headings: tuple[str, str], lines: tuple[str, str]) -> Frame:
    """Two frames, each with a heading and a line of text."""
    image = Image.new("RGB", SIZE, GROUND)
    pen = ImageDraw.Draw(image)
    for frame, heading, line, x in zip(frames, headings, lines, (60, 500), strict=True):
        image.paste(Image.fromarray(frame), (x, 100))
        pen.text((x, 42), heading, INK, font(28), anchor="lm")
        pen.text((x, 76), line, DIM, font(17), anchor="lm")
    return np.array(image)


def font(pixels: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), pixels)


def save(pictures: Sequence[Frame], what: Picture) -> None:
    """Write the frames as one picture."""
    images = [Image.fromarray(picture) for picture in pictures]
    what.output.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 60, "method": 6} if what.output.suffix == ".webp" else {"optimize": True}
    images[0].save(what.output, save_all=True, append_images=images[1:], duration=1000 // FPS, loop=0, **options)
    if what.frames is not None:
        what.frames.mkdir(parents=True, exist_ok=True)
        for k, image in enumerate(images):
            image.save(what.frames / f"{k:04}.png")
    print(f"{what.output}: {len(images)} frames, {what.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    draw(tyro.cli(Picture, description=__doc__))
