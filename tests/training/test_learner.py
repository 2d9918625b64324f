import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_envs
from canary import Canary
from learners import SMALL, SMALL_SAC, answers
from stable_baselines3.common.vec_env import DummyVecEnv

from prefrl.algorithms import replay
from prefrl.config.run import TrainConfig
from prefrl.data.batch import stack
from prefrl.data.episode import Episode, cut
from prefrl.data.spaces import named
from prefrl.errors import CheckpointError, UsageError
from prefrl.feedback.answer import Answer, fingerprint
from prefrl.feedback.comparison import Preferred
from prefrl.rewards.fit import FitMetrics
from prefrl.rewards.novelty import StateEntropy
from prefrl.runs.run_dir import RunDir
from prefrl.training.learner import FORMAT, Learner, how_it_resumes, load_ensemble


def explored(config: TrainConfig = SMALL, steps: int = 100) -> tuple[Learner, list[Episode]]:
    learner = Learner(config)
    return learner, learner.explore(steps)


def train(learner: Learner, round_index: int, steps: int) -> list[Episode]:
    return learner.train(round_index, learner.num_timesteps + steps, lambda _: None)


def learn(learner: Learner, round_index: int, given: list[Answer], episodes: list[Episode]) -> FitMetrics | None:
    return learner.learn_reward(round_index, given, episodes, cut(episodes, learner.config.segment_length))


def weights(learner: Learner) -> list[float]:
    return torch.cat([p.detach().flatten() for p in learner.algorithm.agent.policy.parameters()]).tolist()


def actions(episodes: list[Episode]) -> list[list[float]]:
    return [e.actions.flatten().tolist() for e in episodes]


def test_exploration_is_random_behaviour_that_counts_as_steps() -> None:
    learner, episodes = explored()
    assert learner.num_timesteps == 100
    assert sum(len(e.actions) for e in episodes) == 100
    taken = np.concatenate([e.actions for e in episodes])
    assert taken.min() < -0.9
    assert taken.max() > 0.9
    assert np.unique(taken).size == 100
    assert Learner(SMALL).explore(3)[0].actions.shape == (2, 1)  # in whole steps of all environments


def test_the_seed_decides_what_is_explored() -> None:
    assert actions(explored()[1]) == actions(explored()[1])
    assert actions(explored()[1]) != actions(explored(dataclasses.replace(SMALL, seed=1))[1])


def test_training_goes_on_until_the_given_step_and_reports_each_rollout() -> None:
    learner, _ = explored()
    heard: list[int] = []
    before = weights(learner)
    episodes = learner.train(1, 180, heard.append)
    assert heard == [140, 180]
    assert learner.num_timesteps == 180
    assert sum(len(e.actions) for e in episodes) == 80
    assert weights(learner) != before


@pytest.mark.parametrize("config", [SMALL, SMALL_SAC], ids=["ppo", "sac"])
def test_an_agent_whose_update_leads_to_nan_is_reported_not_trained_on(config: TrainConfig) -> None:
    wild = {name: dataclasses.replace(getattr(config, name), learning_rate=1e12) for name in ("ppo", "sac")}
    learner = Learner(dataclasses.replace(config, **wild))
    with pytest.raises(UsageError, match=rf"NaN.*after \d+ steps; .*lower --{config.algorithm}.learning-rate"):
        train(learner, 1, 400)


def test_sac_that_breaks_while_it_explores_does_not_act_on_it() -> None:
    learner = Learner(dataclasses.replace(SMALL_SAC, sac=dataclasses.replace(SMALL_SAC.sac, learning_rate=1e12)))
    with pytest.raises(UsageError, match="NaN"):
        learner.explore(400)


def test_no_checkpoint_is_written_of_a_broken_agent(tmp_path: Path) -> None:
    learner, run = Learner(SMALL), RunDir.create(tmp_path / "run", SMALL)
    learner.algorithm.agent.policy.value_net.bias.data[:] = torch.nan
    with pytest.raises(UsageError, match="NaN"):
        learner.save(run, 1, [])
    assert run.latest_checkpoint() is None


