"""A synthetic teacher that sees the true reward, with as many human faults as asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from prefrl.config.teachers import OracleConfig
from prefrl.feedback.kinds import Feedback, kind_of
from prefrl.feedback.noise import ReturnStats
from prefrl.feedback.question import Question


@dataclass(frozen=True)
class Oracle:
    """The simulated teacher of Lee et al. 2021, "B-Pref"; how it answers a question, its kind of feedback says."""

    config: OracleConfig = field(default_factory=OracleConfig)
    name: str = "oracle"

    def answer(self, questions: Sequence[Question], context: ReturnStats, rng: np.random.Generator) -> list[Feedback]:
        """One value for each question; cutting a batch in two changes no answer."""
        return [kind_of(question).simulate(question, context, self.config, rng) for question in questions]
