"""HalfCheetah that stands up on its hind leg."""

from typing import Any

import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from numpy.typing import NDArray

Obs = NDArray[np.float64]
Step = tuple[Obs, float, bool, bool, dict[str, Any]]


class HalfCheetahStandEnv(HalfCheetahEnv):
    """Gymnasium's HalfCheetah, whose task is to rise and stay upright, its nose to the sky.

    It observes (18,): the torso's height, the sine and cosine of its pitch, the six joint angles and the nine
    velocities. The true reward of a step is how upright the torso is, from -1 (on its head) to 1, less a cost of
    control; where it is positive, it falls to 0 as the speed over the ground reaches `PACE` m/s. `info["upright"]`
    tells how upright it is.
    """

    GOAL = "Stand up on the hind leg, and stay upright without walking off."

    PACE = 4.0
    CONTROL_COST = 0.02

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        super().__init__(render_mode=render_mode, width=width, height=height)
        utils.EzPickle.__init__(self, render_mode, width, height)
        self.metadata = {**self.metadata, "goal": self.GOAL}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(18,), dtype=np.float64)

    def _get_obs(self) -> Obs:
        height, pitch, *joints = self.data.qpos[1:]
        return np.array([height, np.sin(pitch), np.cos(pitch), *joints, *self.data.qvel])

    def step(self, action: NDArray[np.float32]) -> Step:  # type: ignore[override]  # whose info holds only floats
        self.do_simulation(action, self.frame_skip)
        upright, speed = -float(np.sin(self.data.qpos[2])), float(self.data.qvel[0])
        still = max(1 - abs(speed) / self.PACE, 0.0)
        reward = upright * (still if upright > 0 else 1.0) - self.CONTROL_COST * float(np.square(action).sum())
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return self._get_obs(), reward, False, False, {"upright": upright, "speed": speed}

    def _get_reset_info(self) -> dict[str, Any]:
        return {"upright": -float(np.sin(self.data.qpos[2])), "speed": float(self.data.qvel[0])}
