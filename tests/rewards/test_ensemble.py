import base64
import copy
import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from builders import make_segment
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import Batch, Transitions, stack
from prefrl.data.episode import Episode, cut
from prefrl.data.segment import Segment
from prefrl.data.spaces import ArraySpec, Spaces
from prefrl.errors import EnvError
from prefrl.rewards.ensemble import MIN_STD, RawReward, RewardEnsemble, make_ensemble

OBS_DIM, ACTION_DIM, STEPS = 3, 2, 5
SPACES = Spaces.vectors(OBS_DIM, ACTION_DIM)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ensemble(members: int = 3, hidden: tuple[int, ...] = (16, 8), seed: int = 0) -> RewardEnsemble:
    """Its rewards differ as those of trained nets do, which fresh ones' do not."""
    made = RewardEnsemble(SPACES, members, hidden, generator=generator(seed))
    with torch.no_grad():
        made.weights[-1].mul_(30.0)
    return made


def segments(count: int = 6, seed: int = 0) -> list[Segment]:
    """Some that end alive and some that die, at a scale and an offset that need normalising."""
    rng = np.random.default_rng(seed)
    ends = [None, 2, 1, STEPS, None, 4]
    made = [make_segment(rng, STEPS, OBS_DIM, ACTION_DIM, ends[i % len(ends)]) for i in range(count)]
    return [
        dataclasses.replace(s, obs={"obs": np.where(s.absorbing[:, None], s.obs["obs"], 5 * s.obs["obs"] + 20)})
        for s in made
    ]


def tensors(made: list[Segment]) -> Batch[torch.Tensor]:
    return stack(made).map(torch.from_numpy)


def batch_of(obs: torch.Tensor, actions: torch.Tensor, absorbing: torch.Tensor) -> Batch[torch.Tensor]:
    return Batch({"obs": obs}, actions, absorbing, torch.ones_like(absorbing))


def fitted(seed: int = 0) -> RewardEnsemble:
    """An ensemble whose normalisers were set."""
    made = ensemble(seed=seed)
    made.set_input_stats(tensors(segments()))
    made.set_output_stats(stack(segments()))
    return made


def rows(made: list[Segment]) -> Transitions:
    """The living transitions of segments."""
    batch = stack(made)
    obs, absorbing = batch.obs["obs"], batch.absorbing
    alive = ~absorbing[:, :-1]
    return Transitions(
        {"obs": obs[:, :-1][alive]}, batch.actions[alive], {"obs": obs[:, 1:][alive]}, absorbing[:, 1:][alive]
    )


def first_steps(batch: Batch[torch.Tensor]) -> Transitions:
    """The first step of each segment."""
    obs = batch.obs["obs"].numpy()
    return Transitions(
        {"obs": obs[:, 0]}, batch.actions[:, 0].numpy(), {"obs": obs[:, 1]}, batch.absorbing[:, 1].numpy()
    )


def state(model: RewardEnsemble) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


def test_one_batched_call_equals_each_member_alone() -> None:
    model = fitted()
    together = model.segment_rewards(tensors(segments()))  # (E, S, T)
    for member in range(3):
        alone = ensemble(members=1)
        alone.load_state_dict({k: v[member : member + 1] if v.ndim == 3 else v for k, v in model.state_dict().items()})
        torch.testing.assert_close(alone.segment_rewards(tensors(segments()))[0], together[member])


def test_the_nets_see_state_action_and_what_follows_or_changes() -> None:
    obs, actions = torch.tensor([[[1.0], [3.0], [-9.0]]]), torch.tensor([[[0.5], [-20.0]]])
    for sees_change, then in ((False, [3.0, -9.0]), (True, [2.0, -10.0])):  # -12 is clipped at -10
        model = RewardEnsemble(Spaces.vectors(1, 1), sees_change=sees_change, generator=generator())
        inputs = model.inputs(batch_of(obs, actions, torch.tensor([[False, False, True]])))
        torch.testing.assert_close(inputs, torch.tensor([[[1.0, 0.5, then[0], 0.0], [3.0, -10.0, then[1], 1.0]]]))


