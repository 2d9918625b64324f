"""The thread that works on the store, on real run folders."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import make_answer
from label_bot import Run, record_segment, said, wait_for

from prefrl.labelling.service import LabellingService
from prefrl.labelling.state import Options
from prefrl.runs.run_dir import RunDir
from prefrl.store.shown import write_shown
from prefrl.store.store import Store


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LabellingService]:
    service = LabellingService(tmp_path / "run", Options("Ada"), np.random.default_rng(0))
    yield service
    service.leave()


def test_undo_before_there_is_a_run_does_not_stand_in_the_way_of_answers(
    service: LabellingService, tmp_path: Path
) -> None:
    service.undo()
    assert not service.is_busy
    run = Run(tmp_path / "run").create(3)
    wait_for(lambda: service.state.showings)
    service.answer(service.state.showing.question_id, "left")
    wait_for(lambda: not service.is_busy)
    with Store(run.store_url) as store:
        assert [said(answer) for answer in store.answers()] == ["left"]


@pytest.mark.fault
def test_records_of_the_training_that_make_no_sense_do_not_stop_the_labelling(
    service: LabellingService, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run").create(3)
    run.metrics_path.write_text('5\n{"num_timesteps": "many", "seconds/fit": [], "reward/held_out_accuracy": NaN}\n')
    wait_for(lambda: service.state.showings)
    service.answer(service.state.showing.question_id, "left")
    wait_for(lambda: not service.is_busy)
    assert (service.state.error, service.state.training.num_timesteps, service.state.training.agreement) == (
        None,
        0,
        None,
    )


@pytest.mark.fault
def test_an_error_that_nobody_foresaw_is_shown_and_tried_again(service: LabellingService, tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create(3)
    run.metrics_path.write_text("[" * 100_000 + "\n")
    wait_for(lambda: service.state.error)
    assert str(service.state.error).startswith("RecursionError: ")
    run.metrics_path.write_text("")
    wait_for(lambda: service.state.error is None)
    service.answer(service.state.showing.question_id, "left")
    wait_for(lambda: not service.is_busy)


@pytest.mark.fault
def test_what_could_not_be_stored_is_known_when_the_person_leaves(service: LabellingService, tmp_path: Path) -> None:
    Run(tmp_path / "run").create(3)
    wait_for(lambda: service.state.showings)
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    service.answer(service.state.showing.question_id, "left")
    wait_for(lambda: service.state.error)
    service.leave()
    assert service.is_busy
    assert "preferences.sqlite is gone" in str(service.state.error)
    with Store(RunDir(tmp_path / "elsewhere").store_url) as store:
        assert store.answers() == []


def test_what_is_no_answer_is_noted_and_not_tried_again(service: LabellingService, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(3)
    wait_for(lambda: service.state.showings)
    question_id = service.state.showing.question_id
    for number, (asked, value) in enumerate([(question_id, "both"), (question_id, 5), (999, "left")], 1):
        assert service.answer(asked, value) == number
        wait_for(lambda: not service.is_busy)
        assert service.state.note.startswith("That was no answer: ")
    assert service.answer(question_id, "left", answered_at=math.inf) == 4
    assert service.answer(question_id, "right") == 5
    wait_for(lambda: service.state.jobs_done == 5)
    assert (service.state.note, service.state.error) == (None, None)
    assert run.answers() == [(question_id, "right")]


def test_sent_again_to_a_service_that_was_restarted_it_is_one_answer(service: LabellingService, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(3)
    wait_for(lambda: service.state.showings)
    question_id = service.state.showing.question_id
    service.answer(question_id, "tie", submission_id="page 1")
    wait_for(lambda: not service.is_busy)
    service.leave()
    again = LabellingService(run.path, Options("Ada"), np.random.default_rng(0))
    try:
        wait_for(lambda: again.state.showings)
        again.answer(question_id, "tie", submission_id="page 1")
        wait_for(lambda: not again.is_busy)
        assert (again.state.note, again.state.can_undo) == (None, True)
        again.undo()
        wait_for(lambda: not again.is_busy)
        assert (again.state.note, again.state.can_undo) == ("Took back: tie", False)
        assert again.state.showing.question_id == question_id
        assert again.state.showing.seen
    finally:
        again.leave()
    assert run.answers() == []


def test_an_answer_that_is_not_needed_is_noted(service: LabellingService, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(1)
    wait_for(lambda: service.state.showings)
    with Store(RunDir(run.path).store_url) as store:
        [question] = store.pending()
        store.add_answers([make_answer(question, "right", "Bob")])
    service.answer(question.id, "left")
    wait_for(lambda: not service.is_busy)
    assert service.state.note == "Somebody else was faster; your answer was not needed"
    assert run.answers() == [(question.id, "right")]


def test_clips_of_the_queue_are_drawn_and_those_of_the_last_question_stay(tmp_path: Path) -> None:
    Run(tmp_path / "run").create(3)
    service = LabellingService(tmp_path / "run", Options("Ada", clip_size=64), np.random.default_rng(0))
    try:
        wait_for(lambda: service.state.showings)
        first = service.state.showing.question_id
        wait_for(lambda: (clips := service.clips.get(first)) is not None and clips.drawn == 1)
        service.answer(first, "left")
        wait_for(lambda: not service.is_busy)
        assert service.state.showing.question_id != first
        assert service.clips.get(first).drawn == 1
    finally:
        service.leave()
    assert not service.clips._process.is_alive()


def test_what_is_no_answer_does_not_stand_in_the_way_of_the_next(service: LabellingService, tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create(3)
    wait_for(lambda: service.state.showings)
    question_id = service.state.showing.question_id
    service.answer(question_id, "left", shown_at="yesterday")  # type: ignore[arg-type]
    service.answer(question_id, "right")
    wait_for(lambda: not service.is_busy)
    with Store(run.store_url) as store:
        assert [said(answer) for answer in store.answers()] == ["right"]


def test_what_the_agent_does_is_shown_beside_the_questions(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create(3)
    service = LabellingService(tmp_path / "run", Options("Ada", clip_size=64), np.random.default_rng(0))
    try:
        wait_for(lambda: service.state.showings)
        assert (service.state.shown, service.shown("now")) == ({}, None)
        write_shown(run, "now", record_segment(1))
        wait_for(lambda: (clips := service.shown("now")) is not None and clips.drawn == 1)
        assert service.state.shown.keys() == {"now"}
        first = service.state.shown["now"]
        write_shown(run, "now", record_segment(2))
        wait_for(lambda: service.state.shown["now"] != first)
    finally:
        service.leave()
