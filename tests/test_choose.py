import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC
from test_learner import SMALL, SMALL_SAC, preferences

from prefrl.checkpoints import Checkpoint
from prefrl.choose import choose, earned
from prefrl.config import RewardConfig, TrainConfig
from prefrl.learner import Learner
from prefrl.run_dir import RunDir
from prefrl.types import Choice

TRUE = dataclasses.replace(SMALL, reward="true")


def go(learner: Learner, speed: float) -> None:
    """Make the agent move at this speed from now on, wherever it is."""
    last = learner.agent.actor.mu if isinstance(learner.agent, SAC) else learner.agent.policy.action_net
    last.weight.data.zero_()  # type: ignore[union-attr]
    last.bias.data.fill_(np.arctanh(speed) if isinstance(learner.agent, SAC) else speed)  # type: ignore[union-attr]


def saved(config: TrainConfig, folder: Path, speeds: Sequence[float]) -> tuple[Learner, list[Checkpoint]]:
    """A learner whose agent moves at the last of `speeds`, and checkpoints of the others, latest first."""
    learner, run = Learner(config), RunDir.create(folder / "run", config)
    for speed in speeds:
        go(learner, speed)
        learner.agent.num_timesteps += 100
        if speed != speeds[-1]:
            learner.save(run, 1, [])
    return learner, run.whole_checkpoints()


@pytest.mark.parametrize("config", [TRUE, dataclasses.replace(SMALL_SAC, reward="true")])
@pytest.mark.parametrize(("speeds", "best"), [((0.25, 0.75, 0.5), 200), ((0.25, 0.5, 0.75), 300)])
def test_the_best_agent_is_kept_whether_it_is_the_last_or_not(
    config: TrainConfig, speeds: list[float], best: int, tmp_path: Path
) -> None:
    learner, earlier = saved(config, tmp_path, speeds)
    scores = choose(learner, earlier)
    assert list(scores) == sorted(scores, key=lambda steps: -scores[steps])
    assert {steps: round(score, 3) for steps, score in scores.items()} == {
        (i + 1) * 100: speed * 20 for i, speed in enumerate(speeds)
    }
    assert next(iter(scores)) == best
    assert [e.true_return for e in learner.perform(20)] == pytest.approx([15.0] * learner.recorder.num_envs)
    assert learner.num_timesteps == 300


@pytest.mark.parametrize(("said", "best"), [("as it is", 300), ("turned round", 100)])
def test_a_taught_agent_is_judged_by_what_it_was_taught(said: str, best: int, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, reward_model=RewardConfig(members=2, hidden=(16,), learning_rate=1e-2))
    learner, earlier = saved(config, tmp_path, (-0.5, 0.0, 0.5))
    episodes = learner.explore(4000)
    learner.agent.num_timesteps = 300
    known = preferences(episodes)
    if said == "turned round":
        other: dict[Choice, Choice] = {"left": "right", "right": "left"}
        known = [dataclasses.replace(p, choice=other[p.choice]) for p in known if p.choice]
    learner.learn_reward(0, known, episodes)
    reward = {name: value.clone() for name, value in learner.ensemble.state_dict().items()}
    assert next(iter(choose(learner, earlier))) == best
    assert all(torch.equal(value, reward[name]) for name, value in learner.ensemble.state_dict().items())


def test_as_many_agents_are_tried_as_checkpoints_stay(tmp_path: Path) -> None:
    learner, earlier = saved(TRUE, tmp_path, (0.9, 0.1, 0.2, 0.3))
    assert list(choose(learner, earlier)) == [400, 300, 200]


def test_a_run_too_short_for_it_keeps_its_last_agent(tmp_path: Path) -> None:
    config = dataclasses.replace(TRUE, steps=4 * 3 * 2 * 20 - 4)  # a quarter of them, three agents, two environments
    learner, earlier = saved(config, tmp_path, (0.75, 0.5, 0.25))
    assert choose(learner, earlier) == {}
    assert choose(learner, []) == {}
    learner.config = dataclasses.replace(config, steps=4 * 3 * 2 * 20)
    assert next(iter(choose(learner, earlier))) == 100


def test_trying_agents_leaves_no_trace_in_what_they_are_shown(tmp_path: Path) -> None:
    learner, earlier = saved(TRUE, tmp_path, (0.25, 0.5))
    before = learner.normaliser.obs_rms.count  # type: ignore[union-attr]
    choose(learner, earlier)
    assert learner.normaliser.obs_rms.count == before  # type: ignore[union-attr]
    assert learner.normaliser.training


def test_what_is_not_finite_earns_least() -> None:
    episode = Learner(SMALL).explore(40)[0]
    broken = dataclasses.replace(episode, obs=np.full_like(episode.obs, np.nan))
    assert earned(Learner(SMALL), [episode, broken]) == -np.inf
    assert np.isfinite(earned(Learner(SMALL), [episode]))
    unpaid = dataclasses.replace(episode, true_rewards=np.full_like(episode.true_rewards, np.inf))
    assert earned(Learner(TRUE), [unpaid]) == -np.inf
