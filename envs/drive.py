"""A game of driving, where how one drives is a matter of taste."""

import math
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .track import HALF_WIDTH, SHOULDER, Track

Taste = Literal["smooth", "fast", "drift"]
Obs = NDArray[np.float64]

DT = 0.04  # seconds a step
WHEELBASE = 2.6  # metres
STEER_MAX, STEER_RATE = 0.5, 2.0  # rad, rad/s
ENGINE_RATE = 5.0  # 1/s; from coasting to full throttle in a fifth of a second
POWER, BRAKES = 7.0, 12.0  # m/s^2 at full throttle and at full brakes
DRAG, GRASS_DRAG = 0.012, 1.0  # 1/m, 1/s
CORNERING = 10.0  # m/s^2 that the front tyres can turn the car by
GRIP, GRIP_LOST_TO_POWER = 9.0, 0.45  # m/s^2 of the rear tyres, and the share of it that full throttle takes
STIFFNESS = 10.0  # 1/s; sideways slip to sideways force
LOOKAHEAD = (0, 4, 8, 13, 19, 26, 34)  # metres
TRAIL, TRAIL_EVERY = 20, 2  # places drawn behind the car, and the steps between two

CAR = 8  # numbers of the state that describe the car; the trail follows


class DriveEnv(gym.Env[Obs, NDArray[np.float32]]):
    """A car on a closed track, from above. Actions (2,) from -1 to 1: steering, left positive, and throttle or brake.

    It observes (15,): forward and sideways speed, steering angle, throttle, distance from the centre line, sine and
    cosine of the heading against the line's, how far off the road it is, and the line's curvature at seven places
    ahead. Beyond the road lies grass, which slows the car down, and beyond the grass a wall. No episode ends early.

    `taste` chooses the true reward and nothing else: "smooth" likes an easy pace, gentle hands and the middle of the
    road; "fast" likes metres won; "drift" likes to go sideways. `info` tells speed (m/s), progress (m), lateral
    acceleration (m/s^2), lateral jerk (m/s^3), slip angle (rad) and distance from the edge of the road (m).
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  # Gymnasium's own attribute
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / DT),
        "goal": "Drive the way that you like best.",
    }

    def __init__(self, taste: Taste = "smooth", render_mode: str | None = None) -> None:
        if taste not in get_args(Taste):
            raise ValueError(f"taste is {taste!r}; choose {' or '.join(get_args(Taste))}")
        self.taste, self.render_mode = taste, render_mode
        self.track = Track()
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(8 + len(LOOKAHEAD),), dtype=np.float64)
        self.action_space = spaces.Box(-1, 1, shape=(2,), dtype=np.float32)
        self.x = self.y = self.heading = self.speed = self.sideways = self.steer = self.engine = 0.0
        self.index, self.step_count = 0, 0
        self.trail = np.zeros((TRAIL, 3))  # x, y, sideways speed; the latest first
        self._view: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        super().reset(seed=seed)
        self.index = int(self.np_random.integers(self.track.length))
        self.x, self.y, self.heading = self.track.at(self.index, float(self.np_random.uniform(-1, 1)))
        self.heading += float(self.np_random.uniform(-0.1, 0.1))
        self.speed, self.sideways = float(self.np_random.uniform(0, 8)), 0.0
        self.steer = self.engine = 0.0
        self.step_count = 0
        self.trail[:] = self.x, self.y, 0.0
        return self._obs(*self._place()), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        force_before, (along_before, index_before) = self._lateral_force(), (self._place()[0], self.index)
        wheel, pedal = np.asarray(action, dtype=np.float64).tolist()
        self._drive(min(max(wheel, -1.0), 1.0), min(max(pedal, -1.0), 1.0))
        along, left, turned = self._place()
        if abs(left) > HALF_WIDTH + SHOULDER:
            left, turned = self._hit_wall(left)
        moved = (self.index - index_before + self.track.length // 2) % self.track.length - self.track.length // 2
        force = self._lateral_force()
        info = {
            "speed": math.hypot(self.speed, self.sideways),
            "progress": moved * self.track.spacing + along - along_before,
            "lateral_acceleration": force,
            "lateral_jerk": (force - force_before) / DT,
            "slip": math.atan2(abs(self.sideways), max(self.speed, 2.0)),
            "edge_distance": HALF_WIDTH - abs(left),
        }
        self._leave_trail()
        return self._obs(along, left, turned), self._reward(info), False, False, info

    def _drive(self, wheel: float, pedal: float) -> None:
        """One step of a bicycle model whose rear tyres can slide."""
        turn, push = STEER_RATE * DT, ENGINE_RATE * DT
        self.steer += min(max(wheel * STEER_MAX - self.steer, -turn), turn)
        self.engine += min(max(pedal - self.engine, -push), push)
        most = CORNERING / max(self.speed, 1.0)
        yaw_rate = min(max(self.speed * math.tan(self.steer) / WHEELBASE, -most), most)
        forward = (POWER if self.engine > 0 else BRAKES) * self.engine - DRAG * self.speed**2
        if abs(self._place()[1]) > HALF_WIDTH:
            forward -= GRASS_DRAG * self.speed
        speed = self.speed + (forward + self.sideways * yaw_rate) * DT
        self.sideways += (self._lateral_force() - self.speed * yaw_rate) * DT
        self.speed = max(speed, 0.0)
        self.heading += yaw_rate * DT
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        self.x += (self.speed * cos - self.sideways * sin) * DT
        self.y += (self.speed * sin + self.sideways * cos) * DT

    def _lateral_force(self) -> float:
        """What the tyres push the car to its left by, in m/s^2."""
        grip = GRIP * (1 - GRIP_LOST_TO_POWER * max(self.engine, 0.0))
        return min(max(-STIFFNESS * self.sideways, -grip), grip)

    def _place(self) -> tuple[float, float, float]:
        """(metres beyond the track's nearest point, metres left of the line, heading against the line's)."""
        self.index, along, left, heading = self.track.locate(self.x, self.y, self.index)
        return along, left, self.heading - heading

    def _hit_wall(self, left: float) -> tuple[float, float]:
        """Slide along the wall: the speed into it is lost, some of the rest too, and the car is turned along it."""
        wall = math.copysign(HALF_WIDTH + SHOULDER, left)
        self.x, self.y, line = self.track.at(self.index, wall)
        before = math.remainder(self.heading - line, 2 * math.pi)
        pace = 0.96 * (self.speed * math.cos(before) - self.sideways * math.sin(before))
        turned = 0.85 * before
        self.heading = line + turned
        self.speed, self.sideways = max(pace * math.cos(turned), 0.0), -pace * math.sin(turned)
        return wall, turned

    def _reward(self, info: dict[str, float]) -> float:
        pace = info["progress"] / DT
        off_road = max(-info["edge_distance"], 0.0)
        if self.taste == "smooth":
            hurry = abs(pace - 8) / 8
            rough = (info["lateral_acceleration"] / 5) ** 2 + abs(info["lateral_jerk"]) / 30
            aside = 1 - info["edge_distance"] / HALF_WIDTH
            return 1.0 - min(hurry, 2.0) - 0.5 * min(rough, 4.0) - 0.5 * aside**2
        if self.taste == "fast":
            return pace / 10 - off_road
        return min(info["slip"], 0.6) / 0.6 * min(max(pace, 0.0), 8.0) / 8 + pace / 40 - off_road

    def _obs(self, along: float, left: float, turned: float) -> Obs:
        off_road = max(abs(left) - HALF_WIDTH, 0.0)
        ahead = [20 * c for c in self.track.curvatures_ahead(self.index, LOOKAHEAD)]
        car = [self.speed / 10, self.sideways / 3, self.steer / STEER_MAX, self.engine, left / HALF_WIDTH]
        return np.array([*car, math.sin(turned), math.cos(turned), off_road, *ahead])

    def _leave_trail(self) -> None:
        self.step_count += 1
        if self.step_count % TRAIL_EVERY == 0:
            self.trail[1:] = self.trail[:-1]
            self.trail[0] = self.x, self.y, self.sideways

    def get_sim_state(self) -> NDArray[np.float64]:
        """All that moves and can be seen (`CAR` + 3 * `TRAIL`,), and the step's number that the trail goes by."""
        car = (self.x, self.y, self.heading, self.speed, self.sideways, self.steer, self.engine, self.step_count)
        return np.concatenate([car, self.trail.ravel()])

    def set_sim_state(self, state: NDArray[np.float64]) -> None:
        """Go on from a state of `get_sim_state`."""
        *car, steps = state[:CAR].tolist()
        self.x, self.y, self.heading, self.speed, self.sideways, self.steer, self.engine = car
        self.step_count = int(steps)
        self.trail = state[CAR:].reshape(TRAIL, 3).copy()
        self.index = int(np.argmin(np.sum((self.track.points - state[:2]) ** 2, axis=1)))

    def render(self) -> NDArray[np.uint8] | None:
        """The view from above that follows the car (480, 480, 3)."""
        if self.render_mode is None:
            return None
        if self._view is None:
            from .drive_view import DriveView  # pygame is slow to import, and training draws nothing

            self._view = DriveView(self.track)
        picture: NDArray[np.uint8] = self._view.draw(self)
        return picture
