"""Look into a store from the terminal: what it holds, the last answers, one question and its clips."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from prefrl.data.text import plain
from prefrl.errors import EnvError, UsageError
from prefrl.feedback.answer import Answer, standing
from prefrl.feedback.comparison import PREFERRED
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.labelling.playback import CLIP_SECONDS
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.store.export import open_store
from prefrl.store.info import StoreInfo
from prefrl.store.rows import Row, each
from prefrl.store.store import Store

GAP = 8  # pixels between two clips of a question


def inspect(source: Path, last: int = 10, question_id: int | None = None, video: Path | None = None) -> str:
    """What the store of `source`, a run folder or a store's file, holds, for people to read.

    Args:
        source: folder or file.
        last: answers to list, latest last.
        question_id: the question to describe instead, if any.
        video: file to write the clips of that question to, side by side.

    Raises:
        UsageError: no store, or `video` without `question_id`.
        StoreError: it holds no such question.
        EnvError: the clips cannot be drawn here.
    """
    if last < 0:
        raise UsageError(f"--last is {last}; give 0 or more")
    if video is not None and question_id is None:
        raise UsageError("--video shows the clips of one question; say which with --question")
    with open_store(source) as store:
        if question_id is None:
            held = _read(store)
            shown = [said for said in held.said if not said.is_repeat]
            return "\n".join(_rows([*_counts(held), *_last(shown[-last:] if last else [])]))
        question, info = store.question(question_id), store.info()
        lines = _rows(_question(question, store.answers_to(question_id)))
    if video is not None:
        _film(question, info, video.absolute())  # an environment may change the working folder
        lines.append(f"written to {plain(video)}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Said:
    """An answer without its segments."""

    seq: int
    question: Row
    value: Any  # as JSON has it
    annotator: str
    replaces: int | None
    is_repeat: bool
    shown_at: float | None
    answered_at: float | None


@dataclass(frozen=True)
class Held:
    """What a store holds, in figures."""

    info: StoreInfo | None
    segments: int
    lengths: set[int]
    dying: int
    questions: list[Row]
    said: list[Said]


def _read(store: Store) -> Held:
    info, lengths = store.info(), Counter[int]()
    with store.explained():
        found = each(store)
        names = {row["id"]: row["name"] for row in found["annotators"]}
        dying = 0
        for row in found["segments"]:
            lengths[len(row["actions"])] += 1
            dying += bool(row["absorbing"][-1])
        questions = {row["id"]: row for row in found["questions"]}
        said = [_said_in(row, questions, names) for row in found["answers"]]
    return Held(info, lengths.total(), set(lengths), dying, [*questions.values()], said)


def _said_in(row: Row, questions: Mapping[int, Row], names: Mapping[int, str]) -> Said:
    if row["question_id"] not in questions or row["annotator_id"] not in names:
        raise ValueError(f"the question or the annotator of answer {row['seq']} is missing")
    given = {name: row[name] for name in ("seq", "replaces", "is_repeat", "shown_at", "answered_at")}
    value = None if row["value"] is None else json.loads(row["value"])
    return Said(question=questions[row["question_id"]], value=value, annotator=names[row["annotator_id"]], **given)


def _rows(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{name:<14}{plain(value)}".rstrip() for name, value in pairs]


def _counts(held: Held) -> list[tuple[str, str]]:
    count, repeats = standing(held.said), standing(held.said, repeats=True)
    others = sum(not said.is_repeat for said in held.said) - len(count)
    answered = Counter(number for number, _ in {(said.question["id"], said.annotator) for said in count})
    withdrawn = sum(row["withdrawn_at"] is not None and row["id"] not in answered for row in held.questions)
    open_ = sum(row["withdrawn_at"] is None and answered[row["id"]] < row["wanted"] for row in held.questions)
    lengths = " or ".join(map(str, sorted(held.lengths)))
    rows = [
        ("environment", held.info.env_id if held.info else "not described"),
        ("goal", held.info.goal or "" if held.info else ""),
        ("segments", f"{held.segments} of {lengths} steps, {held.dying} with a terminal state"),
        ("questions", f"{len(held.questions)}: {len(answered)} answered, {open_} open, {withdrawn} withdrawn"),
        ("answers", f"{len(count)}: {_said(count)}"),
        ("", f"{others} more were taken back or take one back"),
    ]
    rows += [("annotator", _annotator(name, count)) for name in dict.fromkeys(said.annotator for said in count)]
    rows.append(("repeats", f"{len(repeats)} questions asked again, to see who is consistent"))
    return [row for row in rows if row != ("goal", "")]


def _said(count: Sequence[Said]) -> str:
    """How often each comparison was given, and how many answers of other kinds."""
    values = Counter(said.value for said in count if said.question["kind"] == "comparison")
    others = Counter(said.question["kind"] for said in count if said.question["kind"] != "comparison")
    comparisons = [f"{values[value]} {value}" for value in PREFERRED]
    return ", ".join([*comparisons, *(f"{number} {kind}" for kind, number in others.items())])


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _annotator(name: str, count: list[Said]) -> str:
    mine = [said for said in count if said.annotator == name]
    times = [seconds for said in mine if (seconds := _thinking(said)) is not None]
    return f"{name}: {len(mine)} answers" + (f", {statistics.median(times):.1f} s each (median)" if times else "")


def _last(shown: list[Said]) -> list[tuple[str, str]]:
    head = [("", ""), ("answer", f"{'question':>8}  {'recorded at step':>16}  {'choice':<9}{'annotator':<14}given")]
    return (head if shown else []) + [(str(said.seq), _answer(said)) for said in shown]


def _answer(said: Said) -> str:
    seconds = _thinking(said)
    took = "" if seconds is None else f" after {seconds:.1f} s"
    asked = f"{said.question['id']:>8}  {said.question['num_timesteps']:>16}"
    value = f"not {said.replaces}" if said.value is None else _words(said.value)
    return f"{asked}  {value:<9}{plain(said.annotator):<14}{_when(said.answered_at)}{took}"


def _when(at: float | None) -> str:
    try:
        return "" if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # no clock that is right says so
        return f"{at:g}"


def _question(question: Question, answers: list[Answer]) -> list[tuple[str, str]]:
    rows = [("question", str(question.id)), ("recorded at", f"step {question.num_timesteps}")]
    for name, segment in zip(_places(question), question.segments, strict=True):
        living = int((~segment.absorbing[:-1]).sum())
        end = ", then a terminal state" if segment.absorbing[-1] else ""
        steps = f"steps {segment.start} to {segment.start + living}{end}"
        rows.append((name, f"{steps}; true return {segment.true_return:.3f}"))
    count = {answer.seq for answer in standing(answers)}
    for answer in answers:
        said = "taken back" if answer.value is None else _words(kind_of(question).to_json(answer.value))
        gone = "" if answer.value is None or answer.seq in count else " (taken back)"
        rows.append(("answer", f"{said} by {answer.annotator}{gone}"))
    return rows if answers else [*rows, ("answer", "none yet")]


def _places(question: Question) -> Sequence[str]:
    if question.kind == "comparison":
        return "left", "right"
    return [str(place) for place in range(1, len(question.segments) + 1)]


def _thinking(answer: Said) -> float | None:
    """Seconds from showing the clips to the answer; None if unknown."""
    if answer.shown_at is None or answer.answered_at is None or answer.answered_at < answer.shown_at:
        return None
    return answer.answered_at - answer.shown_at


def _film(question: Question, info: StoreInfo | None, path: Path) -> None:
    if info is None:
        raise EnvError("the store does not tell its environment, so that no clip can be drawn; describe() it first")
    with Renderer(info.env_id, info.env_kwargs) as renderer:
        rate = min(renderer.fps, len(question.segments[0]) / CLIP_SECONDS)
        write_mp4(path, _side_by_side(renderer, question), rate)


def _side_by_side(renderer: Renderer, question: Question) -> Iterator[Frame]:
    # The first clip is drawn first: one simulator cannot replay two episodes at a time.
    clips = [renderer.frames(segment) for segment in question.segments]
    for frames in zip(*clips, strict=True):
        gap = np.full_like(frames[0][:, :GAP], 255)
        yield np.concatenate([part for frame in frames for part in (gap, frame)][1:], axis=1)