def test_nets_that_do_not_see_actions_pay_all_actions_alike() -> None:
    model = RewardEnsemble(SPACES, sees_change=True, sees_action=False, generator=generator())
    batch = tensors(segments())
    model.set_input_stats(batch)
    model = RewardEnsemble.from_bytes(model.to_bytes())
    rewards = model.segment_rewards(batch)  # (E, S, T)
    assert torch.equal(rewards, model.segment_rewards(dataclasses.replace(batch, actions=-2 * batch.actions)))
    np.testing.assert_allclose(
        model.raw_reward(*first_steps(batch)), rewards[..., 0].mean(0).detach(), rtol=1e-4, atol=1e-6
    )


def test_the_nets_see_the_squares_of_normalised_inputs_if_asked() -> None:
    obs, actions = torch.tensor([[[1.0], [3.0], [5.0]]]), torch.tensor([[[0.5], [-20.0]]])
    model = RewardEnsemble(Spaces.vectors(1, 1), sees_squares=True, generator=generator())
    model.input_mean.copy_(torch.tensor([1.0, 0.0, 1.0]))
    model.input_std.copy_(torch.tensor([2.0, 1.0, 2.0]))
    inputs = model.inputs(batch_of(obs, actions, torch.tensor([[False, False, True]])))
    squares, values = [[0.0, 0.25, 1.0], [1.0, 9.0, 4.0]], [[0.0, 0.5, 1.0], [1.0, -10.0, 2.0]]
    want = [[*squares[0], *values[0], 0.0], [*squares[1], *values[1], 1.0]]
    torch.testing.assert_close(inputs, torch.tensor([want]))


def test_the_agent_is_paid_for_squares_as_the_segments_are() -> None:
    model = RewardEnsemble(SPACES, sees_squares=True, generator=generator())
    model.set_input_stats(tensors(segments()))
    model = RewardEnsemble.from_bytes(model.to_bytes())
    batch = tensors(segments())
    rewards = model.segment_rewards(batch)  # (E, S, T)
    np.testing.assert_allclose(
        model.raw_reward(*first_steps(batch)), rewards[..., 0].mean(0).detach(), rtol=1e-4, atol=1e-6
    )


def test_changes_have_statistics_of_their_own() -> None:
    model = RewardEnsemble(Spaces.vectors(1, 1), sees_change=True, generator=generator())
    obs = torch.tensor([[[0.0], [1.0], [4.0], [50.0]]])  # changes 1 and 3; the last state is absorbing
    model.set_input_stats(batch_of(obs, torch.zeros(1, 3, 1), torch.tensor([[False, False, False, True]])))
    torch.testing.assert_close(model.input_mean[2:], torch.tensor([2.0]))
    torch.testing.assert_close(model.input_std[2:], torch.tensor([2.0**0.5]))


def test_a_layer_is_a_matrix_product() -> None:
    """Without hidden layers and far from saturation the reward of a living step is linear."""
    model = RewardEnsemble(SPACES, 2, (), generator=generator())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e-3)
    obs, actions, absorbing = torch.zeros(3, 2, OBS_DIM), torch.zeros(3, 1, ACTION_DIM), torch.zeros(3, 2).bool()
    direction = torch.randn(ACTION_DIM, generator=generator(1))
    actions[1:, 0] = direction * torch.tensor([[1.0], [2.0]])
    base, once, twice = model.segment_rewards(batch_of(obs, actions, absorbing))[..., 0].T  # (E,) each
    torch.testing.assert_close(twice - base, 2 * (once - base), rtol=1e-3, atol=1e-8)
    weight = model.weights[0][:, OBS_DIM : OBS_DIM + ACTION_DIM, 0]  # (E, action_dim)
    torch.testing.assert_close(once - base, weight @ direction, rtol=1e-3, atol=1e-8)


def test_members_differ_and_the_generator_decides_how() -> None:
    rewards = ensemble().segment_rewards(tensors(segments()))  # (E, S, T)
    assert rewards.shape == (3, 6, STEPS)
    assert len({tuple(member.flatten().tolist()) for member in rewards}) == 3
    assert_same(state(ensemble(seed=1)), state(ensemble(seed=1)))
    assert not torch.equal(ensemble(seed=1).weights[0], ensemble(seed=2).weights[0])


