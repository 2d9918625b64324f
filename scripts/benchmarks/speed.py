"""Environment steps per second of whole runs: learned reward, true reward, and plain Stable-Baselines3."""

import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.csv_rows import append
from benchmarks.learning import on_one_thread
from prefrl.runs.run_dir import git_commit

RESULTS = Path(__file__).parents[1] / "results" / "speed.csv"

PLAIN = """
import sys
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
import prefrl
from prefrl.algorithms.ppo import REWARD_CLIP, make_ppo

torch.set_num_threads(1)
config = prefrl.preset(sys.argv[1])
venv = make_vec_env(config.env_id, config.ppo.n_envs, seed=0)
venv = VecNormalize(venv, gamma=config.ppo.gamma, clip_reward=REWARD_CLIP)
agent = make_ppo(config.ppo, venv)
adam = agent.policy.optimizer
agent.policy.optimizer = torch.optim.Adam(agent.policy.parameters(), adam.defaults["lr"], eps=adam.defaults["eps"])
agent.learn(int(sys.argv[2]))
"""
"""What somebody would write who has the reward: the same agent, no wrapper of ours, Adam as SB3 makes it."""


@dataclass(frozen=True)
class Speed:
    """Measure whole runs, from the command to its end, one after the other in turns."""

    envs: tuple[str, ...] = ("HalfCheetah-v5",)
    """Gymnasium ids."""

    steps: int = 200_000
    """Environment steps of each run. The labels are the preset's: fitting weighs more the fewer steps there are."""

    options: str = ""
    """More options of `prefrl train` for learned and true, in one string, that leave steps and PPO as they
    are: --options='--vec envpool'"""

    rounds: int = 5
    """Times that all are run, in turns."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def speed(what: Speed) -> None:
    """Measure each environment, print and append a row."""
    for env_id in what.envs:
        with tempfile.TemporaryDirectory() as folder:
            rounds = [_round(what, env_id, Path(folder), number) for number in range(what.rounds)]
        plain, learned, true = ([r[arm] for r in rounds] for arm in ("plain", "learned", "true"))
        shares = [one / other for one, other in zip(learned, plain, strict=True)]
        print(f"{env_id}: learned {median(learned):.0f} steps/s, plain SB3 {median(plain):.0f}: {median(shares):.2f}")
        record = {
            "env_id": env_id,
            "steps": what.steps,
            "options": what.options,
            "rounds": what.rounds,
            "learned": round(median(learned)),
            "true": round(median(true)),
            "plain_sb3": round(median(plain)),
            "learned_over_plain": round(median(shares), 3),
            "lowest": round(min(shares), 3),
            "highest": round(max(shares), 3),
            "git_commit": git_commit(),
            "command": shlex.join(["python", *sys.argv]),
        }
        append(what.results, record)


def _round(what: Speed, env_id: str, folder: Path, number: int) -> dict[str, float]:
    """Arm -> environment steps per second."""
    steps = str(what.steps)
    options = ["--steps", steps, "--seed", str(number), *shlex.split(what.options)]
    train = ["-m", "prefrl", "train", env_id, *options, "--run-dir"]
    commands = {
        "plain": ["-c", PLAIN, env_id, steps],
        "learned": [*train, str(folder / f"{env_id}-learned-{number}")],
        "true": [*train, str(folder / f"{env_id}-true-{number}"), "--reward", "true"],
    }
    return {arm: what.steps / _seconds(command) for arm, command in commands.items()}


def _seconds(command: list[str]) -> float:
    start = time.monotonic()
    on_one_thread([sys.executable, "-W", "ignore", *command])
    return time.monotonic() - start
