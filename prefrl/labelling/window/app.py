"""The labelling window: a loop that acts on keys, and shows what the service has."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame

from prefrl.data.text import plain, shell
from prefrl.labelling import actions, messages, waiting
from prefrl.labelling.actions import AnswerButton
from prefrl.labelling.interlude import Interlude
from prefrl.labelling.player import Player
from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import Options, State, user_name
from prefrl.labelling.summary import Summary
from prefrl.labelling.window import keys
from prefrl.labelling.window.canvas import Canvas
from prefrl.labelling.window.display import open_display, toggle_full_screen
from prefrl.labelling.window.layout import Plan, clip_size
from prefrl.labelling.window.notices import NoteKind, Notices
from prefrl.labelling.window.scene import Page, Scene, dim, lit
from prefrl.labelling.window.views import VIEWS

TICK, IDLE_TICK = 16, 200
"""Milliseconds between two looks at the clock, while clips play and otherwise; events are taken at once."""


class Window:
    """One person's window on a run."""

    def __init__(
        self,
        run_dir: Path,
        options: Options,
        on_lost: Callable[[], int] = lambda: 1,
        is_over: Callable[[], bool] = lambda: False,
        starts: Callable[[], bool] = lambda: False,
    ) -> None:
        """`on_lost`, `is_over` and `starts` as in `label`. Without `options.clip_size`, clips fit the window."""
        self.run_dir, self.on_lost, self.is_over, self.starts = run_dir, on_lost, is_over, starts
        self.canvas = Canvas(open_display(self._display_lost))
        self.wake = pygame.event.custom_type()
        self.woken = threading.Event()
        options = replace(options, clip_size=options.clip_size or clip_size(self.canvas.size))
        self.service = LabellingService(run_dir, options, np.random.default_rng(), self._wake)
        self.state = State()
        """The service's, as this turn of the loop shows it."""

        self.player: Player | None = None
        """None until the run has a store."""

        self.interlude = Interlude(self.service)
        """Shown while there is nothing to ask."""

        self.kind: str | None = None
        """Of the question on the screen, or of the last one; None before the first."""

        self.unsure: str | None = None
        """The action of an answer that is to be confirmed, since the clips were not seen to their end."""

        self.notices = Notices()
        self.page: Page | None = None
        self.windowed: tuple[int, int] | None = None
        """The size to come back to from the full screen."""

        self.scrubbing = self.leaving = False
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
                self._advance(now - before)
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

    def _advance(self, seconds: float) -> None:
        """Play on, unless the person reads something else."""
        if self.page is None and not self.scrubbing:
            if self.player is not None:
                self.player.advance(seconds)
            self.interlude.reel.advance(seconds)

    @property
    def _moves(self) -> bool:
        if self.player is not None and self._clips_are_shown:
            return not self.player.is_paused
        return self.canvas.moves or self.interlude.reel.playback is not None

    @property
    def _clips_are_shown(self) -> bool:
        return not self.interlude.is_end and self.player is not None and self.player.playback is not None

    @property
    def _error(self) -> str | None:
        return self.player.error if self.player is not None else None

    def _display_lost(self) -> int:
        print("the display is gone, but your answers are stored; go on with:", file=sys.stderr)
        print(f"prefrl label {shell(self.run_dir)}", file=sys.stderr)
        self._finish()
        return self.on_lost()

    def _finish(self) -> Summary | None:
        """Leave, and print the summary on the terminal."""
        summary = self.service.leave()
        if summary is not None and summary.labels:
            print("\n".join(messages.summary(summary)), flush=True)
        if self.service.is_busy:
            print(plain(f"the last key was not stored: {self.service.state.error}"), file=sys.stderr)
        return summary

    def _follow(self) -> None:
        """Take up what the service has done since."""
        self.woken.clear()
        before, self.state = self.state, self.service.state
        if self.player is None and self.service.clips is not None and self.state.env_id is not None:
            self.player = Player(self.service.clips)
            pygame.display.set_caption(plain(f"prefrl: {self.state.env_id}, {self.run_dir}"))
        if self.state.jobs_done != before.jobs_done and self.state.note is not None:
            self.notices.say(self.state.note)
        if self.player is not None and self.player.follow(self.state.showing):
            self.unsure = None
        if self.state.showing is not None:
            self.kind = self.state.showing.kind
        asking = self.player is not None and self.player.playback is not None
        self.interlude.follow(self.state, is_asking=asking, error=self._error, starts=self.starts())

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
            self.canvas.forget()

    def _click(self, point: tuple[int, int]) -> None:
        place = self.canvas.place
        action, clip = place.button_at(point), place.clip_at(point)
        if self.page is not None:
            self.page = None
        elif action is not None:
            self._act(action)
        elif self._clips_are_shown and place.bar.collidepoint(point):
            self.scrubbing = True
            self._scrub(point)
        elif self._clips_are_shown and clip is not None and self.kind is not None:
            self._act(VIEWS[self.kind].clicked(clip))

    def _scrub(self, point: tuple[int, int]) -> None:
        if self.player is not None:
            bar = self.canvas.place.bar
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
            self.canvas.forget()
        elif self.player is not None:
            self.player.act(action)

    def _answer(self, button: AnswerButton) -> None:
        player, state = self.player, self.state
        if player is None or player.showing is None or self.interlude.is_end:
            return
        if self.service.is_busy or self.service.state.jobs_done != state.jobs_done:
            return  # the last answer is on its way, or what comes next is not on the screen yet
        if player.playback is None and (button.needs_clips or self._error is None):
            return  # nobody can have seen anything yet
        if player.playback is not None and not player.playback.seen and self.unsure != button.action:
            self.unsure = button.action
            self.notices.say(messages.not_seen_yet(button), "warning")
            return
        self.unsure = None
        self.notices.forget()
        asked, shown_at = player.showing.question_id, player.shown_at
        self.service.answer(asked, button.value, shown_at=shown_at, answered_at=time.time())

    def _leave(self) -> None:
        summary = self.service.summary()
        if summary is None or not summary.labels or self.interlude.is_end:
            self.leaving = True  # there is nothing to say, or it is said
        else:
            heading, *lines = messages.so_far(summary)
            self.page = Page(heading, tuple(lines))

    def _show(self) -> None:
        self.canvas.show(self._scene(), self.player, self.interlude.reel, scrubbing=self.scrubbing)

    def _scene(self) -> Scene:
        state, player, interlude = self.state, self.player, self.interlude
        shown = player if self._clips_are_shown else None
        note, kind = self._note()
        return Scene(
            plan=self._plan(),
            showing=shown.showing if shown is not None else None,
            heading=messages.question(self.kind) if shown is not None else interlude.words.heading,
            goal=messages.goal(state),
            status=(messages.pace(state), messages.training(state)),
            progress=messages.progress(state),
            lit=lit(player, self.canvas.place.button_at(pygame.mouse.get_pos()), self.unsure),
            dim=dim(state, player, self.kind),
            words=interlude.words if shown is None else None,
            captions=interlude.captions,
            verdict=waiting.verdict(state, self.run_dir) if interlude.is_end else None,
            drawn=player.drawn if player is not None else None,
            banner=waiting.banner(state, self.run_dir),
            note=note,
            note_kind=kind,
            page=self.page,
            paused=shown is not None and shown.is_paused,
        )

    def _plan(self) -> Plan:
        banner, is_end, reel = waiting.banner(self.state, self.run_dir), self.interlude.is_end, self.interlude.reel
        if self.player is not None and self._clips_are_shown:
            return Plan(self.canvas.size, self.kind, self.player.aspect, banner=banner is not None)
        kind, lines = None if is_end else self.kind, len(self.interlude.words.lines)
        return Plan(self.canvas.size, kind, reel.aspect, len(reel.clips), lines, banner is not None, is_end)

    def _note(self) -> tuple[str | None, NoteKind]:
        if self.state.error is None:
            return self.notices.now()
        return messages.failed(self.state.error, self.service.is_busy), "warning"


def label(
    run_dir: Path | str,
    *,
    goal: str | None = None,
    annotator: str | None = None,
    repeat_share: float = 0.05,
    clip_size: int | None = None,
    on_lost: Callable[[], int] = lambda: 1,
    is_over: Callable[[], bool] = lambda: False,
    starts: Callable[[], bool] = lambda: False,
) -> Summary | None:
    """Open the window on a run, in the main thread, until the person leaves; print and return the summary.

    The run need not exist yet, and no trainer need be running. `goal` is stored with the run; `annotator` is the name
    of the user if None; `clip_size` is the side of the clips in pixels, where the environment draws at any size; None
    fits them to the window. The process cannot outlive an X display that goes; `on_lost` is called before, and gives
    its exit code. The window closes as soon as `is_over` says that there will be nothing to label; while the run does
    not exist, `starts` says whether a trainer is about to begin it.

    Raises:
        UsageError: there is no display, or an option makes no sense.
    """
    options = Options(annotator or user_name(), goal, repeat_share, clip_size)
    return Window(Path(run_dir), options, on_lost, is_over, starts).run()
