import dataclasses
import math
from itertools import permutations

import numpy as np
import pytest
import torch
from builders import make_answer, make_segment
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from prefrl.config.rewards import RewardConfig
from prefrl.data.batch import Batch, stack
from prefrl.data.segment import Segment
from prefrl.data.spaces import Spaces
from prefrl.errors import UsageError
from prefrl.feedback import kinds
from prefrl.feedback.answer import Answer, is_held_out
from prefrl.feedback.choice import WHOLE, Choice
from prefrl.feedback.comparison import Comparison, Preferred
from prefrl.feedback.question import Question
from prefrl.rewards import fit as fitting
from prefrl.rewards.batches import segments_of
from prefrl.rewards.ensemble import RewardEnsemble, make_ensemble
from prefrl.rewards.fit import FitMetrics, fit, stated
from prefrl.rewards.metrics import preference_accuracy

SMALL = RewardConfig(hidden=(32,), max_epochs=4)
OBS_DIM, ACTION_DIM, STEPS = 3, 2, 10
SPACES = Spaces.vectors(OBS_DIM, ACTION_DIM)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ensemble(config: RewardConfig = SMALL) -> RewardEnsemble:
    return RewardEnsemble(SPACES, config.members, config.hidden, generator=generator())


def segment(rng: np.random.Generator) -> Segment:
    """Its true reward is linear in what the reward model sees, whose two parts have unlike scales and offsets."""
    made = make_segment(rng, STEPS, OBS_DIM, ACTION_DIM)
    obs = made.obs["obs"]
    rewards = obs[:-1] @ np.array([1.0, -0.5, 0.0], np.float32) + made.actions @ np.array([0.8, 0.0], np.float32)
    return dataclasses.replace(made, obs={"obs": obs * np.float32(30) + np.float32(100)}, true_rewards=rewards)


def answer(seq: int, left: Segment, right: Segment, preferred: Preferred | None = None) -> Answer:
    truth: Preferred = "left" if left.true_return > right.true_return else "right"
    return make_answer(Question((left, right), id=seq), preferred or truth, seq=seq)


def answers(count: int, seed: int = 0, preferred: Preferred | None = None) -> list[Answer]:
    rng = np.random.default_rng(seed)
    return [answer(seq, segment(rng), segment(rng), preferred) for seq in range(1, count + 1)]


def sides(given: list[Answer]) -> list[Batch[np.ndarray]]:
    """The left segments, and the right ones."""
    return [stack([a.question.segments[place] for a in given]) for place in (0, 1)]


def both(model: RewardEnsemble, given: list[Answer]) -> tuple[np.ndarray, np.ndarray]:
    """(E, B) returns of the left segments, and of the right ones."""
    left, right = (model.returns(side) for side in sides(given))
    return left, right


def train(prefs: list[Answer], config: RewardConfig = SMALL, seed: int = 0) -> tuple[RewardEnsemble, FitMetrics]:
    model = ensemble(config)
    return model, fit(model, prefs, config=config, generator=generator(seed))


def weights(model: RewardEnsemble) -> list[float]:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()


def accuracy(model: RewardEnsemble, prefs: list[Answer]) -> float:
    left, right = (returns.mean(0) for returns in both(model, prefs))
    return float(np.mean((left > right) == np.array([p.words == "left" for p in prefs])))


def test_a_linear_reward_is_learned() -> None:
    config = RewardConfig(hidden=(32,), learning_rate=2e-3, step_share=1.0, max_epochs=40, patience=10)
    fresh = answers(300, seed=1)
    assert accuracy(ensemble(config), fresh) < 0.7
    model, metrics = train(answers(800), config)
    assert metrics.held_out_accuracy > 0.9
    assert accuracy(model, fresh) > 0.9
    assert metrics.held_out_loss < 0.35
    assert metrics.preferences == 800
    assert 1 <= metrics.epochs <= 40


