"""Open a window on the display, and say so if the display goes."""

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import pygame

from prefrl.errors import Terminated, UsageError
from prefrl.labelling.window.layout import BASE
from prefrl.rendering.simulator_state import has_display

UNSEEN = ("dummy", "offscreen")
"""Drivers that SDL falls back to, whose windows cannot be seen."""

_kept: list[Any] = []  # a callback that C holds must not be collected


def require_display() -> None:
    """Raise `UsageError` where there is no display: ask before making anything that needs a window."""
    if not has_display() and "SDL_VIDEODRIVER" not in os.environ:
        raise UsageError("there is no display to open a window on; work at a desktop, or connect with ssh -X")


def open_display(on_lost: Callable[[], int]) -> pygame.Surface:
    """A resizable window. If the X server goes, `on_lost` is called, and the process ends with the code that it gives.

    Raises:
        UsageError: there is no display.
    """
    os.environ.setdefault("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0")  # the desktop's effects stay on
    os.environ.setdefault("SDL_VIDEO_ALLOW_SCREENSAVER", "1")
    os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "prefrl")  # what task bars show, not __main__.py
    require_display()
    try:
        pygame.display.init()  # not pygame.init: sound is not needed, and may hang where there is none
        if pygame.display.get_driver() in UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
            raise pygame.error(f"the display {os.environ.get('DISPLAY', '')} does not answer")
        pygame.font.init()
        desktop = pygame.display.get_desktop_sizes()[0]
        scale = max(1.0, 0.8 * min(desktop[0] / BASE[0], desktop[1] / BASE[1]))
        size = min(desktop[0], round(BASE[0] * scale)), min(desktop[1], round(BASE[1] * scale))
        pygame.display.set_caption("prefrl")
        screen = pygame.display.set_mode(size, pygame.RESIZABLE)
    except pygame.error as error:
        raise UsageError(f"cannot open a window: {error}; work at a desktop, or connect with ssh -X") from error
    if pygame.display.get_driver() == "x11":
        _watch_x11(on_lost)
    return screen


def toggle_full_screen(before: tuple[int, int] | None) -> tuple[int, int] | None:
    """Switch to the full screen, or back to a window of size `before`.

    Returns the size to come back to, None in a window.
    """
    if before is not None:
        pygame.display.set_mode(before, pygame.RESIZABLE)
        return None
    size = pygame.display.get_surface().get_size()  # type: ignore[union-attr]
    pygame.display.set_mode(pygame.display.get_desktop_sizes()[0], pygame.FULLSCREEN)
    return size


def _watch_x11(on_lost: Callable[[], int]) -> None:
    """Xlib ends the process when the server goes; before that, it calls this handler."""

    def handler(_display: Any) -> int:
        code = 1
        try:
            code = on_lost()
        except KeyboardInterrupt:
            code = 130
        except Terminated:
            code = 143
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(handler)
    _kept.append(callback)
    x11.XSetIOErrorHandler(callback)
