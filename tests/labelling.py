"""Real queries for labelling tests, and a display of their own. Import as `from labelling import record_queries`."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import pytest

from prefrl.simstate import snapshot
from prefrl.types import Query, Segment

STEPS = 20


def record_segment(seed: int) -> Segment:
    """`STEPS` random steps of CartPole-v1; padded where the episode ends before."""
    env = gym.make("CartPole-v1").unwrapped
    rng = np.random.default_rng(seed)
    obs, states = [env.reset(seed=seed)[0]], [snapshot(env)]
    actions, dead = [], False
    for _ in range(STEPS):
        action = int(rng.random() < seed % 5 / 4)  # some topple soon, others do not
        if not dead:
            after, _, dead, _, _ = env.step(action)
        actions.append(np.eye(2)[action] if not dead else np.zeros(2))
        obs.append(np.zeros(4) if dead else after)
        states.append(states[-1] if dead and len(obs) > 2 and not obs[-2].any() else snapshot(env))
    absorbing = np.array([not state.any() for state in obs])
    return Segment(
        np.array(obs, np.float32),
        np.array(actions, np.float32),
        absorbing,
        np.ones(STEPS, np.float32),
        np.array(states),
    )


def record_queries(count: int) -> list[Query]:
    """Pairs of CartPole segments."""
    return [Query(record_segment(2 * k), record_segment(2 * k + 1), num_timesteps=100) for k in range(count)]


def need(*tools: str) -> None:
    """Skip the test where `tools` are missing; in continuous integration, fail it."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        message = f"{' and '.join(missing)} not installed; on Debian or Ubuntu: apt-get install xvfb xdotool"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@contextlib.contextmanager
def xvfb(width: int = 1280, height: int = 720) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A display without a screen: its name, and the server, which a test may kill."""
    need("Xvfb", "xdotool")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        yield f":{number}", server
    finally:
        server.kill()
        server.wait()