def test_a_distance_is_learned_from_squares() -> None:
    """Without hidden units nothing else could tell it, but for what a clip's length does; of some steps alone."""

    def nearer(seq: int) -> Answer:
        left, right = (make_segment(rng, STEPS, OBS_DIM, ACTION_DIM, end) for end in rng.integers(3, STEPS + 1, 2))
        far = [(clip.obs["obs"][1:, 0] ** 2 * ~clip.absorbing[1:]).sum() for clip in (left, right)]
        return answer(seq, left, right, "left" if far[0] < far[1] else "right")

    rng = np.random.default_rng(0)
    prefs = [nearer(seq) for seq in range(1, 601)]
    shares = {}
    for sees_squares in (False, True):
        config = RewardConfig(2, (), 0.01, step_share=0.5, bounded=False, sees_squares=sees_squares, patience=9)
        model = make_ensemble(config, SPACES, generator())
        fit(model, prefs[:400], config=config, generator=generator())
        shares[sees_squares] = accuracy(model, prefs[400:])
    assert shares[False] < 0.8 < 0.9 < shares[True]


@pytest.mark.parametrize("bootstrap", [False, True])
def test_what_is_fitted_is_the_difference_of_the_returns(bootstrap: bool) -> None:
    """Whenever a clip ends; with all steps looked at and no answer taken for random, the first loss is theirs."""
    rng = np.random.default_rng(0)
    clips = [make_segment(rng, STEPS, OBS_DIM, ACTION_DIM, end) for end in (None, STEPS, 5, 1)]
    prefs = [answer(k, left, right, "left") for k, (left, right) in enumerate(permutations(clips, 2), 1)]
    config = RewardConfig(
        hidden=(8,), step_share=1.0, random_answers=0.0, max_epochs=1, held_out=0.0, bootstrap=bootstrap
    )
    model, members = ensemble(config), config.members
    left, right = both(with_input_stats(model, prefs), prefs)
    drawn = np.stack([np.random.default_rng((members, p.seq)).poisson(1.0, members) for p in prefs], axis=1)
    expected = (np.log1p(np.exp(right - left)) * (drawn if bootstrap else 1)).mean()
    assert fit(model, prefs, config=config, generator=generator()).train_loss == pytest.approx(expected, rel=1e-5)


def test_absorbing_states_get_the_worth_that_the_answers_say() -> None:
    """Where dying is always worse, the reward of being dead is below that of being alive; and the other way round."""
    for worse, sign in (("right", -1), ("left", 1)):
        rng = np.random.default_rng(0)
        prefs = [
            answer(seq, make_segment(rng, STEPS, OBS_DIM, ACTION_DIM), make_segment(
                rng, STEPS, OBS_DIM, ACTION_DIM, absorbing_from=2), "left" if worse == "right" else "right")
            for seq in range(1, 101)
        ]  # fmt: skip
        model, _ = train(prefs, RewardConfig(hidden=(32,), max_epochs=20))
        model.set_output_stats(sides(prefs)[0])
        assert sign * model.absorbing_reward() > 0.5


@pytest.mark.parametrize("count", [2, 3, 9])
def test_pairs_are_held_out_from_the_first_round_on(count: int) -> None:
    model, metrics = train(answers(count))
    assert math.isfinite(metrics.held_out_loss)
    assert metrics.held_out_accuracy in [k / count for k in range(count + 1)] or 0 <= metrics.held_out_accuracy <= 1
    assert 0 <= metrics.held_out_calibration_error <= 1
    assert weights(model) != weights(ensemble())


def test_a_share_of_the_preferences_is_held_out() -> None:
    for share, held in ((0.1, 2), (0.25, 5), (0.5, 10)):
        assert sum(unseen(answers(20), dataclasses.replace(ONE, held_out=share))) == held