def test_a_members_gradient_leaves_the_others_alone() -> None:
    model = ensemble()
    model.segment_rewards(tensors(segments()))[1].sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad[1].abs().sum() > 0
        assert parameter.grad[[0, 2]].abs().sum() == 0


def test_an_outlier_counts_no_more_than_a_few_standard_deviations() -> None:
    model, alive = fitted(), [s for s in segments() if not s.absorbing.any()]
    far, farther = (
        model.segment_rewards(
            tensors([dataclasses.replace(s, obs={"obs": s.obs["obs"] * np.float32(factor)}) for s in alive])
        )
        for factor in (1e5, 1e9)
    )
    assert torch.equal(far, farther)
    assert not torch.equal(far, model.segment_rewards(tensors(alive)))


def test_inputs_are_normalised_over_living_rows_alone() -> None:
    model = fitted()
    batch = tensors(segments())
    inputs = model.inputs(batch)  # obs, actions, perhaps next obs, flags
    alive = ~batch.absorbing[:, :-1]
    assert inputs.shape[:2] == (6, STEPS)
    std, mean = torch.std_mean(inputs[alive][:, OBS_DIM : OBS_DIM + ACTION_DIM], dim=0)
    torch.testing.assert_close(mean, torch.zeros(ACTION_DIM), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones(ACTION_DIM), atol=1e-4, rtol=0)
    # All living states are in the mean, the last of each segment too, so that of those acted from is near 0 only.
    assert inputs[alive][:, :OBS_DIM].mean(0).abs().max() < 0.3


def padded(made: list[Segment], extra: int) -> Batch[torch.Tensor]:
    """The segments with `extra` more absorbing steps each."""
    batch = tensors(made)
    return batch_of(
        torch.nn.functional.pad(batch.obs["obs"], (0, 0, 0, extra)),
        torch.nn.functional.pad(batch.actions, (0, 0, 0, extra)),
        torch.nn.functional.pad(batch.absorbing, (0, extra), value=True),
    )


def test_more_absorbing_rows_change_no_input_statistics() -> None:
    dead = [s for s in segments() if s.absorbing[-1]]
    few, many = ensemble(), ensemble()
    few.set_input_stats(tensors(dead))
    many.set_input_stats(padded(dead, extra=100))
    assert_same(state(few), state(many))


def test_more_absorbing_rows_change_no_output_statistics() -> None:
    dead = [s for s in segments() if s.absorbing[-1]]
    few, many = fitted(), fitted()
    few.set_output_stats(stack(dead))
    many.set_output_stats(padded(dead, extra=100).map(torch.Tensor.numpy))
    torch.testing.assert_close(state(few), state(many), rtol=1e-6, atol=1e-6)


def test_what_is_observed_and_done_after_the_end_has_no_influence() -> None:
    model = fitted()
    batch = tensors(segments())
    expected = model.segment_rewards(tensors(segments()))
    batch.obs["obs"][:, 1:][batch.absorbing[:, :-1]] = 7.0
    batch.actions[batch.absorbing[:, :-1]] = -3.0
    got = model.segment_rewards(batch)
    assert torch.equal(got, expected)


def test_the_absorbing_flag_has_influence() -> None:
    """Being dead is not the same to the reward as being at the mean observation."""
    model = fitted()
    mean = model.input_mean[:OBS_DIM].expand(1, 2, OBS_DIM)
    action = model.input_mean[OBS_DIM : OBS_DIM + ACTION_DIM].expand(1, 1, ACTION_DIM)
    alive, dead = (model.segment_rewards(batch_of(mean, action, torch.full((1, 2), flag))) for flag in (False, True))
    assert (alive - dead).abs().min() > 1e-4


def test_an_input_that_never_changes_is_left_unscaled() -> None:
    model = ensemble()
    batch = tensors(segments())
    batch.obs["obs"][..., 0] = 4.0
    model.set_input_stats(batch)
    assert torch.isfinite(model.segment_rewards(batch)).all()
    assert (model.inputs(batch)[..., 0] == 0).all()


