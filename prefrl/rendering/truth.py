"""Whether clips show what happened: pictures that an environment draws as it acts, against those drawn later."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from prefrl import watchdog
from prefrl.data.episode import Episode, cut
from prefrl.data.info_keys import MODEL_CHANGE, RESET_SEED, SIM_STATE
from prefrl.data.segment import Segment
from prefrl.data.spaces import named
from prefrl.rendering.camera import Camera, Frame
from prefrl.rendering.simulator_state import RecordSimState, bring_up_to_date

Env = gym.Env[Any, Any]

DIFFERS = 16
"""Of 255, from which on two pixels differ."""

SHARE = 2e-4
"""Share of the pixels that may differ in MuJoCo, where the last digit of a position may move an edge."""


class Witnessed(NamedTuple):
    """A segment, and what the environment drew while it happened."""

    segment: Segment
    frames: list[Frame]


def witness(
    env: Env, env_kwargs: Mapping[str, Any], *, size: int, replay: bool, episodes: int = 3, steps: int = 6
) -> Iterator[Witnessed]:
    """Act at random in `env`, made with `env_kwargs` to draw: the segments of a few steps each of some episodes.

    Arguments are those of `Renderer` and `RecordSimState`; `steps`: of each episode, if it does not end before.
    """
    recorded = RecordSimState(env, replay=replay)
    with watchdog.calling("reset", _name(env)):
        recorded.reset(seed=0)  # as a `Renderer`: some cameras stay where the first state puts them
    camera = Camera(env, env_kwargs, size=size)
    try:
        camera.draw()
        env.action_space.seed(0)
        for number in range(episodes):
            yield from _episode(recorded, camera, seed=1 if number == 0 else None, steps=steps)
    finally:
        camera.close()


def _episode(env: RecordSimState, camera: Camera, seed: int | None, steps: int) -> Iterator[Witnessed]:
    name, space = _name(env), env.action_space
    with watchdog.calling("reset", name):
        first, info = env.reset(seed=seed)
    obs, infos, actions, frames, terminated = [named(first)], [info], [], [camera.draw()], False
    for _ in range(steps):
        actions.append(np.asarray(gym.spaces.flatten(space, space.sample()), np.float32))
        with watchdog.calling("step", name):
            seen, _, terminated, truncated, info = env.step(gym.spaces.unflatten(space, actions[-1]))
        if SIM_STATE in info:
            bring_up_to_date(env)
        obs, infos, frames = [*obs, named(seen)], [*infos, info], [*frames, camera.draw()]
        if terminated or truncated:
            break
    states, models = ([one[key] for one in infos if key in one] for key in (SIM_STATE, MODEL_CHANGE))
    episode = Episode(
        {key: np.stack([one[key] for one in obs]) for key in obs[0]},
        np.stack(actions),
        np.zeros(len(actions), np.float32),
        terminated=bool(terminated),
        truncated=not terminated,
        sim_states=np.stack(states) if len(states) == len(infos) else None,
        models=models if len(models) == len(infos) else None,
        reset_seed=infos[0].get(RESET_SEED),
    )
    length = max(1, len(actions) // 2)
    for segment in cut([episode], length):
        shown = frames[segment.start : segment.start + length + 1]
        yield Witnessed(segment, shown + shown[-1:] * (length + 1 - len(shown)))


def look_alike(frame: Frame, other: Frame, share: float = SHARE) -> bool:
    """Whether two pictures (H, W, 3) show the same, but for that `share` of the pixels."""
    if frame.shape != other.shape:
        return False
    differs = (np.abs(frame.astype(np.int16) - other) > DIFFERS).any(-1)
    return bool(differs.mean() <= share)


def _name(env: Env) -> str:
    return env.spec.id if env.spec else type(env.unwrapped).__name__