def test_what_is_held_out_is_judged_pair_by_pair_however_many_there_are() -> None:
    prefs, config = answers(60), dataclasses.replace(SMALL, held_out=0.5)
    model, metrics = train(prefs, config)
    held_out = [p for p, out in zip(prefs, is_held_out(prefs, config.held_out), strict=True) if out]
    assert metrics.held_out_decided == len(held_out) == 30
    assert metrics.held_out_accuracy == preference_accuracy(*stated(model, held_out))


OTHER: dict[str, Preferred] = {"left": "right", "right": "left", "tie": "left"}


def saying(given: Answer, preferred: Preferred | None) -> Answer:
    """The same answer, but for what it says."""
    return dataclasses.replace(given, value=None if preferred is None else Comparison(preferred))


# Adam's second step and those after it, unlike the first, feel every change of a gradient.
ONE = RewardConfig(members=1, hidden=(2,), batch_size=4, max_epochs=1)


def unseen(prefs: list[Answer], config: RewardConfig) -> list[bool]:
    """For each preference, whether no gradient comes from it: its answer can be turned without changing a weight."""
    reference = weights(train(prefs, config)[0])
    return [
        weights(train([*prefs[:i], saying(p, OTHER[p.words]), *prefs[i + 1 :]], config)[0]) == reference
        for i, p in enumerate(prefs)
    ]


def test_no_gradient_comes_from_what_is_held_out_and_it_stays_so_as_preferences_come_in() -> None:
    config = dataclasses.replace(ONE, held_out=0.2)
    first = unseen(answers(10), config)
    assert first == [True, False, False, False, False] * 2
    assert unseen(answers(15), config)[:10] == first


def test_all_answers_to_a_question_are_on_the_same_side() -> None:
    """A second annotator's answer, and one that takes the place of the first, tell nothing about the pair anew."""
    prefs = answers(10)
    again = [dataclasses.replace(prefs[i], seq=11 + i, annotator="another") for i in range(10)]
    corrected = [dataclasses.replace(prefs[0], seq=11, replaces=1), *prefs[1:]]
    config = dataclasses.replace(ONE, held_out=0.2)
    first = unseen(prefs, config)
    assert unseen([*prefs, *again], config) == first * 2
    assert unseen(corrected, config) == first
    assert unseen([*corrected[1:], corrected[0]], config) == [*first[1:], first[0]]


@pytest.mark.parametrize(("ids", "held"), [([1, 11], [True, False]), ([4, 6], [True, False]), ([4, 4], [True, False])])
def test_both_sides_have_a_pair_whichever_questions_are_answered(ids: list[int], held: list[bool]) -> None:
    prefs = [
        dataclasses.replace(p, question=dataclasses.replace(p.question, id=i))
        for p, i in zip(answers(2), ids, strict=True)
    ]
    assert unseen(prefs, ONE) == held


def test_nothing_is_held_out_if_that_is_asked() -> None:
    config = dataclasses.replace(ONE, held_out=0.0)
    assert not any(unseen(answers(8), config))
    _, metrics = train(answers(8), config)
    assert math.isnan(metrics.held_out_accuracy)


def test_skipped_and_retracted_answers_are_left_out() -> None:
    answered = answers(12)
    other = answers(2, seed=5)
    skipped = saying(dataclasses.replace(other[0], seq=13), "skip")
    retracted = dataclasses.replace(other[1], seq=14, value=None, replaces=99)
    model, metrics = train([*answered, skipped, retracted])
    expected, expected_metrics = train(answered)
    assert weights(model) == weights(expected)
    assert metrics == expected_metrics
    assert metrics.preferences == 12


@pytest.mark.parametrize("preferred", [None, "left"])
def test_fewer_than_two_informative_answers_are_refused(preferred: Preferred | None) -> None:
    prefs = answers(1, preferred=preferred) + [saying(p, "skip") for p in answers(3, seed=2)]
    with pytest.raises(ValueError, match=r"^1 informative answers"):
        train(prefs)


