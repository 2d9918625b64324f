"""Evaluate a trained agent by the true reward, and its reward model against it."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize

from prefrl.agents import load_agent, make_agent, make_venv, normalise
from prefrl.checkpoints import Checkpoint
from prefrl.clips import Renderer, write_mp4
from prefrl.config import TrainConfig
from prefrl.errors import CheckpointError, EnvError, StoreError, UsageError
from prefrl.files import json_values
from prefrl.learner import identity, load_ensemble
from prefrl.metrics import expected_calibration_error, iqm, preference_accuracy, spearman
from prefrl.queries import candidate_pairs
from prefrl.run_dir import RunDir
from prefrl.segments import Episode, cut, stack
from prefrl.store import Store
from prefrl.vec_env import RecordingVecEnv

LONGEST = 10_000  # steps after which an episode that goes on is cut: some environments have no time limit
PAIRS = 1000  # of on-policy segments, to compare the reward model with the truth on


@dataclass(frozen=True)
class TrueReturn:
    """Undiscounted sums of the environment's own rewards, over episodes."""

    mean: float
    std: float
    iqm: float
    """Mean of the middle half (Agarwal et al. 2021)."""

    ci95: tuple[float, float]
    """95 % bootstrap interval of the mean."""


@dataclass(frozen=True)
class Length:
    """Steps per episode."""

    mean: float
    std: float


@dataclass(frozen=True)
class RewardAgreement:
    """The learned reward against the true one, on the evaluation's own episodes. NaN: nothing to compare."""

    preference_accuracy: float
    """Share of pairs of segments that both order alike."""

    expected_calibration_error: float
    spearman_step: float
    """Rank correlation of the two rewards over steps."""

    spearman_segment: float
    """The same over returns of segments."""


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. The field names are those of `prefrl evaluate --json`."""

    env_id: str
    run_dir: str
    num_timesteps: int
    num_preferences: int
    episodes: int
    seed: int
    true_return: TrueReturn
    episode_length: Length
    reward_model: RewardAgreement | None
    """None when the agent was trained on the true reward."""

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values; what is not a finite number becomes null."""
        return json_values(asdict(self))  # type: ignore[no-any-return]

    def table(self) -> str:
        """The figures for people to read."""
        r, low_high = self.true_return, "{:.1f} to {:.1f}".format(*self.true_return.ci95)
        rows = [
            ("environment", self.env_id),
            ("trained for", f"{self.num_timesteps} steps, {self.num_preferences} labels"),
            ("true return", f"{r.mean:.1f} +- {r.std:.1f} over {self.episodes} episodes"),
            ("", f"95 % interval of the mean {low_high}; middle half {r.iqm:.1f}"),
            ("episode length", f"{self.episode_length.mean:.1f} +- {self.episode_length.std:.1f} steps"),
        ]
        if self.reward_model:
            m = self.reward_model
            agreed = "nothing to compare: all clips are worth the same"
            if math.isfinite(m.preference_accuracy):
                agreed = f"orders {m.preference_accuracy:.1%} of pairs of clips as the true reward does"
            rows += [
                ("reward model", agreed),
                ("", f"calibration error {m.expected_calibration_error:.3f}"),
                ("", f"rank correlation {m.spearman_step:.2f} per step, {m.spearman_segment:.2f} per clip"),
            ]
        return "\n".join(f"{name:<16}{value}" for name, value in rows)


def evaluate(
    run_dir: Path | str, *, episodes: int = 20, seed: int = 1_000_000, video: Path | str | None = None
) -> Evaluation:
    """Run the trained agent, deterministically, in the untouched environment.

    Args:
        run_dir: folder of the run.
        episodes: whole episodes to run, each in an environment of its own.
        seed: of the first episode; the next ones follow. The default lies apart from what training resets with.
        video: file to write an mp4 of the first episode to.

    Raises:
        UsageError: not a run folder, or no episodes asked for.
        CheckpointError: the run has no checkpoint that can be used.
    """
    if episodes < 1:
        raise UsageError(f"--episodes is {episodes}; give 1 or more")
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed is {seed}; give a whole number from 0 to {2**31 - 1}")
    run = RunDir.open(Path(run_dir))
    config, checkpoint = run.config, run.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"{run_dir} has no checkpoint yet; go on with: prefrl resume {run_dir}")
    filmed = replace(config, record_frames=config.record_frames and video is not None)
    played = play(filmed, checkpoint, episodes, seed)
    if video is not None:
        save_video(config, played[0], Path(video))
    returns = np.array([e.true_return for e in played])
    lengths = np.array([len(e.actions) for e in played], dtype=float)
    with Store(run.store_url) as store:
        info, num_preferences = store.info(), store.num_preferences()
    if info is None or info.env_id != config.env_id:
        raise StoreError(f"{run_dir}/preferences.sqlite is not of this run: it does not hold {config.env_id}")
    return Evaluation(
        env_id=config.env_id,
        run_dir=str(run_dir),
        num_timesteps=checkpoint.num_timesteps,
        num_preferences=num_preferences,
        episodes=episodes,
        seed=seed,
        true_return=summary(returns),
        episode_length=Length(float(lengths.mean()), float(lengths.std())),
        reward_model=agreement(config, checkpoint, played, seed) if config.reward == "learned" else None,
    )


