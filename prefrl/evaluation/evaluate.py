"""Evaluate a trained agent by the true reward, and its reward model against it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode, cut
from prefrl.data.text import shell
from prefrl.errors import CheckpointError, EnvError, StoreError, UsageError
from prefrl.evaluation.agreement import agreement, answer_agreement
from prefrl.evaluation.forecast import forecast
from prefrl.evaluation.results import Evaluation, Interval, Length, Success, TrueReturn
from prefrl.feedback.answer import Answer, standing
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.rewards.metrics import iqm, wilson
from prefrl.rewards.verdict import judged
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.run_dir import RunDir
from prefrl.store.run_store import open_store
from prefrl.training.learner import load_ensemble
from prefrl.training.play import play

Floats = NDArray[np.float64]

BROAD = 20  # episodes in which the agent acts at random in part, at most
BROAD_LONGEST = 500  # steps of such an episode, at most
ALIKE = 0.25  # of how far clips of all ways of acting differ: those of an agent that differ less cannot be judged by


def evaluate(
    run_dir: Path | str,
    *,
    episodes: int = 20,
    seed: int = 1_000_000,
    video: Path | str | None = None,
    goal: float | None = None,
) -> Evaluation:
    """Run the trained agent, deterministically, in the untouched environment.

    Args:
        run_dir: folder of the run.
        episodes: whole episodes to run, each in an environment of its own.
        seed: of the first episode; the next ones follow. The default lies apart from what training resets with.
        video: file to write an mp4 of the first episode to.
        goal: share of answers that the reward should foresee, to forecast how many more answers that takes.

    Raises:
        UsageError: not a run folder, no episodes asked for, or no goal that can be forecast.
        CheckpointError: the run has no checkpoint that can be used.
    """
    if episodes < 1:
        raise UsageError(f"--episodes is {episodes}; give 1 or more")
    if not 0 <= seed < 2**31:
        raise UsageError(f"--seed is {seed}; give a whole number from 0 to {2**31 - 1}")
    torch.set_num_threads(1)  # small nets are fastest so
    film = None if video is None else Path(video).absolute()  # an environment may change the working folder
    config, checkpoint, answers = read_run(Path(run_dir))
    learned = config.reward == "learned"
    expected = None
    if goal is not None and learned:
        expected = forecast(answers, config.reward_model, goal, np.random.default_rng(seed))
    played = play(config, checkpoint, np.zeros(episodes), seed, drawable=film is not None)
    if film is not None:
        save_video(config, played[0], film)
    found = Evaluation(
        env_id=config.env_id,
        run_dir=str(run_dir),
        num_timesteps=checkpoint.num_timesteps,
        num_preferences=len(standing(answers)),
        episodes=episodes,
        seed=seed,
        true_return=summary(np.array([e.true_return for e in played])),
        episode_length=lengths(np.array([len(e.actions) for e in played], dtype=float)),
        success=success([e.success for e in played]),
        reward_model=None,
        label_forecast=expected,
        agent_of=checkpoint.state.get("agent_of"),
    )
    return judge_reward(found, config, checkpoint, played, answers) if learned else found


def read_run(path: Path) -> tuple[TrainConfig, Checkpoint, list[Answer]]:
    """What is known of a run: its settings, its last checkpoint and all answers. Errors are those of `evaluate`."""
    run = RunDir.open(path)
    config, checkpoint = run.config, run.latest_checkpoint()
    if checkpoint is None:
        raise CheckpointError(f"{path} has no checkpoint yet; go on with: prefrl resume {shell(path)}")
    with open_store(run, reads_only=True) as store:
        info, answers = store.info(), store.answers()
    if info is None or info.env_id != config.env_id:
        raise StoreError(f"{path}/preferences.sqlite is not of this run: it does not hold {config.env_id}")
    return config, checkpoint, answers


def judge_reward(
    found: Evaluation,
    config: TrainConfig,
    checkpoint: Checkpoint,
    played: list[Episode],
    answers: Sequence[Answer],
) -> Evaluation:
    """`found`, with what the checkpoint's reward model makes of the agent's episodes, of broad ones and of answers."""
    ensemble = load_ensemble(checkpoint)
    shares = np.linspace(0.0, 1.0, min(BROAD, max(2, found.episodes)))
    broad = play(config, checkpoint, shares, found.seed + found.episodes, longest=BROAD_LONGEST, drawable=False)
    length, gamma = config.segment_length, config.agent.gamma
    return replace(
        found,
        reward_model=agreement(ensemble, played, length, gamma, found.seed),
        reward_model_broad=agreement(ensemble, broad, length, gamma, found.seed),
        alike=are_alike(played, broad, length),
        held_out_answers=answer_agreement(ensemble, answers, config.reward_model, found.seed),
        verdict=judged(answers, config.reward_model, RunDir(Path(found.run_dir)).verdict()),
    )


def are_alike(played: Sequence[Episode], broad: Sequence[Episode], length: int) -> bool:
    """Whether the agent's clips differ too little to judge a reward by; of fewer than two nobody can say so."""
    if len(cut(played, length)) < 2:
        return False
    return spread(played, length) < ALIKE * spread(broad, length)


def spread(episodes: Sequence[Episode], length: int) -> float:
    """Standard deviation of the true returns of the episodes' clips of `length` steps; 0 of none."""
    returns = [segment.true_return for segment in cut(episodes, length)]
    return float(np.std(returns)) if returns else 0.0


def summary(returns: Floats) -> TrueReturn:
    """Mean, spread, interquartile mean and bootstrap interval of returns (n,)."""
    return TrueReturn(float(returns.mean()), float(returns.std()), iqm(returns), mean_interval(returns))


def lengths(steps: Floats) -> Length:
    """Mean, spread and bootstrap interval of lengths of episodes (n,)."""
    return Length(float(steps.mean()), float(steps.std()), mean_interval(steps))


def success(said: Sequence[bool | None]) -> Success | None:
    """How often it was reported, of the episodes that the environment says something about; None if of none."""
    reported = [one for one in said if one is not None]
    if not reported:
        return None
    return Success(sum(reported) / len(reported), wilson(sum(reported), len(reported)))


def mean_interval(values: Floats) -> Interval:
    """95 % bootstrap interval of the mean of `values` (n,); without width where all are equal."""
    if len(values) < 2 or np.ptp(values) == 0:
        return (float(values.mean()), float(values.mean()))
    resampled = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0))
    return (float(resampled.confidence_interval.low), float(resampled.confidence_interval.high))


def save_video(config: TrainConfig, episode: Episode, path: Path) -> None:
    """Write an mp4 of a whole episode, from recorded frames or rendered again."""
    whole = cut([episode], len(episode.actions))
    if not whole:
        raise EnvError(f"{config.env_id} gave numbers that are not finite, so that its episode cannot be filmed")
    (segment,) = whole
    with Renderer(config.env_id, config.env_kwargs) as renderer:
        write_mp4(path, renderer.iter_frames(segment), renderer.fps)
