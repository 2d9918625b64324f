"""What is exported of an agent against the agent: in a virtual environment that has no prefrl."""

import shlex
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.csv_rows import append
from prefrl.config.presets import preset
from prefrl.evaluation.evaluate import evaluate
from prefrl.evaluation.load import export_policy, load_agent
from prefrl.runs.run_dir import git_commit
from prefrl.training.loop import train

RESULTS = Path(__file__).parents[1] / "results" / "exported.csv"
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
PACKAGES = ("torch==2.13.0", "stable-baselines3", "gymnasium[mujoco,box2d]", "onnxruntime")

PLAY = """
import importlib.util, json, sys
import gymnasium as gym, numpy as np, onnxruntime, stable_baselines3
assert importlib.util.find_spec("prefrl") is None
env_id, env_kwargs, algorithm, folder, seed, episodes = sys.argv[1:]
agent = getattr(stable_baselines3, algorithm.upper()).load(folder + "/agent.zip", device="cpu")
graph = onnxruntime.InferenceSession(folder + "/onnx/policy.onnx")

def by_zip(obs):
    return agent.predict(obs, deterministic=True)[0]

def by_onnx(obs):
    return graph.run(None, {"obs": obs[None].astype(np.float32)})[0][0]

env, seen, returns = gym.make(env_id, **json.loads(env_kwargs)), [], {"zip": [], "onnx": []}
for name, act in (("zip", by_zip), ("onnx", by_onnx)):
    for i in range(int(episodes)):
        (obs, _), total, over = env.reset(seed=int(seed) + i), 0.0, False
        while not over:
            seen.append(obs)
            obs, reward, terminated, truncated, _ = env.step(act(obs))
            total, over = total + float(reward), terminated or truncated
        returns[name].append(total)
actions = {name: np.array([act(obs) for obs in seen]) for name, act in (("zip", by_zip), ("onnx", by_onnx))}
np.savez(folder + "/played.npz", obs=np.array(seen), **actions, **{f"{k}_returns": v for k, v in returns.items()})
"""


@dataclass(frozen=True)
class Exported:
    """Compare agent.zip and policy.onnx, without prefrl, to the agent: actions, and returns of the same episodes."""

    envs: tuple[str, ...] = ("Hopper-v5", "Pendulum-v1", "LunarLander-v3")
    """Gymnasium ids. SAC lands by continuous engines."""

    steps: int = 20_000
    """To train for; SAC a fifth of them."""

    episodes: int = 20
    """To play."""

    python: Path | None = None
    """Interpreter that has Stable-Baselines3, onnxruntime and no prefrl; a virtual environment is made if None."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def exported(asked: Exported) -> None:
    """Train, play without prefrl, print and append a row for each algorithm and environment."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = asked.python or bare_python(folder / "venv")
        for env_id in asked.envs:
            for algorithm in ("ppo", "sac"):
                row = compare(asked, python, env_id, algorithm, folder / f"{env_id}-{algorithm}")
                print(row, flush=True)
                append(asked.results, {**row, "git_commit": git_commit(), "command": shlex.join(["python", *sys.argv])})


def bare_python(folder: Path) -> Path:
    """The interpreter of a new virtual environment without prefrl."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "-c", CONSTRAINTS, *PACKAGES], check=True)
    return folder / "bin" / "python"


def compare(asked: Exported, python: Path, env_id: str, algorithm: str, path: Path) -> dict[str, Any]:
    """Train an agent, and play it here and there: returns, and the largest difference of an action."""
    continuous = env_id == "LunarLander-v3" and algorithm == "sac"
    steps = asked.steps if algorithm == "ppo" else asked.steps // 5
    kwargs: dict[str, bool | int | float | str] = {"continuous": True} if continuous else {}
    config = preset(env_id, env_kwargs=kwargs, algorithm=algorithm, steps=steps, labels=40, rounds=4)
    run = train(config, path)
    found = evaluate(path, episodes=asked.episodes).true_return
    export_policy(path, path / "onnx")
    words = [env_id, '{"continuous": true}' if continuous else "{}", algorithm, path, 1_000_000, asked.episodes]
    subprocess.run([python, "-c", PLAY, *map(str, words)], check=True, cwd=path)
    played, agent = np.load(path / "played.npz", allow_pickle=False), load_agent(path)
    expected, unit = agent(played["obs"]), half_range(agent.action_space)
    return {
        "env_id": env_id,
        "algorithm": algorithm,
        "steps": run.config.steps,
        "actions": len(expected),
        "largest_difference_zip": float(np.abs((played["zip"] - expected) / unit).max()),
        "largest_difference_onnx": float(np.abs((played["onnx"] - expected) / unit).max()),
        "return": round(found.mean, 3),
        "ci_low": round(found.ci95[0], 3),
        "ci_high": round(found.ci95[1], 3),
        "return_zip": round(float(played["zip_returns"].mean()), 3),
        "return_onnx": round(float(played["onnx_returns"].mean()), 3),
    }


def half_range(space: Any) -> Any:
    """Half the way from the least to the largest action; 1 for a choice."""
    return (space.high - space.low) / 2 if hasattr(space, "high") else 1
