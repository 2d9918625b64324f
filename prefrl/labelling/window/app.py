"""The labelling window: a loop that acts on keys, and shows what the clerk and the stage have."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pygame

from prefrl.errors import UsageError
from prefrl.feedback.comparison import Choice
from prefrl.labelling import messages as words
from prefrl.labelling.clips import ClipCache
from prefrl.labelling.playback import Playback
from prefrl.labelling.player import Stage
from prefrl.labelling.service import Clerk, Options, user_name
from prefrl.labelling.session import Reply, Summary
from prefrl.labelling.window import keys
from prefrl.labelling.window.display import open_display, toggle_full_screen
from prefrl.labelling.window.draw import Scene, draw_bar, draw_clip, draw_over, draw_still
from prefrl.labelling.window.layout import Layout, layout

CHOICES = get_args(Choice)

TICK, IDLE_TICK = 16, 200
"""Milliseconds between two looks at the clock, while clips play and otherwise; events are taken at once."""

NOTE_SECONDS = 3.0


class Window:
    """One person's window on a run."""

    def __init__(self, run_dir: Path, options: Options, clip_size: int, on_lost: Callable[[], int] = lambda: 1) -> None:
        self.run_dir, self.clip_size, self.on_lost = run_dir, clip_size, on_lost
        self.screen = open_display(self._display_lost)
        self.wake = pygame.event.custom_type()
        self.woken = threading.Event()
        self.clerk = Clerk(run_dir, options, np.random.default_rng(), self._wake)
        self.stage: Stage | None = None
        """None until the run has a store."""

        self.unsure: Choice | None = None
        """An answer that is to be confirmed, since the clips were not seen to their end."""

        self.note: tuple[str, Literal["news", "warning"], float] | None = None
        """Words, their kind, and the time at which they go."""

        self.page: tuple[str, ...] | None = None
        self.windowed: tuple[int, int] | None = None
        """The size to come back to from the full screen."""

        self.scrubbing = self.leaving = False
        self.jobs_done = 0
        self.drawn: tuple[Scene, Playback | None] | None = None
        """What is on the screen."""

        self.pads: list[pygame.joystick.JoystickType] = []
        with suppress(pygame.error):
            pygame.joystick.init()

    def _wake(self) -> None:
        """From other threads: there is something new to show."""
        if not self.woken.is_set():
            self.woken.set()
            with suppress(pygame.error):  # the window may be closed by now
                pygame.event.post(pygame.event.Event(self.wake))

    def run(self) -> Summary | None:
        """Until the person leaves; the summary, None if there was nothing to label."""
        before = time.monotonic()
        try:
            while not self.leaving:
                now = time.monotonic()
                if self.stage is not None and self.page is None and not self.scrubbing:
                    self.stage.advance(now - before)
                before = now
                self._follow()
                self._show()
                first = pygame.event.wait(TICK if self._moves else IDLE_TICK)
                for event in (first, *pygame.event.get()):
                    self._handle(event)
        finally:
            pygame.quit()
            summary = self._finish()
            if self.stage is not None:
                self.stage.cache.close()
        return summary

    @property
    def _moves(self) -> bool:
        return self.stage is not None and self.stage.playback is not None and not self.stage.is_paused

    def _display_lost(self) -> int:
        print("the display is gone, but your answers are stored; go on with:", file=sys.stderr)
        print(f"prefrl label {self.run_dir}", file=sys.stderr)
        self._finish()
        return self.on_lost()

    def _finish(self) -> Summary | None:
        """Leave, and tell on the terminal what it came to."""
        summary = self.clerk.leave()
        if summary is not None and summary.labels:
            print("\n".join(summary.lines()), flush=True)
        if self.clerk.is_busy:
            print(f"the last key was not stored: {self.clerk.state.error}", file=sys.stderr)
        return summary

    def _follow(self) -> None:
        """Take up what the clerk and the clip cache have done since."""
        self.woken.clear()
        state = self.clerk.state
        if self.stage is None and state.env_id is not None:
            self.stage = Stage(ClipCache(self.clerk.store_url, size=self.clip_size, on_change=self._wake))
            pygame.display.set_caption(f"prefrl: {state.env_id}, {self.run_dir}")
        if state.jobs_done != self.jobs_done:
            self.jobs_done = state.jobs_done
            if state.note is not None:
                self._say(state.note)
        if self.stage is not None and self.stage.follow(state.showings):
            self.unsure = None

    def _say(self, note: str, kind: Literal["news", "warning"] = "news") -> None:
        self.note = note, kind, time.monotonic() + NOTE_SECONDS

    def _handle(self, event: pygame.event.Event) -> None:
        action = keys.action(event)
        if action is not None:
            self._act(action)
        elif event.type == pygame.QUIT:
            self.leaving = True
        elif event.type == pygame.JOYDEVICEADDED:
            self.pads.append(pygame.joystick.Joystick(event.device_index))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._click(event.pos)
        elif event.type == pygame.MOUSEMOTION and self.scrubbing:
            self._scrub(event.pos)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self.scrubbing = False
        elif event.type in (pygame.VIDEOEXPOSE, pygame.VIDEORESIZE):
            self.drawn = None

    def _click(self, point: tuple[int, int]) -> None:
        place, action = self._place(), self._place().button_at(point)
        if self.page is not None:
            self.page = None
        elif action is not None:
            self._act(action)
        elif self._clips_are_shown() and place.bar.collidepoint(point):
            self.scrubbing = True
            self._scrub(point)
        elif self._clips_are_shown() and place.clips[0].collidepoint(point):
            self._act("left")
        elif self._clips_are_shown() and place.clips[1].collidepoint(point):
            self._act("right")

    def _scrub(self, point: tuple[int, int]) -> None:
        if self.stage is not None:
            bar = self._place().bar
            self.stage.scrub((point[0] - bar.left) / bar.width)

    def _clips_are_shown(self) -> bool:
        return self.stage is not None and self.stage.playback is not None

    def _is_broken(self) -> bool:
        return self.stage is not None and self.stage.error is not None

    def _act(self, action: str) -> None:
        """Do what a key or a button stands for."""
        if self.page is not None:
            self.leaving = action == "leave" and self.page != ("help",)
            self.page = None
        elif action in CHOICES:
            self._answer(action)  # type: ignore[arg-type]
        elif action == "undo":
            if not self.clerk.is_busy:
                self.clerk.undo()
        elif action == "help":
            self.page = ("help",)
        elif action == "leave":
            self._leave()
        elif action == "full screen":
            self.windowed = toggle_full_screen(self.windowed)
            self.drawn = None
        elif self.stage is not None:
            self.stage.act(action)

    def _answer(self, choice: Choice) -> None:
        stage = self.stage
        if stage is None or stage.showing is None or self.clerk.is_busy or self.clerk.state.jobs_done != self.jobs_done:
            return  # the last answer is on its way, or what comes next is not on the screen yet
        if stage.playback is None and not (choice == "skip" and self._is_broken()):
            return  # nobody can have seen anything yet
        if stage.playback is not None and not stage.playback.seen and self.unsure != choice:
            self.unsure = choice
            self._say(f"Not seen to the end yet: {words.KEY_NAMES[choice]} once more if you are sure", "warning")
            return
        self.unsure = self.note = None
        self.clerk.answer(stage.showing, Reply(choice, stage.shown_at, time.time()))

    def _leave(self) -> None:
        summary = self.clerk.summary()
        if summary is None or not summary.labels:
            self.leaving = True
        else:
            self.page = ("So far", *summary.lines(), "Esc leaves, any other key goes on")

    def _place(self) -> Layout:
        width, height = self.screen.get_size()
        return layout((max(width, 480), max(height, 320)), self.stage.aspect if self.stage is not None else 1.0)

    def _show(self) -> None:
        """Draw what changed."""
        self.screen = pygame.display.get_surface() or self.screen
        place, scene = self._place(), self._scene()
        playback = self.stage.playback if self.stage is not None else None
        before, self.drawn = self.drawn, (scene, playback)
        if before is None or before[0] != scene:
            draw_still(self.screen, scene, place)
            self._draw_clips(place)
            draw_over(self.screen, scene, place)
            pygame.display.flip()
        elif playback is not None and (before[1] is None or before[1].frame != playback.frame or self.scrubbing):
            self._draw_clips(place)
            draw_over(self.screen, scene, place)
            pygame.display.update([*place.clips, place.bar.inflate(place.bar.height, 0)])

    def _draw_clips(self, place: Layout) -> None:
        stage = self.stage
        if stage is None or stage.playback is None or stage.pair is None:
            return
        for side, rect in zip(stage.sides, place.clips, strict=True):
            ended, frames = stage.pair.ended[side], stage.pair.frames[side]
            index = min(stage.playback.frame, len(frames) - 1)
            draw_clip(self.screen, frames[index], rect, place.scale, ended is not None and index >= ended)
        draw_bar(self.screen, place, min(1.0, stage.playback.position / stage.playback.duration))
        stage.mark_shown()

    def _scene(self) -> Scene:
        state, stage = self.clerk.state, self.stage
        note, kind = self._note()
        pointed = self._place().button_at(pygame.mouse.get_pos())
        paused = stage is not None and stage.is_paused
        lit = {f"speed {stage.speed if stage is not None else 1:g}", pointed, self.unsure, "pause" if paused else None}
        return Scene(
            size=self.screen.get_size(),
            aspect=stage.aspect if stage is not None else 1.0,
            showing=stage.showing if stage is not None and self._clips_are_shown() else None,
            goal=words.goal(state),
            training=words.training(state),
            pace=words.pace(state),
            progress=words.progress(state),
            lit=frozenset(action for action in lit if action),
            dim=self._dim(),
            stage=() if self._clips_are_shown() else words.stage(state, stage, self.run_dir),
            waiting=stage.drawn if stage is not None else None,
            note=note,
            note_kind=kind,
            page=self.page,
            paused=paused,
        )

    def _dim(self) -> frozenset[str]:
        choices = set() if self._clips_are_shown() else {*CHOICES} - {"skip" if self._is_broken() else ""}
        return frozenset(choices | (set() if self.clerk.state.can_undo else {"undo"}))

    def _note(self) -> tuple[str | None, Literal["news", "warning"]]:
        error = self.clerk.state.error
        if error is not None:
            return (f"Not stored yet, trying again: {error}" if self.clerk.is_busy else error), "warning"
        if self.note is None or time.monotonic() > self.note[2]:
            return None, "news"
        return self.note[:2]


def label(
    run_dir: Path | str,
    *,
    goal: str | None = None,
    annotator: str | None = None,
    repeat_share: float = 0.05,
    clip_size: int = 320,
    on_lost: Callable[[], int] = lambda: 1,
) -> Summary | None:
    """Open the window on a run, in the main thread, until the person leaves; print the summary and return it.

    The run need not exist yet, and no trainer need be at work. `goal` is stored with the run; `annotator` is the name
    of the user if None; `clip_size` is the side of the pictures in pixels, where the environment draws at any size.
    The process cannot outlive an X display that goes; `on_lost` is called before, and gives its exit code.

    Raises:
        UsageError: there is no display, or an option makes no sense.
    """
    options = Options(annotator or user_name(), goal, repeat_share)
    if not 16 <= clip_size <= 2048:
        raise UsageError(f"--clip-size is {clip_size}; give a number of pixels from 16 to 2048")
    return Window(Path(run_dir), options, clip_size, on_lost).run()