def test_a_tie_teaches_that_both_are_alike() -> None:
    rng = np.random.default_rng(0)
    ties = [answer(seq, segment(rng), segment(rng), "tie") for seq in range(1, 61)]
    config = RewardConfig(hidden=(32,), max_epochs=30, learning_rate=3e-3)
    model, metrics = train(ties, config)
    before, after = (np.abs(np.subtract(*both(m, ties))) for m in (with_input_stats(ensemble(config), ties), model))
    assert after.mean() < 0.5 * before.mean()
    assert metrics.held_out_loss == pytest.approx(math.log(2), abs=0.02)
    assert math.isnan(metrics.held_out_accuracy)


def with_input_stats(model: RewardEnsemble, prefs: list[Answer]) -> RewardEnsemble:
    model.set_input_stats(stack(segments_of(prefs)).map(torch.from_numpy))
    return model


def test_left_and_right_are_treated_alike() -> None:
    """Turning every pair round with its answer gives the same reward."""
    prefs = answers(40)
    swapped = [answer(p.seq, *p.question.segments[::-1], OTHER[p.words]) for p in prefs]
    np.testing.assert_allclose(weights(train(prefs)[0]), weights(train(swapped)[0]), atol=2e-3)


def test_the_generator_decides_everything() -> None:
    prefs = answers(150)
    torch.manual_seed(1)
    first, metrics = train(prefs)
    torch.manual_seed(2)
    second, again = train(prefs)
    assert weights(first) == weights(second)
    assert metrics == again
    assert weights(first) != weights(train(prefs, seed=1)[0])


@pytest.mark.parametrize("bootstrap", [False, True])
def test_members_learn_from_samples_of_their_own_if_asked(bootstrap: bool) -> None:
    """From equal first weights, members end apart only if each has its own bootstrap sample."""
    model = ensemble()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter[:1].expand_as(parameter))
    fit(model, answers(60), config=dataclasses.replace(SMALL, bootstrap=bootstrap), generator=generator())
    first, *others = (w.detach() for w in model.weights[0])
    assert [torch.allclose(w, first) for w in others] == [not bootstrap] * len(others)


def seen_by(prefs: list[Answer], config: RewardConfig) -> np.ndarray:
    """(B, E) whether member e's weights depend on the answer to preference b."""
    reference = train(prefs, config)[0].weights[0].detach()
    changed = []
    for i, p in enumerate(prefs):
        other = [*prefs[:i], saying(p, OTHER[p.words]), *prefs[i + 1 :]]
        changed.append((train(other, config)[0].weights[0].detach() != reference).flatten(1).any(1).numpy())
    return np.array(changed)


def test_a_member_keeps_its_bootstrap_sample_as_preferences_come_in() -> None:
    config = dataclasses.replace(ONE, members=4, bootstrap=True)
    early, late = seen_by(answers(20), config), seen_by(answers(30), config)
    np.testing.assert_array_equal(early, late[:20])
    assert len({tuple(member) for member in early.T}) == 4
    trained = early.mean(1)
    assert 0.4 < trained[trained > 0].mean() < 0.95  # about 1 - 1/e of the pairs are in a member's sample


def test_early_stopping_keeps_the_best_held_out_weights() -> None:
    """Answers at random: to learn them by heart makes the held-out loss worse."""
    rng = np.random.default_rng(3)
    noise = [answer(q, segment(rng), segment(rng), rng.choice(["left", "right"])) for q in range(1, 81)]
    patient = RewardConfig(hidden=(64,), learning_rate=3e-3, held_out=0.25, max_epochs=60, patience=1000)
    _, kept = train(noise, patient)
    losses = [train(noise, dataclasses.replace(patient, max_epochs=k))[1].held_out_loss for k in (1, 2, 4, 8)]
    assert kept.epochs == 60
    assert kept.held_out_loss <= min(losses)
    hasty, stopped = train(noise, dataclasses.replace(patient, patience=3))
    assert stopped.epochs < 60
    assert stopped.held_out_loss >= kept.held_out_loss
    # What is reported is what the kept weights give.
    held_out = noise[::4]
    left, right = both(hasty, held_out)
    targets = np.array([p.words == "left" for p in held_out])
    losses_by_hand = -np.log(0.9 * expit(np.where(targets, left - right, right - left)) + 0.1 / 2)  # of random ones
    assert stopped.held_out_loss == pytest.approx(losses_by_hand.mean(), abs=1e-4)


