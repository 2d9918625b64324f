"""Environments that draw more than a simulator's state holds. Import as `import changing_envs`."""

import tempfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.mujoco import mujoco_env
from gymnasium.envs.mujoco.inverted_pendulum_v5 import InvertedPendulumEnv
from gymnasium.envs.mujoco.reacher_v5 import ReacherEnv
from gymnasium.envs.registration import WrapperSpec

HERE = "changing_envs"


class Coloured(InvertedPendulumEnv):
    """The cart of each episode has a colour and a size of its own, and the observation tells the colour."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.observation_space = spaces.Box(-np.inf, np.inf, (5,), np.float64)

    def choose(self) -> None:
        cart = self.model.geom("cart")
        red = float(self.np_random.integers(2))
        cart.rgba[:] = red, 1 - red, 0, 1
        cart.size[:] = cart.size * 0 + self.np_random.uniform(0.05, 0.25, 3)

    def reset_model(self) -> np.ndarray:
        self.choose()
        return self.seen(super().reset_model())

    def seen(self, obs: np.ndarray) -> np.ndarray:
        return np.append(obs, self.model.geom("cart").rgba[0])

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        obs, *rest = super().step(action)
        return self.seen(obs), *rest


class ColouredAtOnce(Coloured):
    """Its constructor resets, as those of many environments do, so that no two of them are made alike."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reset()


class Flashing(Coloured):
    """Its cart takes another colour at each third step."""

    t = 0

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        self.t += 1
        if self.t % 3 == 0:
            self.choose()
        return super().step(action)


class Lit(InvertedPendulumEnv):
    """Light, fog and mass are drawn at random at each reset, as domain randomisation does; so is a texture's place."""

    def reset_model(self) -> np.ndarray:
        model = self.model
        model.vis.headlight.diffuse[:] = self.np_random.uniform(0, 1, 3)
        model.vis.headlight.active = 1
        model.body_mass[1:] *= self.np_random.uniform(0.9, 1.1)
        model.light_pos[:] = self.np_random.uniform(0.5, 2, model.light_pos.shape)
        return super().reset_model()


class Reshaped(InvertedPendulumEnv):
    """Its cart turns from a capsule into a ball at the eighth step of each episode, of a size that its seed decides."""

    t = 0

    def shape(self, kind: mujoco.mjtGeom) -> None:
        self.model.geom("cart").type[:] = kind

    def reset_model(self) -> np.ndarray:
        self.t = 0
        self.shape(mujoco.mjtGeom.mjGEOM_CAPSULE)
        self.model.geom("cart").size[:] = self.np_random.uniform(0.05, 0.25, 3)
        return super().reset_model()

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        self.t += 1
        if self.t == 8:
            self.shape(mujoco.mjtGeom.mjGEOM_SPHERE)
        return super().step(action)


class Papered(InvertedPendulumEnv):
    """Each episode has a texture of its own, of 1.5 MB."""

    def __init__(self, **kwargs: Any) -> None:
        usual = Path(mujoco_env.__file__).parent / "assets" / "inverted_pendulum.xml"
        texture = '<asset><texture name="paper" type="2d" builtin="flat" width="700" height="700"/></asset>'
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "papered.xml")
            file.write_text(usual.read_text().replace("<worldbody>", f"{texture}<worldbody>"))
            super().__init__(xml_file=str(file), **kwargs)

    def reset_model(self) -> np.ndarray:
        self.model.tex_data[:] = self.np_random.integers(256)
        return super().reset_model()


class Goal(ReacherEnv):
    """A goal that is the place of a body of the model, as in Meta-World, not of the state."""

    def reset_model(self) -> np.ndarray:
        obs = super().reset_model()
        self.model.body("target").pos[:2] = self.np_random.uniform(-0.2, 0.2, 2)
        self.set_state(self.data.qpos, self.data.qvel)
        return obs


class Marked(InvertedPendulumEnv):
    """A goal that is kept in Python, and marked as it is drawn."""

    def reset_model(self) -> np.ndarray:
        self.goal = self.np_random.uniform(-1, 1)
        return super().reset_model()

    def render(self) -> Any:
        if self.mujoco_renderer.viewer is not None:
            self.mujoco_renderer.viewer.add_marker(pos=[self.goal, 0, 0.3], size=[0.2] * 3, rgba=[1, 0, 0, 1])
        return super().render()


class MarksInStep(InvertedPendulumEnv):
    """The same, but by its step: only a trial tells."""

    def reset_model(self) -> np.ndarray:
        self.goal = self.np_random.uniform(-1, 1)
        return super().reset_model()

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        if self.mujoco_renderer.viewer is not None:
            self.mujoco_renderer.viewer.add_marker(pos=[self.goal, 0, 0.3], size=[0.2] * 3, rgba=[1, 0, 0, 1])
        return super().step(action)


class Counting(CartPoleEnv):
    """Draws how many episodes there were, which no seed tells."""

    episodes = 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self.episodes += 1
        return super().reset(**kwargs)

    def render(self) -> Any:
        picture = np.array(super().render())
        picture[:20, : 20 * self.episodes] = (255, 0, 0)
        return picture


class Painted(CartPoleEnv):
    """Draws a goal that its seed decides."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = super().reset(**kwargs)
        self.goal = int(self.np_random.integers(100, 500))
        return obs, info

    def render(self) -> Any:
        picture = np.array(super().render())
        picture[:, self.goal : self.goal + 5] = (0, 0, 255)
        return picture


class LongerPole(gym.Wrapper):
    """Changes what classic control draws, from outside."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        obs, info = super().reset(**kwargs)
        self.unwrapped.length = self.unwrapped.np_random.uniform(0.3, 1.5)
        return obs, info


class Bordered(gym.Wrapper):
    """Draws a border over the picture, of the colour of the last action."""

    last = 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self.last = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, ...]:
        self.last = int(action)
        return super().step(action)

    def render(self) -> Any:
        picture = np.array(super().render())
        picture[:10] = 100 * self.last
        return picture


CLASSES = (Coloured, ColouredAtOnce, Flashing, Lit, Papered, Reshaped, Goal, Marked, MarksInStep, Counting, Painted)
for env_class in CLASSES:
    gym.register(f"{env_class.__name__}-v0", f"{HERE}:{env_class.__name__}", max_episode_steps=40)
for wrapper in (LongerPole, Bordered):
    gym.register(
        f"{wrapper.__name__}-v0",
        CartPoleEnv,
        max_episode_steps=40,
        additional_wrappers=(WrapperSpec(wrapper.__name__, f"{HERE}:{wrapper.__name__}", {}),),
    )
