"""Answers of any kind as tensors.

Axes: E members, B answers, S segments of their questions, T steps, C choices that the answers come down to, K options
of a choice, P segments that an option weighs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from prefrl.data.segment import Segment
from prefrl.feedback.answer import Answer


def segments_of(answers: Sequence[Answer]) -> list[Segment]:
    """The S segments that `answers` are about, answer by answer."""
    return [segment for answer in answers for segment in answer.question.segments]


@dataclass(frozen=True, eq=False)
class Choices:
    """The choices that B answers come down to. Segments and choices lie answer by answer.

    Choices with fewer options than others, options that weigh fewer segments, and shorter segments are padded.
    """

    num_segments: Tensor
    """(B,) how many segments each answer is about."""

    num_choices: Tensor
    """(B,) how many choices each answer comes down to, >= 1."""

    places: Tensor
    """(C, K, P) which of its answer's segments an option weighs."""

    weights: Tensor
    """(C, K, P, T) how much their steps count."""

    is_option: Tensor
    """(C, K) False for padding, which comes last."""

    chosen: Tensor
    """(C, K) probability that each option was chosen, as the answer says."""

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Self:
        """The choices of `answers`, at least one, that all say something."""
        by_answer = [answer.choices() for answer in answers]
        choices = [choice for of_one in by_answer for choice in of_one]
        lengths = [len(answer.question.segments[0]) for answer in answers for _ in answer.choices()]
        most_options = max((len(choice.options) for choice in choices), default=2)
        most_places = max((len(option) for choice in choices for option in choice.options), default=0)
        shape = len(choices), most_options, max(1, most_places)
        places, weights = np.zeros(shape, np.int64), np.zeros((*shape, max(lengths)), np.float32)
        is_option, chosen = np.zeros(shape[:2], np.bool_), np.zeros(shape[:2], np.float32)
        for c, (choice, steps) in enumerate(zip(choices, lengths, strict=True)):
            is_option[c, : len(choice.options)], chosen[c, : len(choice.chosen)] = True, choice.chosen
            for k, option in enumerate(choice.options):
                for p, (place, weight) in enumerate(option.items()):
                    places[c, k, p], weights[c, k, p, :steps] = place, weight
        counts = [len(a.question.segments) for a in answers], [len(of_one) for of_one in by_answer]
        return cls(*map(torch.tensor, counts), *map(torch.from_numpy, (places, weights, is_option, chosen)))

    def __len__(self) -> int:
        """Number of answers."""
        return len(self.num_segments)

    def __getitem__(self, index: Tensor) -> "Choices":
        """Those of the answers `index`, in this order."""
        rows = self._choice_rows(index)
        counts = self.num_segments[index], self.num_choices[index]
        return Choices(*counts, self.places[rows], self.weights[rows], self.is_option[rows], self.chosen[rows])

    @cached_property
    def segment_rows(self) -> Callable[[Tensor], Tensor]:
        """Which of the S segments some answers are about, by the index of these answers and in its order."""
        return _rows_of(self.num_segments)

    @cached_property
    def _choice_rows(self) -> Callable[[Tensor], Tensor]:
        return _rows_of(self.num_choices)

    def returns(self, scores: Tensor, counts: Tensor, steps: Tensor | None = None) -> Tensor:
        """(E, C, K) what the options return; -inf for padding.

        Args:
            scores: (E, S, k) of k steps of each segment.
            counts: (S, k) how many steps each of them stands for; 0 for one that does not count.
            steps: (S, k) which steps they are; None if they are all T.
        """
        first = self.num_segments.cumsum(0) - self.num_segments
        slots = first.repeat_interleave(self.num_choices)[:, None, None] + self.places  # (C, K, P) of S
        weights = self.weights if steps is None else self.weights.gather(-1, steps[slots])  # (C, K, P, k)
        shown = scores.index_select(1, slots.flatten()).unflatten(1, slots.shape)  # (E, C, K, P, k)
        returns: Tensor = (shown * (weights * counts[slots])).sum(-1).sum(-1)
        return returns.masked_fill(~self.is_option, -math.inf)

    def by_answer(self, values: Tensor) -> Tensor:
        """(E, B) sums over each answer's choices of `values` (E, C)."""
        if values.shape[1] == len(self):  # each has one, since all say something
            return values
        owner = torch.arange(len(self)).repeat_interleave(self.num_choices)
        return values.new_zeros(len(values), len(self)).index_add(1, owner, values)


def _rows_of(counts: Tensor) -> Callable[[Tensor], Tensor]:
    """Rows of some owners, by their index and in its order, where owner b has `counts[b]` rows that lie together."""
    place = torch.arange(int(counts.max()))  # in a table, since it is looked up for each batch of each pass
    table = torch.where(place < counts[:, None], (counts.cumsum(0) - counts)[:, None] + place, -1)  # (B, most)

    def rows(index: Tensor) -> Tensor:
        found = table[index].flatten()
        return found[found >= 0]

    return rows