def test_only_fits_take_more_than_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, episodes = explored()
    threads: list[int] = []

    def fail(*_: object, **__: object) -> None:
        threads.append(torch.get_num_threads())
        raise ZeroDivisionError

    monkeypatch.setattr("prefrl.training.learner.FIT_THREADS", 2)
    monkeypatch.setattr("prefrl.training.learner.fit", fail)
    with pytest.raises(ZeroDivisionError):
        learn(learner, 1, answers(episodes), episodes)
    assert (threads, torch.get_num_threads()) == ([2], 1)


def test_a_round_begins_with_a_reset_whatever_was_before() -> None:
    learner, disturbed = Learner(SMALL), Learner(SMALL)
    for _ in range(7):
        disturbed.recorder.reset()
        disturbed.recorder.step(np.zeros((2, 1)))
    torch.rand(3)
    runs = []
    for either in (learner, disturbed):
        runs.append((actions(train(either, 1, 40)), weights(either)))
    assert runs[0] == runs[1]


def test_no_episode_runs_from_one_round_into_the_next() -> None:
    learner, _ = explored()
    for round_index in (1, 2):
        first = train(learner, round_index, 40)[0]
        assert abs(first.obs["obs"][0, 0]) <= 1  # where MoveRight's episodes begin


def test_the_step_size_falls_linearly_with_the_steps() -> None:
    learner, _ = explored()  # 100 of 1000 steps; from 3e-4 to 1e-4
    train(learner, 1, 400)
    assert learner.algorithm.agent.policy.optimizer.param_groups[0]["lr"] == pytest.approx(2.8e-4)
    train(learner, 2, 40)
    assert learner.algorithm.agent.policy.optimizer.param_groups[0]["lr"] == pytest.approx(2e-4)


@pytest.mark.parametrize("said", ["skip", None])
def test_too_few_answers_teach_nothing(said: Preferred | None) -> None:
    learner, episodes = explored()
    before = learner.ensemble.to_bytes()
    few = answers(episodes, said) if said else answers(episodes)[:1]
    assert learn(learner, 0, few, episodes) is None
    assert learner.ensemble.to_bytes() == before


def test_the_reward_is_rescaled_on_recent_behaviour_and_is_what_the_agent_is_paid() -> None:
    learner, episodes = explored()
    metrics = learn(learner, 0, answers(episodes), episodes)
    assert metrics is not None
    assert metrics.preferences == len(answers(episodes))
    segments = cut(episodes, SMALL.segment_length)
    raw = learner.ensemble.segment_rewards(stack(segments).map(torch.from_numpy)).mean(0)
    np.testing.assert_allclose(learner.ensemble.output_mean.item(), raw.mean().item(), atol=1e-5)
    np.testing.assert_allclose(learner.ensemble.output_std.item(), raw.std().item(), rtol=1e-3)
    again = train(learner, 1, 40)
    expected = np.concatenate([learner.ensemble.reward(*e.transitions) for e in again])
    assert np.ptp(expected) > 0
    learner.paid.seed(0)
    learner.paid.reset()
    _, rewards, _, infos = learner.paid.step(np.ones((2, 1)))
    (a, b) = learner.recorder.drain()
    assert rewards[0] == pytest.approx(learner.ensemble.reward(*a.transitions)[0], abs=1e-5)
    assert [info["true_reward"] for info in infos] == [1.0, 1.0]
    assert b.true_return == 1.0


def test_values_follow_the_reward_from_the_first_round_on() -> None:
    learner, episodes = explored()

    def value() -> float:
        return learner.algorithm.agent.policy.value_net.bias.item()

    before = value()
    learn(learner, 0, answers(episodes), episodes)
    assert value() == before  # it has not learned any yet
    episodes = train(learner, 1, 80)
    before = value()
    learn(learner, 1, answers(episodes), episodes)
    assert value() != before


def test_sac_is_paid_by_the_net_even_before_it_was_fitted() -> None:
    learner = Learner(SMALL_SAC)
    episodes = learner.explore(100)
    assert learn(learner, 0, [], episodes) is None
    paid = learner.algorithm.agent.replay_buffer.rewards[:50].copy()  # type: ignore[union-attr]
    replay.relabel(learner.algorithm.agent, learner.algorithm.units, learner.paid)  # type: ignore[arg-type]
    np.testing.assert_array_equal(learner.algorithm.agent.replay_buffer.rewards[:50], paid)  # type: ignore[union-attr]


