"""prefrl against imitation's preference_comparisons (Gleave et al. 2022).

It works with older libraries only, in a virtual environment of its own:

    python -m venv /tmp/imitation
    /tmp/imitation/bin/pip install imitation==1.0.1 torch==2.13.0 'gymnasium[mujoco]==0.29.1' \\
        'mujoco<3.3' 'numpy<2' 'setuptools<81'
"""

import json
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.csv_rows import append
from benchmarks.learning import on_one_thread, run
from prefrl.runs.run_dir import git_commit

RESULTS = Path(__file__).parents[1] / "results" / "imitation.csv"

THEIRS = """
import sys
import time
import numpy as np
import torch
from imitation.algorithms import preference_comparisons as pc
from imitation.policies.base import FeedForward32Policy, NormalizeFeaturesExtractor
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util.networks import RunningNorm
from imitation.util.util import make_vec_env
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

env_id, steps, labels, seed = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
venv = make_vec_env(env_id, rng=rng, n_envs=8)
net = BasicRewardNet(venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm)
agent = PPO(
    FeedForward32Policy,
    venv,
    n_steps=2048 // 8,
    batch_size=64,
    seed=seed,
    policy_kwargs={
        "features_extractor_class": NormalizeFeaturesExtractor,
        "features_extractor_kwargs": {"normalize_class": RunningNorm},
    },
)
learner = pc.PreferenceComparisons(
    pc.AgentTrainer(algorithm=agent, reward_fn=net, venv=venv, exploration_frac=0.05, rng=rng),
    net,
    num_iterations=20,
    fragmenter=pc.RandomFragmenter(warning_threshold=0, rng=rng),
    preference_gatherer=pc.SyntheticGatherer(temperature=0, rng=rng),
    reward_trainer=pc.BasicRewardTrainer(pc.PreferenceModel(net), pc.CrossEntropyRewardLoss(), rng=rng, epochs=3),
    fragment_length=50,
    transition_oversampling=1,
    initial_comparison_frac=0.25,
    allow_variable_horizon=True,
    question_schedule="hyperbolic",
    initial_epoch_multiplier=4,
)
start = time.monotonic()
learner.train(total_timesteps=steps, total_comparisons=labels)
seconds = time.monotonic() - start
mean, _ = evaluate_policy(agent, make_vec_env(env_id, rng=rng, n_envs=1), n_eval_episodes=20, deterministic=True)
print("RESULT", seconds, float(mean))
"""
"""The quick start of its documentation, with the labels, segments, schedule and perfect oracle that prefrl has, and the
settings of PPO that Stable-Baselines3 has by default: the quick start's are for a pendulum."""


@dataclass(frozen=True)
class Imitation:
    """Train with prefrl and with imitation, in turns: the same steps and labels, one thread each.

    Of imitation the training alone is timed, of prefrl the whole command.
    """

    python: Path = Path("/tmp/imitation/bin/python")
    """Interpreter that has imitation."""

    env: str = "HalfCheetah-v5"
    """Gymnasium id for prefrl."""

    their_env: str = "HalfCheetah-v4"
    """The same task, as the older Gymnasium names it."""

    steps: int = 100_000
    """Environment steps."""

    labels: int = 200
    """Comparisons."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One pair of runs each."""

    results: Path = RESULTS
    """CSV file; rows are appended."""


def imitation(what: Imitation) -> None:
    """Run the pairs, print and append a row each."""
    ratios = []
    for seed in what.seeds:
        theirs, their_return = _imitation(what, seed)
        ours, our_return = _prefrl(what, seed)
        ratios.append(theirs / ours)
        versus = f"imitation {their_return:.0f} in {theirs:.0f} s"
        print(f"seed {seed}: {our_return:.0f} in {ours:.0f} s, {versus}", flush=True)
        record = {
            "env_id": what.env,
            "seed": seed,
            "steps": what.steps,
            "labels": what.labels,
            "seconds": round(ours, 1),
            "imitation_seconds": round(theirs, 1),
            "true_return": round(our_return, 1),
            "imitation_true_return": round(their_return, 1),
            "git_commit": git_commit(),
            "command": shlex.join(["python", *sys.argv]),
        }
        append(what.results, record)
    print(f"{median(ratios):.1f} times as fast")


def _prefrl(what: Imitation, seed: int) -> tuple[float, float]:
    """Seconds, and the true return."""
    with tempfile.TemporaryDirectory() as folder:
        train = ["train", what.env, "--steps", str(what.steps), "--labels", str(what.labels), "--seed", str(seed)]
        start = time.monotonic()
        run([*train, "--run-dir", f"{folder}/run"])
        seconds = time.monotonic() - start
        found = json.loads(run(["evaluate", f"{folder}/run", "--episodes", "20", "--json"]))
    return seconds, float(found["true_return"]["mean"])


def _imitation(what: Imitation, seed: int) -> tuple[float, float]:
    words = [what.their_env, *(str(number) for number in (what.steps, what.labels, seed))]
    told = on_one_thread([what.python, "-W", "ignore", "-c", THEIRS, *words])
    seconds, true_return = told.rsplit("RESULT", 1)[1].split()
    return float(seconds), float(true_return)