def test_a_fit_goes_on_from_the_weights_it_finds() -> None:
    prefs = answers(200)
    model, first = train(prefs, RewardConfig(hidden=(32,), max_epochs=10))
    again = fit(model, prefs, config=RewardConfig(hidden=(32,), max_epochs=1), generator=generator(1))
    cold = train(prefs, RewardConfig(hidden=(32,), max_epochs=1))[1]
    assert again.held_out_loss < cold.held_out_loss - 0.05
    assert again.held_out_loss < first.held_out_loss + 0.1


def test_a_fit_leaves_the_scale_of_the_output_to_its_own_method() -> None:
    model = ensemble()
    model.output_mean.fill_(3.0)
    model.output_std.fill_(2.0)
    fit(model, answers(20), config=SMALL, generator=generator())
    assert (model.output_mean.item(), model.output_std.item()) == (3.0, 2.0)


@settings(max_examples=15)
@given(st.lists(st.sampled_from(["left", "right", "tie"]), min_size=2, max_size=12))
def test_any_answers_give_finite_weights(said: list[Preferred]) -> None:
    prefs = [saying(p, preferred) for p, preferred in zip(answers(len(said)), said, strict=True)]
    model, metrics = train(prefs)
    assert np.isfinite(weights(model)).all()
    assert math.isfinite(metrics.held_out_loss)
    assert metrics.as_dict()["preferences"] == len(said)


def test_what_was_retracted_or_corrected_counts_no_more() -> None:
    prefs = answers(6)
    corrected = dataclasses.replace(prefs[1], seq=7, replaces=prefs[1].seq)
    retracted = dataclasses.replace(prefs[2], seq=8, replaces=prefs[2].seq, value=None)
    assert train([*prefs, corrected, retracted])[1].preferences == 5


def state(model: RewardEnsemble) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("stage", ["a pass", "its end"])
def test_a_fit_that_fails_leaves_the_ensemble_as_it_was(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ensemble()
    before = state(model)
    passes = iter(range(100))

    def fails(*_: object) -> float:
        if stage == "its end" or next(passes) == 2:
            raise KeyboardInterrupt
        return original(*_)

    name = {"a pass": "_one_pass", "its end": "_held_out"}[stage]
    original = getattr(fitting, name)
    monkeypatch.setattr(fitting, name, fails)
    with pytest.raises(KeyboardInterrupt):
        fit(model, answers(20), config=SMALL, generator=generator())
    assert state(model) == before


def test_a_fit_without_a_finite_loss_says_so_and_leaves_the_ensemble_as_it_was() -> None:
    config = RewardConfig(hidden=(8,), bounded=False, learning_rate=1e38, max_epochs=3)
    model = make_ensemble(config, SPACES, generator())
    before = state(model)
    with pytest.raises(UsageError, match=r"lower --reward-model\.learning-rate"):
        fit(model, answers(20), config=config, generator=generator())
    assert state(model) == before


def test_segments_of_another_environment_are_refused_and_leave_the_ensemble_as_it_was() -> None:
    model, rng = ensemble(), np.random.default_rng(0)
    before = state(model)
    for obs_dim, action_dim in ((OBS_DIM + 1, ACTION_DIM), (OBS_DIM, ACTION_DIM - 1)):
        others = [answer(k, *(make_segment(rng, STEPS, obs_dim, action_dim) for _ in range(2))) for k in (1, 2)]
        with pytest.raises(ValueError, match="but the ensemble takes observations of obs float32"):
            fit(model, others, config=SMALL, generator=generator())
    assert state(model) == before


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["obs", "actions"])
def test_numbers_that_are_not_finite_are_refused_and_leave_the_ensemble_as_it_was(bad: float, where: str) -> None:
    model = train(answers(20))[0]
    before, given = state(model), answers(6)
    broken = given[3].question.segments[1]
    (broken.obs["obs"] if where == "obs" else broken.actions)[2, 0] = bad
    with pytest.raises(UsageError, match=r"^answer 4 is about a clip with numbers that are not finite"):
        fit(model, given, config=SMALL, generator=generator())
    assert state(model) == before


