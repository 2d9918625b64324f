"""Reacher whose fingertip draws circles."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv
from numpy.typing import NDArray

Obs = NDArray[np.float64]
Step = tuple[Obs, float, bool, bool, dict[str, Any]]


class ReacherCircleEnv(ReacherEnv):
    """Gymnasium's Reacher, with weaker motors, whose task is to draw circles around a red ball that stays in its place.

    It observes (11,): cosines and sines of the two joints, their velocities, and, around the ball, the fingertip's
    distance, sine and cosine of its bearing, and speed outwards and anticlockwise. The true reward of a step is how
    near the fingertip is to the circle, from 0 to 1, times its speed anticlockwise over `PACE`, from -1 to 1, less a
    share of its distance from the circle over the radius, and a cost of control. `info["turns"]` counts the turns
    around the ball, forwards less backwards, and `info["off_circle"]` is the distance from the circle in metres.
    """

    GOAL = "Draw circles around the red ball, anticlockwise, round and steady."

    ARM = np.array([0.1, 0.11])  # metres from the shoulder to the elbow, and on to the fingertip
    CENTRE = (0.11, 0.0)  # metres from the shoulder
    RADIUS, NEAR = 0.06, 0.03  # metres
    PACE = 0.3  # m/s; four turns in five seconds
    POWER = 0.15  # of the motors' torque, which else flings the arm about
    FAR_COST, CONTROL_COST = 0.3, 0.02

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        camera: dict[str, Any] = {"lookat": np.array([0.05, 0, 0]), "distance": 0.6, "azimuth": 90, "elevation": -90}
        super().__init__(default_camera_config=camera, render_mode=render_mode, width=width, height=height)
        utils.EzPickle.__init__(self, render_mode, width, height)
        self.metadata = {**self.metadata, "goal": self.GOAL}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(11,), dtype=np.float64)
        self._turns = 0.0

    def reset_model(self) -> Obs:
        self._turns = 0.0
        joints = self.np_random.uniform((-np.pi, -2.5), (np.pi, 2.5))
        velocities = self.np_random.uniform(-0.005, 0.005, size=2)
        qpos, qvel = np.concatenate([joints, self.CENTRE]), np.concatenate([velocities, np.zeros(2)])
        self.set_state(qpos, qvel)  # type: ignore[no-untyped-call]
        return self._get_obs()

    def _fingertip(self) -> tuple[float, float, float, float]:
        """Around the ball: distance (m), bearing (rad), speed outwards and anticlockwise (m/s)."""
        angles, rates = np.cumsum(self.data.qpos[:2]), np.cumsum(self.data.qvel[:2])
        x, y = self.ARM @ np.cos(angles) - self.CENTRE[0], self.ARM @ np.sin(angles) - self.CENTRE[1]
        vx, vy = -self.ARM @ (np.sin(angles) * rates), self.ARM @ (np.cos(angles) * rates)
        distance = max(float(np.hypot(x, y)), 1e-6)
        return distance, float(np.arctan2(y, x)), (x * vx + y * vy) / distance, (x * vy - y * vx) / distance

    def _get_obs(self) -> Obs:
        joints, rates = self.data.qpos[:2], self.data.qvel[:2]
        distance, bearing, outwards, along = self._fingertip()
        around = (distance / self.RADIUS, np.sin(bearing), np.cos(bearing), outwards / self.PACE, along / self.PACE)
        return np.array([*np.cos(joints), *np.sin(joints), *rates, *around])

    def step(self, action: NDArray[np.float32]) -> Step:  # type: ignore[override]  # whose info holds only floats
        _, bearing_before, *_ = self._fingertip()
        self.do_simulation(self.POWER * action, self.frame_skip)
        distance, bearing, _, along = self._fingertip()
        off_circle = abs(distance - self.RADIUS)
        reward = float(np.exp(-((off_circle / self.NEAR) ** 2)) * np.clip(along / self.PACE, -1, 1))
        reward -= self.FAR_COST * off_circle / self.RADIUS + self.CONTROL_COST * float(np.square(action).sum())
        self._turns += math.remainder(bearing - bearing_before, 2 * math.pi) / (2 * math.pi)
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return self._get_obs(), reward, False, False, self._get_reset_info()

    def _get_reset_info(self) -> dict[str, float]:
        return {"turns": self._turns, "off_circle": abs(self._fingertip()[0] - self.RADIUS)}