def test_dying_is_paid_by_the_newest_fit() -> None:
    learner = Learner(SMALL, DummyVecEnv([toy_envs.OneStep] * 2))
    episodes = learner.explore(100)
    learn(learner, 0, answers(episodes), episodes)
    worth = SMALL.ppo.gamma / (1 - SMALL.ppo.gamma) * learner.ensemble.absorbing_reward()
    learner.paid.reset()
    _, rewards, _, _ = learner.paid.step(np.zeros((2, 1)))
    e = learner.recorder.drain()[0]
    alone = learner.ensemble.reward(*e.transitions)[0]
    assert rewards[0] == pytest.approx(alone + worth, rel=1e-4)


def test_where_episodes_end_sac_is_paid_in_units_that_no_fit_moves(tmp_path: Path) -> None:
    # SB3's values would need tens of thousands of gradient steps to follow what an end is worth after a fit.
    learner = Learner(SMALL_SAC, DummyVecEnv([toy_envs.OneStep] * 2))
    episodes = learner.explore(100)
    learn(learner, 0, answers(episodes), episodes)
    learner.ensemble.output_mean.fill_(0.3)
    learner.ensemble.output_std.fill_(0.1)
    learn(learner, 1, answers(episodes), [])  # nothing to take another scale from
    rng = np.random.default_rng(0)
    obs, actions, after = (rng.standard_normal((4, 1)).astype(np.float32) for _ in range(3))
    transitions = (named(obs), actions, named(after), np.array([True, True, False, False]))
    paid = learner.paid.pay(*transitions)
    np.testing.assert_array_equal(learner.ensemble.raw_reward(*transitions), paid)
    buffer = learner.algorithm.agent.replay_buffer  # type: ignore[union-attr]
    done = [x[:50].reshape(100, 1).astype(np.float32) for x in (buffer.observations, buffer.actions)]
    reached = buffer.next_observations[:50].reshape(100, 1).astype(np.float32)
    expected = learner.ensemble.raw_reward(named(done[0]), done[1], named(reached), np.ones(100, bool))
    np.testing.assert_allclose(buffer.rewards[:50].ravel(), expected, rtol=1e-4, atol=1e-5)

    run = RunDir.create(tmp_path / "run", SMALL_SAC)
    learner.save(run, 0, [])
    other = Learner(SMALL_SAC, DummyVecEnv([toy_envs.OneStep] * 2))
    other.restore(run.latest_checkpoint())  # type: ignore[arg-type]
    np.testing.assert_array_equal(other.paid.pay(*transitions), paid)


def test_sac_with_neutral_endings_is_paid_what_living_is_worth_on_average() -> None:
    neutral = dataclasses.replace(SMALL.reward_model, neutral_endings=True)
    learner = Learner(dataclasses.replace(SMALL_SAC, reward_model=neutral), DummyVecEnv([toy_envs.OneStep] * 2))
    learner.explore(100)
    assert learner.paid.reward_function is learner.ensemble


def test_the_ceiling_is_paid_the_true_reward() -> None:
    learner = Learner(dataclasses.replace(SMALL, reward="true"))
    learner.algorithm.normaliser.norm_reward = False
    learner.algorithm.normaliser.reset()
    _, rewards, _, _ = learner.algorithm.normaliser.step(np.array([[0.25], [-0.5]]))
    assert rewards.tolist() == [0.25, -0.5]


def test_sac_seeks_novelty_first_and_remembers_what_it_is_then_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    novelty: list[np.ndarray] = []
    seek = StateEntropy.reward
    monkeypatch.setattr(StateEntropy, "reward", lambda *args: novelty.append(seek(*args)) or novelty[-1])
    learner = Learner(SMALL_SAC)
    episodes = learner.explore(100)
    assert learner.num_timesteps == sum(len(e.actions) for e in episodes) == 100
    buffer = learner.algorithm.agent.replay_buffer  # type: ignore[union-attr]
    assert len(novelty) == 50
    assert np.concatenate(novelty).max() > 0
    learn(learner, 0, answers(episodes), episodes)
    obs, after = (x[:50].reshape(100, 1).astype(np.float32) for x in (buffer.observations, buffer.next_observations))
    executed = buffer.actions[:50].reshape(100, 1)  # the space is [-1, 1]
    expected = learner.ensemble.reward(named(obs), executed, named(after), np.zeros(100, bool))
    np.testing.assert_allclose(buffer.rewards[:50].ravel(), expected, rtol=1e-4, atol=1e-5)
    train(learner, 1, 60)
    assert learner.paid.reward_function is learner.ensemble
    assert buffer.pos == 80


