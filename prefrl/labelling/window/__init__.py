"""The labelling window: the only place that knows pygame."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # here, before any module of these imports pygame
