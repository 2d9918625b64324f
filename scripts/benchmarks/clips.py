"""How fast clips are drawn from simulator states, against the environment's own render()."""

import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")
import gymnasium as gym
import numpy as np

from benchmarks.csv_rows import append
from prefrl.data.segment import Segment
from prefrl.data.spaces import named
from prefrl.rendering.clips import Renderer
from prefrl.rendering.simulator_state import restore, snapshot
from prefrl.runs.run_dir import git_commit

RESULTS = Path(__file__).parents[1] / "results" / "clips.csv"


@dataclass(frozen=True)
class Clips:
    """Measure how fast clips are drawn from simulator states, against the environment's own render(), in turns."""

    envs: tuple[str, ...] = ("Hopper-v5", "HalfCheetah-v5", "Ant-v5")
    """MuJoCo environments."""

    size: int = 256
    """Side of a frame in pixels."""

    rounds: int = 7
    """Times that both draw the same states, in turns; the medians are reported."""

    steps: int = 50
    """Steps of the segment drawn."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def clips(asked: Clips) -> None:
    """Measure each environment, print and append a row."""
    for env_id in asked.envs:
        env = gym.make(env_id, render_mode="rgb_array", width=asked.size, height=asked.size)
        segment = random_segment(env, asked.steps)
        with Renderer(env_id, size=asked.size) as renderer:
            pairs = [
                (seconds(lambda: renderer.frames(segment)), seconds(lambda: render_each(env, segment)))  # noqa: B023
                for _ in range(1 + asked.rounds)
            ][1:]  # the first round warms up
        env.close()
        frames = asked.steps + 1
        ours, theirs = (1000 * median(times) / frames for times in zip(*pairs, strict=True))
        ratio = median(render / clip for clip, render in pairs)
        print(f"{env_id}: {ours:.1f} ms a frame, render() {theirs:.1f} ms: {ratio:.1f}x", flush=True)
        write(asked, env_id, ours, theirs, ratio)


def random_segment(env: gym.Env[Any, Any], steps: int) -> Segment:
    """`steps` steps of random behaviour, whatever ends in between."""
    env.action_space.seed(0)
    obs, states, actions = [env.reset(seed=0)[0]], [snapshot(env)], []
    for _ in range(steps):
        actions.append(env.action_space.sample())
        obs.append(env.step(actions[-1])[0])
        states.append(snapshot(env))
    return Segment(
        named(np.array(obs)),
        np.array(actions, np.float32),
        np.zeros(steps + 1, np.bool_),
        np.zeros(steps, np.float32),
        np.array(states),
    )


def render_each(env: gym.Env[Any, Any], segment: Segment) -> None:
    """Draw the states of `segment` as the environment itself does."""
    assert segment.sim_states is not None
    env.render()  # has the viewer made, the first time
    env.unwrapped.mujoco_renderer.viewer.make_context_current()  # type: ignore[attr-defined]  # not the other's
    for state in segment.sim_states:
        restore(env, state)
        env.render()


def seconds(draw: Callable[[], object]) -> float:
    """Processor time that `draw` takes, on all cores."""
    start = time.process_time()
    draw()
    return time.process_time() - start


def write(asked: Clips, env_id: str, ours: float, theirs: float, ratio: float) -> None:
    """Append a row."""
    record = {
        "env_id": env_id,
        "size": asked.size,
        "clip_ms": round(ours, 2),
        "render_ms": round(theirs, 2),
        "times_as_fast": round(ratio, 2),
        "git_commit": git_commit(),
        "command": shlex.join(["python", *sys.argv]),
    }
    append(asked.results, record)
