"""prefrl: teach agents in games and robotics from human preferences."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefrl.config import TrainConfig
    from prefrl.evaluate import evaluate
    from prefrl.evaluation import Evaluation
    from prefrl.fit import FitMetrics, fit
    from prefrl.presets import preset
    from prefrl.reward_model import RewardEnsemble
    from prefrl.run_dir import RunDir
    from prefrl.store import Store
    from prefrl.train import resume, train
    from prefrl.types import Choice, Preference, Query, Segment
    from prefrl.vec_env import LearnedRewardVecEnv

_HOMES = {
    "Choice": "types",
    "Evaluation": "evaluation",
    "FitMetrics": "fit",
    "LearnedRewardVecEnv": "vec_env",
    "Preference": "types",
    "Query": "types",
    "RewardEnsemble": "reward_model",
    "RunDir": "run_dir",
    "Segment": "types",
    "Store": "store",
    "TrainConfig": "config",
    "evaluate": "evaluate",
    "fit": "fit",
    "preset": "presets",
    "resume": "train",
    "train": "train",
}

__all__ = list(_HOMES)


class _Package(ModuleType):
    """Imports a name when it is asked for: `import prefrl` and `prefrl --help` need no torch."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'prefrl' has no attribute {name!r}; it has {', '.join(__all__)}")
        value = getattr(importlib.import_module(f"prefrl.{_HOMES[name]}"), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing prefrl/fit.py binds the module to prefrl.fit, where users expect the function of that name.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