def load(config: TrainConfig, checkpoint: Checkpoint, recorder: RecordingVecEnv) -> tuple[PPO, VecNormalize]:
    """The trained agent in the recorder's environments, with its normaliser frozen."""
    normaliser = normalise(recorder, config.ppo.gamma, training=False)
    agent = make_agent(
        replace(config.ppo, n_steps=config.ppo.batch_size), normaliser
    )  # SB3 warns of what it will not do
    checkpoint.require(identity(config))
    load_agent(agent, normaliser, checkpoint.read)
    return agent, normaliser


def play(config: TrainConfig, checkpoint: Checkpoint, episodes: int, seed: int) -> list[Episode]:
    """One whole episode in each of `episodes` environments, acting by the policy's mode."""
    recorder = RecordingVecEnv(make_venv(config, n_envs=episodes))
    agent, venv = load(config, checkpoint, recorder)
    venv.seed(seed)
    obs, running = np.asarray(venv.reset()), np.ones(episodes, dtype=bool)
    for _ in range(LONGEST):
        actions, _ = agent.predict(obs, deterministic=True)
        after, _, dones, _ = venv.step(actions)
        obs, running = np.asarray(after), running & ~dones
        if not running.any():
            break
    first: dict[int, Episode] = {}
    for episode in recorder.drain():
        first.setdefault(episode.env_index, episode)
    venv.close()
    return [first[i] for i in range(episodes)]


def summary(returns: NDArray[np.float64]) -> TrueReturn:
    """Mean, spread, interquartile mean and bootstrap interval of returns (n,)."""
    mean = float(returns.mean())
    interval = (mean, mean)
    if len(returns) > 1 and np.ptp(returns) > 0:
        resampled = stats.bootstrap((returns,), np.mean, method="percentile", rng=np.random.default_rng(0))
        interval = (float(resampled.confidence_interval.low), float(resampled.confidence_interval.high))
    return TrueReturn(mean, float(returns.std()), iqm(returns), interval)


def agreement(config: TrainConfig, checkpoint: Checkpoint, episodes: list[Episode], seed: int) -> RewardAgreement:
    """How well the checkpoint's reward model agrees with the true reward on `episodes`."""
    ensemble = load_ensemble(checkpoint)
    segments = cut(episodes, config.segment_length)
    if len(segments) < 2:
        return RewardAgreement(math.nan, math.nan, math.nan, math.nan)
    with torch.inference_mode():
        rewards = ensemble.segment_rewards(*(torch.as_tensor(x) for x in stack(segments))).mean(0)  # (B, T)
    true_rewards = np.stack([s.true_rewards for s in segments])
    living = np.stack([~s.absorbing[:-1] for s in segments])
    learned, true = rewards.sum(1).numpy(), np.array([s.true_return for s in segments])
    every = len(segments) * (len(segments) - 1) // 2
    left, right = candidate_pairs(len(segments), min(PAIRS, every), np.random.default_rng(seed)).T  # (pairs,) each
    logits, targets = learned[left] - learned[right], (np.sign(true[left] - true[right]) + 1) / 2
    return RewardAgreement(
        preference_accuracy=preference_accuracy(logits, targets),
        expected_calibration_error=expected_calibration_error(torch.sigmoid(torch.from_numpy(logits)).numpy(), targets),
        spearman_step=spearman(rewards.numpy()[living], true_rewards[living]),
        spearman_segment=spearman(learned, true),
    )


def save_video(config: TrainConfig, episode: Episode, path: Path) -> None:
    """Write an mp4 of a whole episode, from recorded frames or rendered again."""
    whole = cut([episode], len(episode.actions))
    if not whole:
        raise EnvError(f"{config.env_id} gave numbers that are not finite, so that its episode cannot be filmed")
    (segment,) = whole
    with Renderer(config.env_id, config.env_kwargs) as renderer:
        write_mp4(path, renderer.iter_frames(segment), renderer.fps)
