"""Look into a store from the terminal: what it holds, the last answers, one question and its clips."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from prefrl.errors import EnvError, UsageError
from prefrl.feedback.answer import Answer, standing
from prefrl.feedback.comparison import PREFERRED
from prefrl.feedback.kinds import kind_of
from prefrl.feedback.question import Question
from prefrl.labelling.playback import CLIP_SECONDS
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.store import rows as dump
from prefrl.store import schema
from prefrl.store.export import open_store
from prefrl.store.info import StoreInfo
from prefrl.store.load import load_answers
from prefrl.store.rows import Dump

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
            held = dump.read(store)
            answers = [answer for answer in dump.make_answers(held.rows) if not answer.is_repeat]
            return "\n".join(_rows([*_counts(held), *_last(answers[-last:] if last else [])]))
        question, info = store.question(question_id), store.info()
        with store.transaction() as connection:
            to_it = (schema.answers.c.question_id == question_id) & ~schema.answers.c.is_repeat
            lines = _rows(_question(question, load_answers(connection, to_it)))
    if video is not None:
        _film(question, info, video)
        lines.append(f"written to {video}")
    return "\n".join(lines)


def _rows(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{name:<14}{value}".rstrip() for name, value in pairs]


def _counts(held: Dump) -> list[tuple[str, str]]:
    segments, questions, given = held.rows["segments"], held.rows["questions"], dump.make_answers(held.rows)
    count, repeats = standing(given), standing(given, repeats=True)
    others = sum(not answer.is_repeat for answer in given) - len(count)
    answered = Counter(number for number, _ in {(answer.question.id, answer.annotator) for answer in count})
    withdrawn = sum(row["withdrawn_at"] is not None and row["id"] not in answered for row in questions)
    lengths = sorted({len(row["actions"]) for row in segments})
    dying = sum(bool(row["absorbing"][-1]) for row in segments)
    open_ = sum(row["withdrawn_at"] is None and answered[row["id"]] < row["wanted"] for row in questions)
    rows = [
        ("environment", held.info.env_id if held.info else "not described"),
        ("goal", held.info.goal or "" if held.info else ""),
        ("segments", f"{len(segments)} of {' or '.join(map(str, lengths))} steps, {dying} with a terminal state"),
        ("questions", f"{len(questions)}: {len(answered)} answered, {open_} open, {withdrawn} withdrawn"),
        ("answers", f"{len(count)}: {_said(count)}"),
        ("", f"{others} more were taken back or take one back"),
    ]
    rows += [("annotator", _annotator(name, count)) for name in dict.fromkeys(answer.annotator for answer in count)]
    rows.append(("repeats", f"{len(repeats)} questions asked again, to see who is consistent"))
    return [row for row in rows if row != ("goal", "")]


def _said(count: Sequence[Answer]) -> str:
    """How often each comparison was given, and how many answers of other kinds."""
    said = Counter(_value(answer) for answer in count if answer.question.kind == "comparison")
    others = Counter(answer.question.kind for answer in count if answer.question.kind != "comparison")
    comparisons = [f"{said[value]} {value}" for value in PREFERRED]
    return ", ".join([*comparisons, *(f"{number} {kind}" for kind, number in others.items())])


def _value(answer: Answer) -> str:
    if answer.value is None:
        return f"not {answer.replaces}"
    value = kind_of(answer.question).to_json(answer.value)
    return value if isinstance(value, str) else json.dumps(value)


def _annotator(name: str, count: list[Answer]) -> str:
    mine = [answer for answer in count if answer.annotator == name]
    times = [seconds for answer in mine if (seconds := _thinking(answer)) is not None]
    return f"{name}: {len(mine)} answers" + (f", {statistics.median(times):.1f} s each (median)" if times else "")


def _last(shown: list[Answer]) -> list[tuple[str, str]]:
    head = [("", ""), ("answer", f"{'question':>8}  {'recorded at step':>16}  {'choice':<9}{'annotator':<14}given")]
    return (head if shown else []) + [(str(answer.seq), _answer(answer)) for answer in shown]


def _answer(answer: Answer) -> str:
    at = answer.answered_at
    given = "" if at is None else f"{datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}"
    seconds = _thinking(answer)
    took = "" if seconds is None else f" after {seconds:.1f} s"
    asked = f"{answer.question.id:>8}  {answer.question.num_timesteps:>16}"
    return f"{asked}  {_value(answer):<9}{answer.annotator:<14}{given}{took}"


def _question(question: Question, answers: list[Answer]) -> list[tuple[str, str]]:
    rows = [("question", str(question.id)), ("recorded at", f"step {question.num_timesteps}")]
    for name, segment in zip(_places(question), question.segments, strict=True):
        living = int((~segment.absorbing[:-1]).sum())
        end = ", then a terminal state" if segment.absorbing[-1] else ""
        steps = f"steps {segment.start} to {segment.start + living}{end}"
        rows.append((name, f"{steps}; true return {segment.true_return:.3f}"))
    count = {answer.seq for answer in standing(answers)}
    for answer in answers:
        said = "taken back" if answer.value is None else _value(answer)
        gone = "" if answer.value is None or answer.seq in count else " (taken back)"
        rows.append(("answer", f"{said} by {answer.annotator}{gone}"))
    return rows if answers else [*rows, ("answer", "none yet")]


def _places(question: Question) -> Sequence[str]:
    if question.kind == "comparison":
        return "left", "right"
    return [str(place) for place in range(1, len(question.segments) + 1)]


def _thinking(answer: Answer) -> float | None:
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
