from typing import get_args

from prefrl.config.teachers import TRAITS, TeacherName


def test_every_teacher_has_traits() -> None:
    assert tuple(TRAITS) == get_args(TeacherName)
