"""Where people teach: a session over the store, and the front ends that show it."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # here, before any module of these imports pygame
