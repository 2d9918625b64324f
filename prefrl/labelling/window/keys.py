"""Which action a key, or a button of a game pad, stands for."""

import pygame

KEYS = {
    pygame.K_LEFT: "left",
    pygame.K_RIGHT: "right",
    pygame.K_UP: "tie",
    pygame.K_DOWN: "skip",
    pygame.K_u: "undo",
    pygame.K_SPACE: "pause",
    pygame.K_r: "restart",
    pygame.K_1: "speed 0.25",
    pygame.K_2: "speed 0.5",
    pygame.K_3: "speed 1",
    pygame.K_4: "speed 2",
    pygame.K_f: "full screen",
    pygame.K_ESCAPE: "leave",
}
TYPED = {",": "back", ".": "forward", "?": "help"}  # where these are on a keyboard depends on its language
TYPED |= {"1": "speed 0.25", "2": "speed 0.5", "3": "speed 1", "4": "speed 2"}  # with shift, or on a number pad
SHOULDERS = {4: "left", 5: "right"}

NO_ACTION = "none"
"""What any other key stands for; it still closes a page."""


def action(event: pygame.event.Event) -> str | None:
    """The action of a key that was pressed; None if `event` is something else."""
    if event.type == pygame.JOYBUTTONDOWN:
        return SHOULDERS.get(event.button, NO_ACTION)
    if event.type != pygame.KEYDOWN:
        return None
    if event.key == pygame.K_z and event.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
        return "undo"
    return TYPED.get(event.unicode) or KEYS.get(event.key, NO_ACTION)
