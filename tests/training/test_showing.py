"""What is shown of the agent, from real environments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import SMALL

from prefrl.config.run import TrainConfig
from prefrl.data.episode import Episode
from prefrl.rendering.clips import Renderer
from prefrl.runs.run_dir import RunDir
from prefrl.store.shown import SHOWN, read_shown
from prefrl.training.learner import Learner
from prefrl.training.loop import train
from prefrl.training.showing import LONGEST, Showing, to_show

CARTPOLE = replace(
    SMALL, env_id="CartPole-v1", teacher="human", steps=4000, explore_steps=400, labels=2, initial_share=1.0, slack=10
)


def episode(steps: int, *, terminated: bool = False, sim_states: bool = True) -> Episode:
    return Episode(
        obs={"obs": np.full((steps + 1, 2), steps, np.float32)},
        actions=np.zeros((steps, 1), np.float32),
        true_rewards=np.zeros(steps, np.float32),
        terminated=terminated,
        sim_states=np.zeros((steps + 1, 3)) if sim_states else None,
    )


def test_the_last_that_ran_to_its_end_is_shown_or_else_the_longest() -> None:
    ended = [episode(7, terminated=True), episode(5, terminated=True)]
    assert len(to_show([*ended, episode(30)])) == 5
    assert to_show(ended).absorbing.tolist() == [False] * 5 + [True]
    assert len(to_show([episode(7), episode(30), episode(9)])) == 30
    assert len(to_show([episode(2 * LONGEST + 1, terminated=True)])) == LONGEST
    assert to_show([]) is None
    assert to_show([episode(5, sim_states=False)]) is None
    assert to_show([episode(5)], filmed=True) is None


def shown_lengths(run: RunDir) -> dict[str, int]:
    return {name: len(segment) for name in SHOWN if (segment := read_shown(run, name)) is not None}


@pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning")  # SWIG in Box2D
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Hopper-v5", "LunarLander-v3"])
def test_there_is_something_to_see_while_the_exploration_goes_on(tmp_path: Path, env_id: str) -> None:
    config = replace(CARTPOLE, env_id=env_id)
    run = RunDir.create(tmp_path / "run", config)
    learner, showing, seen = Learner(config), Showing(config, run), []
    alone = Learner(config).explore(4 * 100)
    with showing.exploring(learner.recorder):
        look = learner.recorder.on_step
        assert look is not None
        learner.recorder.on_step = lambda steps: (look(steps), seen.append(shown_lengths(run)))  # type: ignore[func-returns-value]
        episodes = learner.explore(4 * 100)
    assert learner.recorder.on_step is None
    assert seen[10] == {}
    assert seen[70].keys() == {"now"}
    for one, other in zip(episodes, alone, strict=True):  # looking changes nothing
        np.testing.assert_array_equal(one.obs["obs"], other.obs["obs"])
    showing.agent_before(episodes)
    first = read_shown(run, "before")
    showing.agent_before(episodes[:1])
    with Renderer(env_id) as renderer:
        for name in ("now", "before"):
            segment = read_shown(run, name)
            assert renderer.frames(segment).shape[0] == len(segment) + 1
    assert len(read_shown(run, "before")) == len(first)


def test_a_run_shows_its_agent_at_first_now_and_in_the_end(tmp_path: Path) -> None:
    config = replace(CARTPOLE, teacher="oracle")
    assert shown_lengths(train(config, tmp_path / "oracle")) == {}  # nobody looks
    run = RunDir.create(tmp_path / "run", CARTPOLE)
    showing, learner = Showing(CARTPOLE, run), Learner(CARTPOLE)
    showing.agent_now(learner.explore(400))
    showing.agent_after(learner)
    assert shown_lengths(run).keys() == {"now", "after"}
    np.testing.assert_array_equal(read_shown(run, "after").obs["obs"][0], learner.roll_out(50)[0].obs["obs"][0])


def test_what_the_agent_did_last_stands_in_for_an_episode_that_would_take_too_many_steps(tmp_path: Path) -> None:
    config = replace(CARTPOLE, steps=1000)
    run = RunDir.create(tmp_path / "run", config)
    showing, learner = Showing(config, run), Learner(config)
    showing.agent_now(learner.explore(400))
    showing.agent_after(learner)
    now, after = read_shown(run, "now"), read_shown(run, "after")
    np.testing.assert_array_equal(now.actions, after.actions)


def test_nothing_is_shown_where_nobody_looks(tmp_path: Path) -> None:
    for config in (replace(CARTPOLE, teacher="oracle"), replace(CARTPOLE, reward="true", labels=0)):
        assert not Showing(config, RunDir(tmp_path)).is_needed
    assert Showing(TrainConfig("Hopper-v5", teacher="human"), RunDir(tmp_path)).is_needed