@pytest.mark.parametrize("config", [SMALL, SMALL_SAC])
def test_a_learner_that_was_saved_goes_on_as_if_it_had_not_been(config: TrainConfig, tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", config)
    learner, episodes = explored(config)
    learn(learner, 0, answers(episodes), episodes)
    train(learner, 1, 80)
    learner.save(run, 1, answers(episodes)[:5])
    other = Learner(config)
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    assert (checkpoint.state["round"], checkpoint.state["watermark"]) == (1, 5)
    assert checkpoint.state["answers"] == fingerprint(answers(episodes)[:5])
    assert (checkpoint.state["env_id"], checkpoint.state["resume"]) == ("MoveRight-v0", "exact")
    other.restore(checkpoint)
    assert other.num_timesteps == learner.num_timesteps == 180
    assert other.ensemble.to_bytes() == learner.ensemble.to_bytes()
    after = []
    for either in (learner, other):
        episodes = train(either, 2, 80)
        metrics = learn(either, 2, answers(episodes), episodes)
        after.append((actions(episodes), weights(either), metrics, either.ensemble.to_bytes()))
    assert after[0] == after[1]


def test_a_checkpoint_of_another_reward_model_is_refused(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", SMALL)
    Learner(SMALL).save(run, 0, [])
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    wider = dataclasses.replace(SMALL, reward_model=dataclasses.replace(SMALL.reward_model, members=4))
    with pytest.raises(CheckpointError, match="reward model"):
        Learner(wider).restore(checkpoint)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "exact"),
        ({"env_id": "Windy-v0"}, "not exact: the environment does not repeat itself"),
        ({"teacher": "human"}, "not exact: answers of the teacher human come at other times"),
        ({"teacher": "human", "reward": "true"}, "exact"),
        ({"record_frames": True}, "not exact: the environment was recorded"),
    ],
)
def test_it_is_known_how_near_a_resumed_run_comes(changes: dict[str, object], said: str) -> None:
    assert how_it_resumes(dataclasses.replace(SMALL, **changes)).startswith(said)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"env_id": "Windy-v0"}, {"env_kwargs": {"reward_scale": 2.0}}])
def test_a_checkpoint_of_another_environment_is_refused(changes: dict[str, object], tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", SMALL)
    Learner(SMALL).save(run, 0, [])
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    name = next(iter(changes))
    with pytest.raises(CheckpointError, match=f"of another run: its {name} is"):
        Learner(dataclasses.replace(SMALL, **changes)).restore(checkpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_a_checkpoint_of_another_version_is_refused(other: int, tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run", SMALL)
    Learner(SMALL).save(run, 0, [])
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    of_another = dataclasses.replace(checkpoint, state={**checkpoint.state, "format": other})
    for load in (Learner(SMALL).restore, load_ensemble):
        with pytest.raises(
            CheckpointError, match=rf"another version of prefrl \(format {other}, this one reads {FORMAT}"
        ):
            load(of_another)


@pytest.mark.fault
@pytest.mark.parametrize(
    "name", ["policy.safetensors", "policy_optimizer.safetensors", "vec_normalize.json", "reward_model.safetensors"]
)
def test_a_pickle_in_a_checkpoint_is_refused_and_never_run(name: str, tmp_path: Path) -> None:
    """Its hash is right: whoever made the checkpoint meant it."""
    run, canary = RunDir.create(tmp_path / "run", SMALL), tmp_path / "canary"
    learner, _ = explored()
    train(learner, 1, 80)
    learner.save(run, 0, [])
    before = run.latest_checkpoint()
    assert before is not None
    data = pickle.dumps(Canary(canary))
    pickle.loads(data)  # it sings
    canary.unlink()
    run.write_checkpoint(200, {**{name: before.read(name) for name in before.hashes}, name: data}, before.state)
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    with pytest.raises(CheckpointError):
        Learner(SMALL).restore(checkpoint)
    assert not canary.exists()
