"""Reacher whose fingertip draws circles."""

from typing import Any

import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv
from numpy.typing import NDArray

Obs = NDArray[np.float64]
Step = tuple[Obs, float, bool, bool, dict[str, Any]]


class ReacherCircleEnv(ReacherEnv):
    """Gymnasium's Reacher, with weaker motors, whose task is to draw circles around a red ball that stays in its place.

    It observes (8,): cosines and sines of the two joints, their velocities, and the fingertip's place from the ball.
    The true reward of a step is how near the fingertip is to the circle, from 0 to 1, times its speed anticlockwise
    over `PACE`, from -1 to 1, less a cost of control. `info["turns"]` counts the turns around the ball, forwards less
    backwards, and `info["off_circle"]` is the fingertip's distance from the circle in metres.
    """

    GOAL = "Draw circles around the red ball, anticlockwise, round and steady."

    CENTRE = (0.11, 0.0)  # metres from the shoulder, of an arm 0.21 long
    RADIUS, NEAR = 0.06, 0.03  # metres
    PACE = 0.3  # m/s; four turns in five seconds
    POWER = 0.15  # of the motors' torque, which else flings the arm about
    CONTROL_COST = 0.05

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        super().__init__(render_mode=render_mode, width=width, height=height)
        utils.EzPickle.__init__(self, render_mode, width, height)
        self.metadata = {**self.metadata, "goal": self.GOAL}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(8,), dtype=np.float64)
        self._turns = 0.0

    def reset_model(self) -> Obs:
        self._turns = 0.0
        joints = self.np_random.uniform((-np.pi, -2.5), (np.pi, 2.5))
        velocities = self.np_random.uniform(-0.005, 0.005, size=2)
        self.set_state(np.concatenate([joints, self.CENTRE]), np.concatenate([velocities, np.zeros(2)]))  # type: ignore[no-untyped-call]
        return self._get_obs()

    def _from_centre(self) -> Obs:
        return np.asarray(self.data.body("fingertip").xpos[:2] - self.CENTRE)

    def _get_obs(self) -> Obs:
        joints = self.data.qpos[:2]
        return np.concatenate([np.cos(joints), np.sin(joints), self.data.qvel[:2], self._from_centre()])

    def step(self, action: NDArray[np.float32]) -> Step:  # type: ignore[override]  # whose info holds only floats
        before = self._from_centre()
        self.do_simulation(self.POWER * action, self.frame_skip)
        after = self._from_centre()
        (x, y), (dx, dy) = (before + after) / 2, after - before
        distance = float(np.hypot(x, y))
        along = (x * dy - y * dx) / max(distance, 1e-6) / self.dt  # m/s
        off_circle = abs(distance - self.RADIUS)
        reward = float(np.exp(-((off_circle / self.NEAR) ** 2)) * np.clip(along / self.PACE, -1, 1))
        reward -= self.CONTROL_COST * float(np.square(action).sum())
        self._turns += float(np.arctan2(before[0] * after[1] - before[1] * after[0], before @ after)) / (2 * np.pi)
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return self._get_obs(), reward, False, False, {"turns": self._turns, "off_circle": off_circle}