def some_steps(given: Answer, steps: int) -> Answer:
    """The same answer, about the first `steps` of each clip."""
    cut = [
        dataclasses.replace(
            s,
            obs={"obs": s.obs["obs"][: steps + 1]},
            actions=s.actions[:steps],
            absorbing=s.absorbing[: steps + 1],
            true_rewards=s.true_rewards[:steps],
        )
        for s in given.question.segments
    ]
    return dataclasses.replace(given, question=dataclasses.replace(given.question, segments=tuple(cut)))


def test_clips_of_several_lengths_are_fitted_by_the_losses_that_each_has_alone() -> None:
    given = [some_steps(a, steps) for a, steps in zip(answers(9), (4, STEPS, 7) * 3, strict=True)]
    dies = make_segment(np.random.default_rng(5), 4, OBS_DIM, ACTION_DIM, absorbing_from=3)
    given.append(answer(10, dies, given[0].question.segments[0], "left"))
    config = RewardConfig(hidden=(8,), step_share=1.0, max_epochs=1, held_out=0.0, batch_size=64, bootstrap=False)
    model = with_input_stats(ensemble(config), given)
    losses = []
    for a in given:
        returns = model.returns(stack(a.question.segments))  # (E, 2), of this question alone
        better, worse = returns.T if a.words == "left" else returns.T[::-1]
        losses.append(-np.log((1 - config.random_answers) * expit(better - worse) + config.random_answers / 2))
    assert fit(model, given, config=config, generator=generator()).train_loss == pytest.approx(
        np.mean(losses), rel=1e-5
    )
    some = fit(model, given, config=dataclasses.replace(config, step_share=0.5, held_out=0.3), generator=generator())
    assert math.isfinite(some.held_out_loss)
    logits, _ = stated(model, given)
    alone = np.concatenate([stated(model, [a])[0] for a in given])
    np.testing.assert_allclose(logits, alone, rtol=1e-4, atol=1e-5)


def test_the_statistics_of_inputs_and_outputs_leave_padding_out() -> None:
    long = [segment(np.random.default_rng(k)) for k in range(4)]
    short = [some_steps(answer(1, s, s, "tie"), 4).question.segments[0] for s in long]
    mixed, joined = ensemble(), ensemble()
    batch = stack([*long, *short])
    mixed.set_input_stats(batch.map(torch.from_numpy))
    states = np.concatenate([s.obs["obs"] for s in (*long, *short)])
    np.testing.assert_allclose(mixed.input_mean[:OBS_DIM], states.mean(0), rtol=1e-5)
    joined.load_state_dict(mixed.state_dict())
    mixed.set_output_stats(batch)
    rewards = np.concatenate([joined.step_rewards(stack([s])).mean(0)[0].numpy() for s in (*long, *short)])
    assert mixed.output_mean.item() == pytest.approx(rewards.mean(), rel=1e-4, abs=1e-6)


def test_answers_without_a_place_in_the_store_are_refused() -> None:
    """It decides which are held out, and whose sample they are in."""
    unplaced = [dataclasses.replace(a, seq=None) for a in answers(3)]
    with pytest.raises(ValueError, match=r"give each its own: answer\.at"):
        fit(ensemble(), unplaced, config=SMALL, generator=generator())


