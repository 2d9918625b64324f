import numpy as np
import pytest

from prefrl.data.spaces import Spaces
from prefrl.rewards.novelty import StateEntropy


def paid(seeker: StateEntropy, *states: float) -> list[float]:
    return rewards(seeker, np.array(states, np.float32)[:, None]).tolist()


def rewards(seeker: StateEntropy, states: np.ndarray) -> np.ndarray:
    obs = {"obs": states}
    return seeker.reward(obs, states, obs, np.zeros(len(states), bool))


def test_by_hand() -> None:
    """The second nearest counts; distances are in deviations of the states known."""
    seeker = StateEntropy(Spaces.vectors(1, 1), 10, nearest=2)
    assert paid(seeker, 0.0) == [0.0]
    assert paid(seeker, 2.0) == [0.0]  # one state is known
    # 0 and 2 deviate by 1 from their mean; from 4, the second nearest is 0
    assert paid(seeker, 4.0) == pytest.approx([np.log1p(4.0)])
    # 2 itself is the nearest
    assert paid(seeker, 2.0) == pytest.approx([np.log1p(2 / np.std([0.0, 2.0, 4.0]))], rel=1e-3)


def test_what_was_seen_is_paid_less_than_what_was_not() -> None:
    seeker = StateEntropy(Spaces.vectors(1, 1), 1000)
    rng = np.random.default_rng(0)
    for _ in range(50):
        paid(seeker, *rng.normal(size=10))
    old, new = paid(seeker, 0.0, 9.0)
    assert new > 5 * old
    for _ in range(5):
        paid(seeker, 9.0)
    assert paid(seeker, 9.0)[0] < new / 5


def test_the_oldest_states_are_forgotten() -> None:
    seeker = StateEntropy(Spaces.vectors(1, 1), 4, nearest=1)
    paid(seeker, 5.0, 5.1)
    paid(seeker, 0.0, 0.1, 0.2, 0.3)
    assert paid(seeker, 5.0)[0] > 1


def test_a_constant_does_not_matter_wherever_it_lies() -> None:
    """0.45 has no exact float, so that in single precision a thousand of them seem to differ."""
    rng = np.random.default_rng(0)
    states = np.stack([rng.normal(size=2000), np.full(2000, 0.45)], axis=1).astype(np.float32)
    both, alone = (
        StateEntropy(Spaces.vectors(2, 1), 3000, nearest=5),
        StateEntropy(Spaces.vectors(1, 1), 3000, nearest=5),
    )
    paid_both = [rewards(both, s) for s in np.split(states, 20)]
    paid_alone = [rewards(alone, s) for s in np.split(states[:, :1], 20)]
    np.testing.assert_allclose(paid_both, paid_alone, atol=1e-4)


def test_a_constant_and_a_dead_end_are_worth_nothing() -> None:
    seeker = StateEntropy(Spaces.vectors(1, 1), 10, nearest=1)
    assert [paid(seeker, 3.0) for _ in range(4)] == [pytest.approx([0.0], abs=1e-2)] * 4
    assert seeker.absorbing_reward() == 0.0
