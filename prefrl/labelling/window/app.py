"""The labelling window: a loop that acts on keys, and shows what the service has."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pygame

from prefrl.labelling import actions, messages
from prefrl.labelling.actions import AnswerButton
from prefrl.labelling.playback import Playback
from prefrl.labelling.player import Player
from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import Options, State, user_name
from prefrl.labelling.summary import Summary
from prefrl.labelling.window import keys
from prefrl.labelling.window.display import open_display, toggle_full_screen
from prefrl.labelling.window.draw import draw_bar, draw_over, draw_still
from prefrl.labelling.window.layout import Layout, layout
from prefrl.labelling.window.scene import NoteKind, Page, Scene, dim, lit
from prefrl.labelling.window.views import VIEWS

TICK, IDLE_TICK = 16, 200
"""Milliseconds between two looks at the clock, while clips play and otherwise; events are taken at once."""

NOTE_SECONDS = 3.0


class Window:
    """One person's window on a run."""

    def __init__(
        self,
        run_dir: Path,
        options: Options,
        on_lost: Callable[[], int] = lambda: 1,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_lost` and `is_over` as in `label`."""
        self.run_dir, self.on_lost, self.is_over = run_dir, on_lost, is_over
        self.screen = open_display(self._display_lost)
        self.wake = pygame.event.custom_type()
        self.woken = threading.Event()
        self.service = LabellingService(run_dir, options, np.random.default_rng(), self._wake)
        self.state = State()
        """The service's, as this turn of the loop shows it."""

        self.player: Player | None = None
        """None until the run has a store."""

        self.kind = "comparison"
        """Of the question on the screen, or of the last one."""

        self.unsure: str | None = None
        """The action of an answer that is to be confirmed, since the clips were not seen to their end."""

        self.note: tuple[str, NoteKind, float] | None = None
        """A sentence, its kind, and the time at which it goes."""

        self.page: Page | None = None
        self.windowed: tuple[int, int] | None = None
        """The size to come back to from the full screen."""

        self.scrubbing = self.leaving = False
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
            while not self.leaving and not self.is_over():
                now = time.monotonic()
                if self.player is not None and self.page is None and not self.scrubbing:
                    self.player.advance(now - before)
                before = now
                self._follow()
                self._show()
                first = pygame.event.wait(TICK if self._moves else IDLE_TICK)
                for event in (first, *pygame.event.get()):
                    self._handle(event)
        finally:
            pygame.quit()
            summary = self._finish()
        return summary

    @property
    def _moves(self) -> bool:
        return self._clips_are_shown and self.player is not None and not self.player.is_paused

    @property
    def _clips_are_shown(self) -> bool:
        return self.player is not None and self.player.playback is not None

    @property
    def _is_broken(self) -> bool:
        return self.player is not None and self.player.error is not None

    def _display_lost(self) -> int:
        print("the display is gone, but your answers are stored; go on with:", file=sys.stderr)
        print(f"prefrl label {self.run_dir}", file=sys.stderr)
        self._finish()
        return self.on_lost()

    def _finish(self) -> Summary | None:
        """Leave, and print the summary on the terminal."""
        summary = self.service.leave()
        if summary is not None and summary.labels:
            print("\n".join(messages.summary(summary)), flush=True)
        if self.service.is_busy:
            print(f"the last key was not stored: {self.service.state.error}", file=sys.stderr)
        return summary

    def _follow(self) -> None:
        """Take up what the service has done since."""
        self.woken.clear()
        before, self.state = self.state, self.service.state
        if self.player is None and self.service.clips is not None and self.state.env_id is not None:
            self.player = Player(self.service.clips)
            pygame.display.set_caption(f"prefrl: {self.state.env_id}, {self.run_dir}")
        if self.state.jobs_done != before.jobs_done and self.state.note is not None:
            self._say(self.state.note)
        if self.player is not None and self.player.follow(self.state.showing):
            self.unsure = None
        if self.state.showing is not None:
            self.kind = self.state.showing.kind

    def _say(self, note: str, kind: NoteKind = "news") -> None:
        self.note = note, kind, time.monotonic() + NOTE_SECONDS

    def _handle(self, event: pygame.event.Event) -> None:
        key = keys.pressed(event)
        if key is not None:
            self._act(actions.action(key, self.kind))
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
        place = self._place()
        action, clip = place.button_at(point), place.clip_at(point)
        if self.page is not None:
            self.page = None
        elif action is not None:
            self._act(action)
        elif self._clips_are_shown and place.bar.collidepoint(point):
            self.scrubbing = True
            self._scrub(point)
        elif self._clips_are_shown and clip is not None:
            self._act(VIEWS[self.kind].clicked(clip))

    def _scrub(self, point: tuple[int, int]) -> None:
        if self.player is not None:
            bar = self._place().bar
            self.player.scrub((point[0] - bar.left) / bar.width)

    def _act(self, action: str | None) -> None:
        """Do what a key or a button stands for; None closes a page."""
        if self.page is not None:
            self.leaving = action == "leave" and not self.page.keys
            self.page = None
        elif action is None:
            return
        elif (button := actions.answer_button(action, self.kind)) is not None:
            self._answer(button)
        elif action == "undo":
            if not self.service.is_busy:
                self.service.undo()
        elif action == "help":
            self.page = Page(messages.HELP, keys=actions.help_lines(self.kind))
        elif action == "leave":
            self._leave()
        elif action == "full screen":
            self.windowed = toggle_full_screen(self.windowed)
            self.drawn = None
        elif self.player is not None:
            self.player.act(action)

    def _answer(self, button: AnswerButton) -> None:
        player, state = self.player, self.state
        if player is None or player.showing is None:
            return
        if self.service.is_busy or self.service.state.jobs_done != state.jobs_done:
            return  # the last answer is on its way, or what comes next is not on the screen yet
        if player.playback is None and (button.needs_clips or not self._is_broken):
            return  # nobody can have seen anything yet
        if player.playback is not None and not player.playback.seen and self.unsure != button.action:
            self.unsure = button.action
            self._say(messages.not_seen_yet(button), "warning")
            return
        self.unsure = self.note = None
        shown_at = player.shown_at
        self.service.answer(player.showing.question_id, button.value, shown_at=shown_at, answered_at=time.time())

    def _leave(self) -> None:
        summary = self.service.summary()
        if summary is None or not summary.labels:
            self.leaving = True
        else:
            heading, *lines = messages.so_far(summary)
            self.page = Page(heading, tuple(lines))

    def _place(self) -> Layout:
        width, height = self.screen.get_size()
        aspect = self.player.aspect if self.player is not None else 1.0
        return layout((max(width, 480), max(height, 320)), aspect, self.kind)

    def _show(self) -> None:
        """Draw what changed."""
        self.screen = pygame.display.get_surface() or self.screen
        place, scene = self._place(), self._scene()
        playback = self.player.playback if self.player is not None else None
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
        player = self.player
        if player is None or player.playback is None or player.clips is None:
            return
        VIEWS[self.kind].draw(self.screen, player, place.clips, place.scale)
        draw_bar(self.screen, place, min(1.0, player.playback.position / player.playback.duration))
        player.mark_shown()

    def _scene(self) -> Scene:
        state, player = self.state, self.player
        note, kind = self._note()
        error = player.error if player is not None else None
        pointed = self._place().button_at(pygame.mouse.get_pos())
        return Scene(
            size=self.screen.get_size(),
            aspect=player.aspect if player is not None else 1.0,
            showing=player.showing if player is not None and self._clips_are_shown else None,
            goal="   ".join(filter(None, (messages.question(self.kind), messages.goal(state)))),
            training=messages.training(state),
            pace=messages.pace(state),
            progress=messages.progress(state),
            lit=lit(player, pointed, self.unsure),
            dim=dim(state, player, self.kind),
            no_clips=() if self._clips_are_shown else messages.no_clips(state, self.run_dir, error),
            drawn=player.drawn if player is not None else None,
            note=note,
            note_kind=kind,
            page=self.page,
            paused=player is not None and player.is_paused,
        )

    def _note(self) -> tuple[str | None, NoteKind]:
        if self.state.error is not None:
            return messages.failed(self.state.error, self.service.is_busy), "warning"
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
    is_over: Callable[[], bool] = lambda: False,
) -> Summary | None:
    """Open the window on a run, in the main thread, until the person leaves; print the summary and return it.

    The run need not exist yet, and no trainer need be running. `goal` is stored with the run; `annotator` is the name
    of the user if None; `clip_size` is the side of the clips in pixels, where the environment draws at any size.
    The process cannot outlive an X display that goes; `on_lost` is called before, and gives its exit code. The window
    closes as soon as `is_over` says that there will be nothing to label.

    Raises:
        UsageError: there is no display, or an option makes no sense.
    """
    options = Options(annotator or user_name(), goal, repeat_share, clip_size)
    return Window(Path(run_dir), options, on_lost, is_over).run()