def test_what_the_ensemble_says_of_answers() -> None:
    given = [saying(a, p) for a, p in zip(answers(3), ("left", "right", "tie"), strict=True)]
    model = with_input_stats(ensemble(), given)
    logits, targets = stated(model, given)
    np.testing.assert_array_equal(logits, np.subtract(*(returns.mean(0) for returns in both(model, given))))
    assert targets.tolist() == [1.0, 0.0, 0.5]


class BestOf(kinds.ComparisonKind):
    """A kind for tests: the best of any number of segments, or how much more the first step weighs than the rest."""

    name = "best"

    def choices(self, feedback: Comparison, question: Question) -> list[Choice]:
        places = range(len(question.segments))
        best = Choice(tuple({place: WHOLE} for place in places), tuple(float(place == 0) for place in places))
        weights = np.eye(1, STEPS, dtype=np.float32)[0]
        return [best, Choice(({0: weights, 1: -weights}, {}), (0.75, 0.25))]


def test_any_kind_that_comes_down_to_choices_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first loss by hand: of three the first is the best, and beats the second in the first step."""
    monkeypatch.setitem(kinds.KINDS, "best", BestOf())
    rng = np.random.default_rng(0)
    triples = [Question(tuple(segment(rng) for _ in range(3)), kind="best", id=k) for k in range(1, 7)]
    given = [*(make_answer(q, seq=q.id) for q in triples), answer(7, segment(rng), segment(rng), "left")]
    config = RewardConfig(hidden=(8,), step_share=1.0, random_answers=0.0, max_epochs=1, held_out=0.0)
    model = with_input_stats(ensemble(config), given)
    losses = []
    for a in given:
        rewards = model.segment_rewards(stack(a.question.segments).map(torch.from_numpy)).detach()  # (E, S, T)
        log_shares = rewards.sum(-1).log_softmax(-1)  # (E, S)
        first = torch.nn.functional.logsigmoid(rewards[:, 0, 0] - rewards[:, 1, 0])
        second = torch.nn.functional.logsigmoid(rewards[:, 1, 0] - rewards[:, 0, 0])
        asides = 0.75 * first + 0.25 * second if a.question.kind == "best" else 0.0
        losses.append(-(log_shares[:, 0] + asides))
    counts = np.stack([np.random.default_rng((config.members, a.seq)).poisson(1.0, config.members) for a in given], 1)
    expected = (torch.stack(losses, 1).numpy() * (counts if config.bootstrap else 1)).mean()
    assert fit(model, given, config=config, generator=generator()).train_loss == pytest.approx(expected, rel=1e-5)
    logits, targets = stated(model, given[:1])  # of choices between two options alone
    first_steps = model.segment_rewards(stack(given[0].question.segments).map(torch.from_numpy)).detach()[:, :, 0]
    assert logits.tolist() == pytest.approx([(first_steps[:, 0] - first_steps[:, 1]).mean().item()], rel=1e-4)
    assert targets.tolist() == [0.75]
    metrics = fit(model, given, config=dataclasses.replace(config, step_share=0.5, held_out=0.3), generator=generator())
    assert math.isfinite(metrics.held_out_loss)


def test_the_best_of_several_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.KINDS, "best", BestOf())
    monkeypatch.setattr(BestOf, "choices", lambda self, feedback, question: choices(self, feedback, question)[:1])
    rng = np.random.default_rng(0)
    ranked = [sorted((segment(rng) for _ in range(4)), key=lambda s: -s.true_return) for _ in range(250)]
    given = [make_answer(Question(tuple(s), kind="best", id=k), seq=k) for k, s in enumerate(ranked, 1)]
    config = RewardConfig(hidden=(32,), learning_rate=2e-3, step_share=1.0, max_epochs=40, patience=10)
    assert accuracy(train(given, config)[0], answers(300, seed=1)) > 0.9


choices = BestOf.choices
