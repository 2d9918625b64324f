import dataclasses
from pathlib import Path

from prefrl.config import TrainConfig
from prefrl.learner import Learner
from prefrl.store import Store
from prefrl.teach import ask

CONFIG = TrainConfig("CartPole-v1", segment_length=4, selector="entropy")


def test_as_many_questions_show_ends_as_is_asked(tmp_path: Path) -> None:
    episodes = Learner(CONFIG).explore(800)  # of about 20 steps each

    def with_end(share: float) -> int:
        learner = Learner(dataclasses.replace(CONFIG, ends_share=share))
        with Store(f"sqlite:///{tmp_path / str(share)}.sqlite") as store:
            store.describe(learner.store_info())
            ask(learner, store, 20, 1, episodes)
            queries = store.pending()
        return sum(bool(q.left.absorbing[-1] or q.right.absorbing[-1]) for q in queries)

    assert with_end(0.0) < 20
    assert with_end(1.0) == 20
