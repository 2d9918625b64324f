from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders import make_answer, make_question, make_segment
from small import SMALL

from prefrl.feedback.comparison import Preferred
from prefrl.store.store import Store
from prefrl.training import feedback_round


@pytest.mark.parametrize(
    ("choices", "fitted"), [([], False), (["left"], False), (["left", "skip"], False), (["left", "right"], True)]
)
def test_disagreement_is_looked_at_only_of_a_reward_that_was_fitted(
    choices: list[Preferred], fitted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late it is in a run: a first session may bring fewer than two answers that name a side."""
    rng = np.random.default_rng(0)
    known = [make_answer(make_question(rng), choice, seq=k) for k, choice in enumerate(choices, 1)]
    predictions = []
    monkeypatch.setattr(feedback_round, "select", lambda *args: predictions.append(args[4]) or [])
    learner = SimpleNamespace(config=SMALL, num_timesteps=100, ensemble=SimpleNamespace(returns="its returns"))
    with Store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        feedback_round.ask(learner, store, 2, 1, [make_segment(rng) for _ in range(3)], known)  # type: ignore[arg-type]
    assert predictions == ["its returns" if fitted else None]
