"""prefrl: teach agents in games and robotics from human preferences."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrl.config.presets import preset
    from prefrl.config.run import TrainConfig
    from prefrl.data.segment import Segment
    from prefrl.data.spaces import Spaces
    from prefrl.environments.learned_reward import LearnedRewardVecEnv
    from prefrl.evaluation.evaluate import evaluate
    from prefrl.evaluation.load import load_agent, load_reward
    from prefrl.evaluation.results import Evaluation
    from prefrl.feedback.answer import Answer
    from prefrl.feedback.comparison import Comparison
    from prefrl.feedback.question import Question
    from prefrl.rewards.ensemble import RewardEnsemble
    from prefrl.rewards.fit import FitMetrics, fit
    from prefrl.runs.run_dir import RunDir
    from prefrl.store.store import Store
    from prefrl.training.loop import resume, train

_HOMES = {
    "Answer": "feedback.answer",
    "Comparison": "feedback.comparison",
    "Evaluation": "evaluation.results",
    "FitMetrics": "rewards.fit",
    "LearnedRewardVecEnv": "environments.learned_reward",
    "Question": "feedback.question",
    "RewardEnsemble": "rewards.ensemble",
    "RunDir": "runs.run_dir",
    "Segment": "data.segment",
    "Spaces": "data.spaces",
    "Store": "store.store",
    "TrainConfig": "config.run",
    "evaluate": "evaluation.evaluate",
    "fit": "rewards.fit",
    "load_agent": "evaluation.load",
    "load_reward": "evaluation.load",
    "preset": "config.presets",
    "resume": "training.loop",
    "train": "training.loop",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for: `import prefrl` and `prefrl --help` need no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'prefrl' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"prefrl.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
