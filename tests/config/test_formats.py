from typing import get_args

from prefrl.config.formats import ExportFormat, StoreFormat


def test_all_that_is_written_of_answers_can_be_asked_for() -> None:
    assert get_args(ExportFormat) == (*get_args(StoreFormat), "onnx")