@pytest.mark.parametrize("unit", [2.0**-30, 2.0**20])  # powers of 2, by which nothing is rounded
def test_actions_count_alike_in_any_unit(unit: float) -> None:
    model, other, batch = ensemble(), ensemble(), tensors(segments())
    model.set_input_stats(batch)
    scaled = dataclasses.replace(batch, actions=batch.actions * unit)
    other.set_input_stats(scaled)
    assert torch.equal(other.inputs(scaled), model.inputs(batch))


def test_too_few_rows_leave_a_usable_model() -> None:
    model = ensemble()
    one = [make_segment(np.random.default_rng(0), 1, OBS_DIM, ACTION_DIM, absorbing_from=1)]
    model.set_input_stats(tensors(one))
    model.set_output_stats(stack(one))
    obs, actions, next_obs, terminated = rows(one)
    assert np.isfinite(model.reward(obs, actions, next_obs, terminated)).all()


@pytest.mark.parametrize("count", [6, 200])
def test_the_agents_reward_is_that_of_the_segments_rescaled(count: int) -> None:
    model, made = fitted(), segments(count)
    living = ~stack(made).absorbing[:, :-1]
    raw = model.segment_rewards(tensors(made)).mean(0).detach().numpy()[living]  # (N,)
    got = model.reward(*rows(made))
    assert got.dtype == np.float32
    assert rows(made).terminated.any()  # terminations are among them
    np.testing.assert_allclose(got, (raw - model.output_mean.item()) / model.output_std.item(), rtol=1e-4, atol=1e-5)


def test_a_termination_is_worth_the_same_to_the_agent_as_in_the_segment_cut_from_its_episode() -> None:
    """Whatever the environment observed in its terminal state."""
    model, rng = fitted(), np.random.default_rng(0)
    obs = rng.normal(20, 5, size=(4, OBS_DIM)).astype(np.float32)
    taken = rng.uniform(-1, 1, size=(3, ACTION_DIM)).astype(np.float32)
    (segment,) = cut([Episode({"obs": obs}, taken, np.zeros(3, np.float32), terminated=True)], length=STEPS)
    raw = model.segment_rewards(tensors([segment])).mean(0)[0].detach().numpy()
    got = model.reward({"obs": obs[:-1]}, taken, {"obs": obs[1:]}, np.array([False, False, True]))
    np.testing.assert_allclose(got, ((raw - model.output_mean.item()) / model.output_std.item())[:3], rtol=1e-4)


def test_the_agents_reward_has_mean_0_and_standard_deviation_1_on_steps_that_end_no_episode() -> None:
    obs, actions, next_obs, terminated = rows(segments())
    rewards = fitted().reward(obs, actions, next_obs, terminated)[~terminated]
    assert rewards.mean() == pytest.approx(0, abs=1e-5)
    assert rewards.std(ddof=1) == pytest.approx(1, abs=1e-4)


def test_differences_that_answers_cannot_tell_are_not_blown_up() -> None:
    model = ensemble()
    with torch.no_grad():
        model.weights[-1].mul_(1e-4)
    model.set_output_stats(stack(segments()))
    obs, actions, next_obs, terminated = rows(segments())
    assert model.output_std == MIN_STD
    assert 0 < model.reward(obs, actions, next_obs, terminated)[~terminated].std() < 0.01


def test_where_each_step_ends_an_episode_the_rescaling_is_to_these() -> None:
    rng, model = np.random.default_rng(0), ensemble()
    made = [make_segment(rng, 1, OBS_DIM, ACTION_DIM, absorbing_from=1) for _ in range(9)]
    model.set_output_stats(stack(made))
    assert model.reward(*rows(made)).std(ddof=1) == pytest.approx(1, abs=1e-4)


def test_the_absorbing_reward_is_that_of_padded_steps_by_the_same_rescaling() -> None:
    model, (dead,) = fitted(), [s for s in segments() if s.absorbing[1]][:1]
    raw = model.segment_rewards(tensors([dead])).mean(0)[0, -1].item()  # absorbing now and then
    expected = (raw - model.output_mean.item()) / model.output_std.item()
    assert model.absorbing_reward() == pytest.approx(expected, abs=1e-5)


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_both_rewards_obey_one_affine_map(shift: float, scale: float) -> None:
    model, other = fitted(), fitted()
    other.output_mean.sub_(shift * other.output_std)
    other.output_std.div_(scale)
    np.testing.assert_allclose(
        other.reward(*rows(segments())), scale * (model.reward(*rows(segments())) + shift), rtol=1e-3, atol=1e-3
    )
    assert other.absorbing_reward() == pytest.approx(scale * (model.absorbing_reward() + shift), rel=1e-3, abs=1e-3)


