import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from learners import SMALL, SMALL_SAC, answers

from prefrl.config.rewards import RewardConfig
from prefrl.config.run import TrainConfig
from prefrl.data.episode import cut
from prefrl.errors import CheckpointError
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.runs.checkpoints import Checkpoint
from prefrl.runs.run_dir import RunDir
from prefrl.training.best_agent import Trial, choose, mean_return
from prefrl.training.learner import Learner

TRUE = dataclasses.replace(SMALL, reward="true")


def go(learner: Learner, speed: float) -> None:
    """Make the agent move at this speed from now on, wherever it is."""
    agent, squashes = learner.algorithm.agent, learner.config.algorithm == "sac"
    last = agent.actor.mu if squashes else agent.policy.action_net
    last.weight.data.zero_()
    last.bias.data.fill_(np.arctanh(speed) if squashes else speed)


def saved(config: TrainConfig, folder: Path, speeds: Sequence[float]) -> tuple[Learner, list[Checkpoint]]:
    """A learner whose agent moves at the last of `speeds`, and checkpoints of the others, latest first."""
    learner, run = Learner(config), RunDir.create(folder / "run", config)
    for speed in speeds:
        go(learner, speed)
        learner.algorithm.num_timesteps += 100
        if speed != speeds[-1]:
            learner.save(run, 1, [])
    return learner, run.whole_checkpoints()


@pytest.mark.parametrize("config", [TRUE, dataclasses.replace(SMALL_SAC, reward="true")])
@pytest.mark.parametrize(("speeds", "best"), [((0.25, 0.75, 0.5), 200), ((0.25, 0.5, 0.75), 300)])
def test_the_best_agent_is_kept_whether_it_is_the_last_or_not(
    config: TrainConfig, speeds: list[float], best: int, tmp_path: Path
) -> None:
    learner, earlier = saved(config, tmp_path, speeds)
    trial = choose(learner, earlier)
    assert list(trial.earned) == [100, 200, 300]
    assert list(trial.earned.values()) == pytest.approx([speed * 20 for speed in speeds])
    assert trial.best == best
    assert [e.true_return for e in learner.roll_out(20)] == pytest.approx([15.0] * learner.recorder.num_envs)
    assert learner.num_timesteps == 300


@pytest.mark.parametrize(("said", "best"), [("as it is", 300), ("turned round", 100)])
def test_a_taught_agent_is_judged_by_what_it_was_taught(said: str, best: int, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, reward_model=RewardConfig(members=2, hidden=(16,), learning_rate=1e-2))
    learner, earlier = saved(config, tmp_path, (-0.5, 0.0, 0.5))
    episodes = learner.explore(4000)
    learner.algorithm.num_timesteps = 300
    known = answers(episodes)
    if said == "turned round":
        other: dict[Preferred, Preferred] = {"left": "right", "right": "left"}
        known = [dataclasses.replace(a, value=Comparison(other[a.value.preferred])) for a in known]
    learner.learn_reward(0, known, episodes, cut(episodes, config.segment_length))
    reward = {name: value.clone() for name, value in learner.ensemble.state_dict().items()}
    assert choose(learner, earlier).best == best
    assert all(torch.equal(value, reward[name]) for name, value in learner.ensemble.state_dict().items())


def test_a_run_too_short_for_it_keeps_its_last_agent(tmp_path: Path) -> None:
    config = dataclasses.replace(TRUE, steps=4 * 3 * 2 * 20 - 4)  # a quarter of them, three agents, two environments
    learner, earlier = saved(config, tmp_path, (0.75, 0.5, 0.25))
    assert not choose(learner, earlier).earned
    learner.config = dataclasses.replace(config, steps=4 * 3 * 2 * 20)
    assert not choose(learner, []).earned
    assert choose(learner, earlier).best == 100


@pytest.mark.parametrize(("affordable", "tried"), [(9, False), (10, True)])
def test_without_a_time_limit_episodes_are_cut_but_not_to_less_than_a_clip(
    affordable: int, tried: bool, tmp_path: Path
) -> None:
    config = dataclasses.replace(TRUE, env_id="Endless-v0", steps=4 * 2 * 2 * affordable)
    learner, earlier = saved(config, tmp_path, (0.25, 0.5))
    assert bool(choose(learner, earlier).earned) is tried
    assert {len(e.actions) for e in learner.roll_out(affordable)} == {affordable}


def test_what_is_filmed_is_not_done_again(tmp_path: Path) -> None:
    learner, earlier = saved(TRUE, tmp_path, (0.75, 0.5))
    learner.config = dataclasses.replace(TRUE, record_frames=True)
    assert not choose(learner, earlier).earned


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    learner, earlier = saved(TRUE, tmp_path, (0.75, 0.5))
    other = dataclasses.replace(earlier[0], state={**earlier[0].state, "env_id": "Other-v0"})
    with pytest.raises(CheckpointError, match="is of another run"):
        choose(learner, [other])


def test_trying_agents_leaves_no_trace(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL_SAC, reward="true")
    learner, earlier = saved(config, tmp_path, (0.25, 0.5))
    learner.train(1, learner.num_timesteps + 100, lambda _: None)
    go(learner, 0.5)
    before = learner.algorithm.files()
    remembered = learner.algorithm.memory()
    assert choose(learner, earlier).best == learner.num_timesteps == 300
    assert learner.algorithm.files() == before
    assert learner.algorithm.memory() == remembered
    assert learner.algorithm.normaliser.training


def test_the_mean_is_of_what_agents_are_paid_for() -> None:
    learner = Learner(SMALL)
    learner.ensemble.output_mean.fill_(-1.0)
    whole = learner.explore(40)[0]
    short = dataclasses.replace(
        whole,
        obs={"obs": whole.obs["obs"][:3]},
        actions=whole.actions[:2],
        true_rewards=whole.true_rewards[:2],
        terminated=True,
    )
    raw = [float(learner.ensemble.raw_reward(*e.transitions).sum()) for e in (whole, short)]
    assert mean_return(learner, [whole, short]) == pytest.approx(sum(raw) / 2, rel=1e-5)
    model = dataclasses.replace(SMALL.reward_model, neutral_endings=True)
    learner.config = dataclasses.replace(SMALL, reward_model=model)
    paid = [value + len(e.actions) for value, e in zip(raw, (whole, short), strict=True)]
    assert mean_return(learner, [whole, short]) == pytest.approx(sum(paid) / 2, rel=1e-5)
    learner.config = TRUE
    assert mean_return(learner, [whole]) == whole.true_return


def test_episodes_that_are_not_finite_do_not_count() -> None:
    learner = Learner(SMALL)
    episode = learner.explore(40)[0]
    broken = dataclasses.replace(episode, obs={"obs": np.full_like(episode.obs["obs"], np.nan)})
    assert mean_return(learner, [episode, broken]) == mean_return(learner, [episode])
    assert mean_return(learner, [broken]) == -np.inf
    learner.config = TRUE
    unpaid = dataclasses.replace(episode, true_rewards=np.full_like(episode.true_rewards, np.inf))
    assert mean_return(learner, [episode, unpaid]) == episode.true_return
    assert mean_return(learner, [unpaid]) == -np.inf


@pytest.mark.parametrize(("earned", "best"), [({1: 2.0, 2: 2.0, 3: 1.0}, 2), ({1: -np.inf, 2: -np.inf}, 2)])
def test_the_later_of_equals_is_the_best(earned: dict[int, float], best: int) -> None:
    assert Trial(earned).best == best
