"""Pictures of `drive`, drawn by pygame on surfaces in memory: no display is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pygame
from numpy.typing import NDArray

from .track import HALF_WIDTH, SHOULDER, SIZE, Track

if TYPE_CHECKING:
    from .drive import DriveEnv

Colour = tuple[int, int, int]
Place = tuple[float, float]

WINDOW = 480  # pixels
SCALE = 10  # pixels a metre
MARGIN = 25  # metres of meadow around the track, so that the view never leaves the picture
MAP_SCALE = 0.75  # pixels a metre of the small map

MEADOW: Colour = (96, 142, 72)
MOWN: Colour = (104, 151, 78)
VERGE: Colour = (134, 166, 92)
ROAD: Colour = (72, 74, 80)
WHITE: Colour = (236, 236, 230)
KERB: Colour = (200, 58, 48)
WALL: Colour = (40, 42, 48)
CAR_BODY: Colour = (235, 180, 40)
GLASS: Colour = (38, 52, 66)
TYRE: Colour = (24, 24, 26)
SMOKE: Colour = (214, 214, 212)


class DriveView:
    """Draws a `DriveEnv` from above. The world is drawn once; each frame is a part of it with the car on top."""

    def __init__(self, track: Track) -> None:
        self._world = _world(track)
        self._map = _map(track)
        self._car = _car()

    def draw(self, env: DriveEnv) -> NDArray[np.uint8]:
        """The state of `env` (WINDOW, WINDOW, 3): the car, a little below the middle of where it is heading."""
        corner = self._corner(env)
        frame = pygame.Surface((WINDOW, WINDOW))
        frame.blit(self._world, (0, 0), pygame.Rect(*corner, WINDOW, WINDOW))
        self._draw_trail(frame, env, corner)
        self._draw_car(frame, env, corner)
        self._draw_map(frame, env)
        _draw_pace(frame, env)
        pixels: NDArray[np.uint8] = pygame.surfarray.array3d(frame).swapaxes(0, 1)
        return np.ascontiguousarray(pixels)

    def _corner(self, env: DriveEnv) -> tuple[int, int]:
        """The upper left pixel of the part of the world to show."""
        ahead = 6.0
        x, y = _pixel(env.x + ahead * math.cos(env.heading), env.y + ahead * math.sin(env.heading))
        width, height = self._world.get_size()
        left = min(max(round(x) - WINDOW // 2, 0), width - WINDOW)
        return left, min(max(round(y) - WINDOW // 2, 0), height - WINDOW)

    def _draw_trail(self, frame: pygame.Surface, env: DriveEnv, corner: tuple[int, int]) -> None:
        """Where the car has been: dots that fade, and smoke where it slid."""
        layer = pygame.Surface((WINDOW, WINDOW), pygame.SRCALPHA)
        for age, (x, y, sideways) in reversed(list(enumerate(env.trail.tolist()))):
            fade = 1 - age / len(env.trail)
            at = _inside(_pixel(x, y), corner)
            pygame.draw.circle(layer, (*CAR_BODY, round(150 * fade)), at, 3)
            slid = min(abs(sideways) / 4, 1.0)
            if slid > 0.25:
                pygame.draw.circle(layer, (*SMOKE, round(110 * fade * slid)), at, round(7 + 0.7 * age))
        frame.blit(layer, (0, 0))

    def _draw_car(self, frame: pygame.Surface, env: DriveEnv, corner: tuple[int, int]) -> None:
        at = _inside(_pixel(env.x, env.y), corner)
        for forward, left in ((1.3, 0.8), (1.3, -0.8)):  # the front wheels show the steering
            cos, sin = math.cos(env.heading), math.sin(env.heading)
            wheel = _pixel(env.x + forward * cos - left * sin, env.y + forward * sin + left * cos)
            _draw_wheel(frame, _inside(wheel, corner), env.heading + env.steer)
        picture = pygame.transform.rotozoom(self._car, math.degrees(env.heading), 1 / 4)
        frame.blit(picture, picture.get_rect(center=at))
        if env.engine < -0.1:
            for left in (0.6, -0.6):
                cos, sin = math.cos(env.heading), math.sin(env.heading)
                lamp = _pixel(env.x - 2.05 * cos - left * sin, env.y - 2.05 * sin + left * cos)
                pygame.draw.circle(frame, (255, 50, 40), _inside(lamp, corner), 3)

    def _draw_map(self, frame: pygame.Surface, env: DriveEnv) -> None:
        frame.blit(self._map, (WINDOW - self._map.get_width() - 10, 10))
        at = (
            WINDOW - self._map.get_width() - 10 + round(env.x * MAP_SCALE) + 6,
            10 + round((SIZE[1] - env.y) * MAP_SCALE) + 6,
        )
        pygame.draw.circle(frame, CAR_BODY, at, 4)


def _draw_pace(frame: pygame.Surface, env: DriveEnv) -> None:
    """Two bars: speed, of 25 m/s, and the pedals, green or red from the middle."""
    back = pygame.Surface((132, 34), pygame.SRCALPHA)
    back.fill((20, 22, 26, 150))
    pygame.draw.rect(back, (245, 245, 240), (6, 6, round(120 * min(env.speed / 25, 1.0)), 9), border_radius=3)
    pedal = round(60 * env.engine)
    colour = (110, 210, 110) if pedal > 0 else (235, 80, 66)
    pygame.draw.rect(back, colour, (66 + min(pedal, 0), 20, abs(pedal), 8), border_radius=3)
    pygame.draw.line(back, (245, 245, 240), (66, 18), (66, 29))
    frame.blit(back, (10, WINDOW - 44))


def _draw_wheel(frame: pygame.Surface, at: Place, heading: float) -> None:
    cos, sin = math.cos(heading), -math.sin(heading)
    corners = [(4 * a * cos - 2 * b * sin, 4 * a * sin + 2 * b * cos) for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    pygame.draw.polygon(frame, TYRE, [(at[0] + x, at[1] + y) for x, y in corners])


def _pixel(x: float, y: float) -> Place:
    """Where a place in metres, with y upwards, lies on the picture of the world, with y downwards."""
    return (x + MARGIN) * SCALE, (SIZE[1] - y + MARGIN) * SCALE


def _inside(pixel: Place, corner: tuple[int, int]) -> Place:
    return pixel[0] - corner[0], pixel[1] - corner[1]


def _world(track: Track) -> pygame.Surface:
    """Meadow, trees, verge, wall, road, kerbs and lines."""
    size = tuple(round((length + 2 * MARGIN) * SCALE) for length in SIZE)
    world = pygame.Surface(size)
    world.fill(MEADOW)
    for x in range(0, size[0], 120):
        pygame.draw.rect(world, MOWN, (x, 0, 60, size[1]))
    _plant(world, track)
    for half, colour in ((HALF_WIDTH + SHOULDER + 0.9, WALL), (HALF_WIDTH + SHOULDER + 0.3, VERGE)):
        _pave(world, track, half, colour)
    _draw_kerbs(world, track)
    _pave(world, track, HALF_WIDTH, WHITE)
    _pave(world, track, HALF_WIDTH - 0.2, ROAD)
    for start in range(0, track.length, 6):
        a, b = (_pixel(*track.points[(start + step) % track.length]) for step in (0, 2))
        pygame.draw.line(world, (150, 150, 148), a, b, 2)
    _draw_start(world, track)
    return world


def _pave(world: pygame.Surface, track: Track, half_width: float, colour: Colour) -> None:
    """Discs along the line: a band with no seams, and no crossing on the inside of a bend."""
    fine = np.concatenate([track.points, (track.points + np.roll(track.points, -1, axis=0)) / 2])
    for x, y in fine.tolist():
        pygame.draw.circle(world, colour, _pixel(x, y), half_width * SCALE)


def _draw_kerbs(world: pygame.Surface, track: Track) -> None:
    """Red and white blocks beside the road where it bends."""
    for index in np.flatnonzero(np.abs(track.curvatures) > 0.03).tolist():
        for side in (1, -1):
            x, y, _ = track.at(index, side * (HALF_WIDTH + 0.1))
            pygame.draw.circle(world, KERB if index // 2 % 2 else WHITE, _pixel(x, y), 0.75 * SCALE)


def _draw_start(world: pygame.Surface, track: Track) -> None:
    for row in range(2):
        for square in range(round(2 * HALF_WIDTH)):
            x, y, _ = track.at(row, square + 0.5 - HALF_WIDTH)
            colour = WHITE if (row + square) % 2 else TYRE
            px, py = _pixel(x, y)
            pygame.draw.rect(world, colour, (px - SCALE / 2, py - SCALE / 2, SCALE, SCALE))


def _plant(world: pygame.Surface, track: Track) -> None:
    """Trees at random, but always the same, places clear of the track."""
    rng = np.random.default_rng(7)
    for x, y in rng.uniform((-MARGIN, -MARGIN), (SIZE[0] + MARGIN, SIZE[1] + MARGIN), size=(420, 2)):
        radius = rng.uniform(1.2, 2.6)
        if np.min(np.hypot(*(track.points - (x, y)).T)) < HALF_WIDTH + SHOULDER + 2 + radius:
            continue
        px, py = _pixel(x, y)
        green = int(rng.integers(-14, 14))
        pygame.draw.circle(world, (66, 104, 54), (px + 5, py + 6), radius * SCALE)
        pygame.draw.circle(world, (44, 96 + green, 50), (px, py), radius * SCALE)
        pygame.draw.circle(world, (62, 122 + green, 62), (px - 3, py - 4), radius * SCALE * 0.6)


def _map(track: Track) -> pygame.Surface:
    size = [round(length * MAP_SCALE) + 12 for length in SIZE]
    small = pygame.Surface(size, pygame.SRCALPHA)
    small.fill((20, 22, 26, 120))
    line = [(x * MAP_SCALE + 6, (SIZE[1] - y) * MAP_SCALE + 6) for x, y in track.points.tolist()]
    pygame.draw.lines(small, (*WHITE, 220), True, line, 3)
    return small


def _car() -> pygame.Surface:
    """The car heading right, four times as large as it will be shown, so that turning it leaves smooth edges."""
    metre = 4 * SCALE
    picture = pygame.Surface((round(4.6 * metre), round(2.4 * metre)), pygame.SRCALPHA)

    def box(colour: Colour, x: float, y: float, length: float, width: float, round_by: float) -> None:
        at = ((x + 2.3) * metre, (y + 1.2) * metre, length * metre, width * metre)
        pygame.draw.rect(picture, colour, at, border_radius=round(round_by * metre))

    for side in (-1.08, 0.72):
        box(TYRE, -1.7, side, 0.8, 0.36, 0.08)  # rear wheels
    box((190, 140, 26), -2.15, -0.9, 4.3, 1.8, 0.5)
    box(CAR_BODY, -2.1, -0.82, 4.2, 1.64, 0.45)
    box(GLASS, -1.25, -0.66, 2.1, 1.32, 0.35)
    box(CAR_BODY, -0.85, -0.56, 1.15, 1.12, 0.2)  # roof
    box(WHITE, 1.85, -0.7, 0.18, 0.36, 0.05)  # lamps
    box(WHITE, 1.85, 0.34, 0.18, 0.36, 0.05)
    return picture
