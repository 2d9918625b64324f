"""Teachers: who says which of two segments is better."""

from prefrl.teachers.base import ReturnStats, Teacher, answer_pending
from prefrl.teachers.human import wait_for_answers
from prefrl.teachers.oracle import Oracle

__all__ = ["Oracle", "ReturnStats", "Teacher", "answer_pending", "wait_for_answers"]