def test_returns_are_sums_of_raw_rewards_however_many_segments() -> None:
    model, many = fitted(), segments(count=600)
    returns = model.returns(stack(many))
    assert returns.shape == (3, 600)
    expected = model.segment_rewards(tensors(many)).sum(-1).detach().numpy()
    np.testing.assert_allclose(returns, expected, rtol=1e-4, atol=1e-5)


USES: list[Callable[[RewardEnsemble], object]] = [
    lambda m: m.reward(*rows(segments(seed=9))),
    lambda m: m.absorbing_reward(),
    lambda m: m.returns(stack(segments(seed=9))),
    lambda m: m.segment_rewards(tensors(segments(seed=9))).sum().backward(),
    lambda m: m.to_bytes(),
]


@pytest.mark.parametrize("use", USES)
def test_use_changes_no_statistics(use: Callable[[RewardEnsemble], object]) -> None:
    model = fitted()
    before = state(model)
    use(model.train())
    assert_same(before, state(model))


def test_rescaling_changes_no_weights_and_takes_nothing_from_the_scale_before() -> None:
    model = fitted()
    before, rewards = state(model), model.reward(*rows(segments()))
    model.set_output_stats(stack(segments(seed=1)))
    assert not np.allclose(model.reward(*rows(segments())), rewards)
    model.set_output_stats(stack(segments()))
    assert_same(before, state(model))


@pytest.mark.parametrize("hidden", [(4,), (16, 8, 4)])
def test_bytes_give_back_the_same_ensemble_bit_for_bit(hidden: tuple[int, ...]) -> None:
    original = ensemble(members=2, hidden=hidden)
    original.set_input_stats(tensors(segments()))
    original.set_output_stats(stack(segments()))
    read = RewardEnsemble.from_bytes(original.to_bytes())
    assert (read.spaces, read.members, read.hidden) == (SPACES, 2, hidden)
    assert_same(state(original), state(read))
    assert read.to_bytes() == original.to_bytes()
    np.testing.assert_array_equal(read.reward(*rows(segments())), original.reward(*rows(segments())))


def test_an_ensemble_that_was_saved_before_there_were_squares_sees_none() -> None:
    original = ensemble()
    shape = {"obs_dim": OBS_DIM, "action_dim": ACTION_DIM, "members": original.members, "hidden": original.hidden}
    read = RewardEnsemble.from_bytes(save(original.state_dict(), {"shape": json.dumps(shape)}))
    assert not read.sees_squares
    assert read.spaces == SPACES
    assert_same(state(original), state(read))


BEFORE_NAMES = """
WAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJzaGFwZSI6IntcIm9ic19kaW1cIjogMSwgXCJhY3Rpb25fZGltXCI6IDEsIFwibWVtYmVyc1wiOiAxLCBc
ImhpZGRlblwiOiBbXSwgXCJ0ZXJtaW5hbF9zY2FsZVwiOiAzLjAsIFwiYm91bmRlZFwiOiBmYWxzZSwgXCJzZWVzX2NoYW5nZVwiOiB0cnVlLCBcInNl
ZXNfYWN0aW9uXCI6IHRydWUsIFwic2Vlc19zcXVhcmVzXCI6IGZhbHNlfSJ9LCJiaWFzZXMuMCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMSwxLDJd
LCJkYXRhX29mZnNldHMiOlswLDhdfSwiaW5wdXRfbWVhbiI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbM10sImRhdGFfb2Zmc2V0cyI6WzgsMjBdfSwi
aW5wdXRfc3RkIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbMjAsMzJdfSwib3V0cHV0X21lYW4iOnsiZHR5cGUiOiJG
MzIiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzMyLDM2XX0sIm91dHB1dF9zdGQiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6W10sImRhdGFfb2Zm
c2V0cyI6WzM2LDQwXX0sIndlaWdodHMuMCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMSw0LDJdLCJkYXRhX29mZnNldHMiOls0MCw3Ml19fSAgICB4
Wo49AMR6vQAAAAAAAAAAAAAAAAAAAEAAAIA/AACAQAAAgD4AAAA/SuiDPlT8Yb6gg8a9IFFwPgIC8b4Sh5k+qKnSvQo9gj4=
"""
"""In base64, what a version saved whose observations had no names, and weights that were drawn from seed 1."""


