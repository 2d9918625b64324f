"""Hopper that turns backflips (Christiano et al. 2017, section 3.1.2)."""

from typing import Any

import numpy as np
from gymnasium import spaces, utils
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from numpy.typing import NDArray

Obs = NDArray[np.float64]
Step = tuple[Obs, float, bool, bool, dict[str, Any]]


class HopperBackflipEnv(HopperEnv):
    """Gymnasium's Hopper, whose episodes do not end when it falls, and whose task is to turn backflips.

    It observes (12,): the torso's height, the sine and cosine of its pitch, the three joint angles, and the six
    velocities, clipped to 10. Hopper's own pitch grows with every turn; here all upright poses look alike. Episodes
    start in the middle of a flip, so that one learns to land, and to make a flip of the landing, before one can jump.

    The true reward of a step is the speed of turning backwards, up to a bound, which counts in full above the height
    `HIGH` and not at all below `LOW`, and a little for the height itself, less a cost of control, and of `DOWN_COST`
    when torso or thigh are on the floor. It depends on the step alone. `info["turns"]` tells how often the whole body
    has turned backwards since the start, and `info["flips"]` counts the full turns without torso or thigh on the floor.
    """

    GOAL = "Turn one backflip after the other, high, and land on the foot."

    ROLL_MAX = 12.0  # rad/s; folding the leg spins the torso far faster, without a flip
    LOW, HIGH = 0.4, 0.9  # m; rolling over the floor pays nothing, and above it height does not matter to a turn
    PER_ROLL, PER_HEIGHT = 0.3, 0.2  # s/rad, 1/m
    DOWN_COST, CONTROL_COST = 0.3, 0.02

    def __init__(self, render_mode: str | None = None, width: int = 480, height: int = 480) -> None:
        super().__init__(terminate_when_unhealthy=False, render_mode=render_mode, width=width, height=height)
        utils.EzPickle.__init__(self, render_mode, width, height)
        self.metadata = {**self.metadata, "goal": self.GOAL}
        self.observation_space = spaces.Box(-np.inf, np.inf, shape=(12,), dtype=np.float64)
        self._floor, *self._upper = (self.model.geom(name).id for name in ("floor", "torso_geom", "thigh_geom"))
        self._first_pitch = self._pitch_at_start = 0.0  # of the episode, and of the turn under way
        self._flips = 0

    def reset_model(self) -> Obs:
        """In the air, at any pitch, the joints a little bent, turning backwards."""
        low, high = (-1, 0, -8, 1.3, -np.pi, -0.5, -0.5, -0.3), (1, 2, -3, 1.8, np.pi, 0, 0, 0.3)
        forward, rise, spin, height, pitch, *joints = self.np_random.uniform(low, high)
        qpos, qvel = np.array([0, height, pitch, *joints]), np.array([forward, rise, spin, 0, 0, 0])
        self.set_state(qpos, qvel)  # type: ignore[no-untyped-call]
        self._flips, self._first_pitch = 0, mean_pitch(self.data.qpos)
        self._pitch_at_start = self._first_pitch
        return self._get_obs()

    def _get_reset_info(self) -> dict[str, Any]:
        return self._counts(down=False)

    def _get_obs(self) -> Obs:
        height, pitch, *joints = self.data.qpos[1:]
        return np.array([height, np.sin(pitch), np.cos(pitch), *joints, *np.clip(self.data.qvel, -10, 10)])

    def step(self, action: NDArray[np.float32]) -> Step:  # type: ignore[override]  # whose info holds only floats
        self.do_simulation(action, self.frame_skip)
        down = self._is_down()
        height, roll = float(self.data.qpos[1]), float(np.clip(-self.data.qvel[2], -self.ROLL_MAX, self.ROLL_MAX))
        lift = min(max((height - self.LOW) / (self.HIGH - self.LOW), 0.0), 1.0)
        reward = self.PER_ROLL * roll * lift + self.PER_HEIGHT * height - self.DOWN_COST * down
        reward -= self.CONTROL_COST * float(np.square(action).sum())
        self._count(down)
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return self._get_obs(), reward, False, False, self._counts(down)

    def _counts(self, down: bool) -> dict[str, Any]:
        turns = (self._first_pitch - mean_pitch(self.data.qpos)) / (2 * np.pi)
        return {"flips": self._flips, "turns": turns, "down": down}

    def _is_down(self) -> bool:
        pairs = self.data.contact.geom  # (contacts, 2)
        return bool(np.isin(pairs[(pairs == self._floor).any(axis=1)], self._upper).any())

    def _count(self, down: bool) -> None:
        """Count full turns backwards. Lying down, and leaning forwards again, start a turn anew."""
        pitch = mean_pitch(self.data.qpos)
        if down:
            self._pitch_at_start = 2 * np.pi * np.floor(pitch / (2 * np.pi))  # the next upright pose on the way back
        elif pitch <= self._pitch_at_start - 2 * np.pi:
            self._flips += 1
            self._pitch_at_start = pitch
        else:
            self._pitch_at_start = max(self._pitch_at_start, pitch)


def mean_pitch(qpos: NDArray[np.float64]) -> float:
    """Pitch in radians averaged over torso, thigh, leg and foot, forwards positive: folding up is no turn of it."""
    torso, *joints = qpos[2:]
    return float(np.mean(torso - np.cumsum([0.0, *joints])))