def test_an_ensemble_that_was_saved_before_observations_had_names_pays_the_same() -> None:
    read = RewardEnsemble.from_bytes(base64.b64decode(BEFORE_NAMES))
    assert (read.spaces, read.members, read.hidden) == (Spaces.vectors(1, 1), 1, ())
    assert (read.terminal_scale, read.bounded, read.sees_change, read.sees_action) == (3.0, False, True, True)
    obs, actions, next_obs = (np.array(column, np.float32)[:, None] for column in ([1, 2], [3, 4], [5, 7]))
    paid = read.reward({"obs": obs}, actions, {"obs": next_obs}, np.array([False, True]))
    assert paid.tolist() == [-1.6263726949691772, 7.216131687164307]
    again = RewardEnsemble(Spaces.vectors(1, 1), 1, (), sees_change=True, generator=generator(1))
    assert state(read).keys() == state(again).keys()
    assert torch.equal(read.weights[0], again.weights[0])
    assert torch.equal(read.biases[0], again.biases[0])


def test_several_observed_vectors_are_as_good_as_one() -> None:
    one = ensemble()
    parted = RewardEnsemble(
        Spaces({"b": ArraySpec((2,)), "a": ArraySpec((1,))}, SPACES.action), 3, (16, 8), generator=generator()
    )
    parted.load_state_dict(one.state_dict())
    batch = tensors(segments())
    obs = {"b": batch.obs["obs"][..., 1:], "a": batch.obs["obs"][..., :1]}
    assert torch.equal(parted.segment_rewards(dataclasses.replace(batch, obs=obs)), one.segment_rewards(batch))
    transitions = rows(segments())
    split = [{"b": seen["obs"][:, 1:], "a": seen["obs"][:, :1]} for seen in (transitions.obs, transitions.next_obs)]
    np.testing.assert_array_equal(
        parted.reward(split[0], transitions.actions, split[1], transitions.terminated), one.reward(*transitions)
    )
    assert RewardEnsemble.from_bytes(parted.to_bytes()).spaces == parted.spaces


def test_what_no_encoder_takes_is_refused() -> None:
    with pytest.raises(EnvError, match=r"no reward net takes observations of camera uint8\[8, 8, 3\]"):
        RewardEnsemble(Spaces({"camera": ArraySpec((8, 8, 3), "uint8")}, SPACES.action))


def test_an_ensemble_is_of_the_shape_asked_for() -> None:
    asked = RewardConfig(
        2, (5,), terminal_scale=7.0, bounded=False, sees_change=True, sees_action=False, sees_squares=True
    )
    made = make_ensemble(asked, SPACES, generator())
    for name in ("members", "hidden", "terminal_scale", "bounded", "sees_change", "sees_action", "sees_squares"):
        assert getattr(made, name) == getattr(asked, name) != getattr(RewardConfig(), name), name
    assert made.spaces == SPACES


def test_raw_rewards_are_those_before_rescaling() -> None:
    model = fitted()
    raw = RawReward(model)
    paid = raw.reward(*rows(segments()))
    np.testing.assert_array_equal(paid, model.raw_reward(*rows(segments())))
    rescaled = (paid - model.output_mean.item()) / model.output_std.item()
    np.testing.assert_allclose(rescaled, model.reward(*rows(segments())), rtol=1e-5)
    assert raw.absorbing_reward() == 0.0


def test_a_copy_pays_by_weights_and_statistics_of_its_own() -> None:
    original = ensemble()
    copied, paid = copy.deepcopy(original), original.reward(*rows(segments()))
    with torch.no_grad():
        for weight in copied.weights:
            weight.zero_()
    copied.set_output_stats(stack(segments(seed=9)))
    assert (copied.raw_reward(*rows(segments())) != original.raw_reward(*rows(segments()))).any()
    np.testing.assert_array_equal(original.reward(*rows(segments())), paid)
