"""Look into a preference store from the terminal: what it holds, the last answers, one question and its clips."""

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from prefrl.errors import EnvError, UsageError
from prefrl.feedback.comparison import CHOICES
from prefrl.feedback.question import Query
from prefrl.labelling.playback import CLIP_SECONDS
from prefrl.rendering.camera import Frame
from prefrl.rendering.clips import Renderer, write_mp4
from prefrl.store import rows as dump
from prefrl.store.export import open_store
from prefrl.store.rows import Dump, Row
from prefrl.store.store import StoreInfo

GAP = 8  # pixels between the two clips of a question


def inspect(source: Path, last: int = 10, query_id: int | None = None, video: Path | None = None) -> str:
    """What the store of `source`, a run folder or a store's file, holds, for people to read.

    Args:
        source: folder or file.
        last: answers to list, latest last.
        query_id: the question to tell about instead, if any.
        video: file to write the clips of that question to, side by side.

    Raises:
        UsageError: no store, or `video` without `query_id`.
        StoreError: it holds no such question.
        EnvError: the clips cannot be drawn here.
    """
    if last < 0:
        raise UsageError(f"--last is {last}; give 0 or more")
    if video is not None and query_id is None:
        raise UsageError("--video shows the clips of one question; say which with --query")
    with open_store(source) as store:
        if query_id is None:
            held = dump.read(store)
            return "\n".join(_rows([*_counts(held), *_last(held, last)]))
        query, info = store.query(query_id), store.info()
        lines = _rows(_question(query, dump.read_preferences(store, query_id)))
    if video is not None:
        _film(query, info, video)
        lines.append(f"written to {video}")
    return "\n".join(lines)


def _rows(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{name:<14}{value}".rstrip() for name, value in pairs]


def _counts(held: Dump) -> list[tuple[str, str]]:
    segments, queries, preferences = (held.rows[name] for name in ("segments", "queries", "preferences"))
    count = effective(preferences)
    kinds = Counter(row["choice"] for row in count)
    answered = {row["query_id"] for row in count}
    withdrawn = sum(row["withdrawn_at"] is not None and row["id"] not in answered for row in queries)
    lengths = sorted({len(row["actions"]) for row in segments})
    dying = sum(bool(row["absorbing"][-1]) for row in segments)
    open_ = len(queries) - len(answered) - withdrawn
    rows = [
        ("environment", held.info.env_id if held.info else "not told"),
        ("goal", held.info.goal or "" if held.info else ""),
        ("segments", f"{len(segments)} of {' or '.join(map(str, lengths))} steps, {dying} with a terminal state"),
        ("questions", f"{len(queries)}: {len(answered)} answered, {open_} open, {withdrawn} withdrawn"),
        ("answers", f"{len(count)}: " + ", ".join(f"{kinds[kind]} {kind}" for kind in CHOICES)),
        ("", f"{len(preferences) - len(count)} more were taken back or take one back"),
    ]
    rows += [("annotator", _annotator(name, count)) for name in dict.fromkeys(row["annotator"] for row in count)]
    rows.append(("repeats", f"{len(effective(held.rows['repeats']))} questions asked again, to see who is consistent"))
    return [row for row in rows if row != ("goal", "")]


def _annotator(name: str, count: list[Row]) -> str:
    mine = [row for row in count if row["annotator"] == name]
    times = [seconds for row in mine if (seconds := thinking(row)) is not None]
    return f"{name}: {len(mine)} answers" + (f", {statistics.median(times):.1f} s each (median)" if times else "")


def _last(held: Dump, last: int) -> list[tuple[str, str]]:
    asked = {row["id"]: row for row in held.rows["queries"]}
    shown = held.rows["preferences"][-last:] if last else []
    head = [("", ""), ("answer", f"{'question':>8}  {'recorded at step':>16}  {'choice':<9}{'annotator':<14}given")]
    return (head if shown else []) + [(str(row["seq"]), _answer(row, asked[row["query_id"]])) for row in shown]


def _answer(row: Row, query: Row) -> str:
    choice = row["choice"] or f"not {row['supersedes']}"
    given = "" if row["answered_at"] is None else f"{datetime.fromtimestamp(row['answered_at']):%Y-%m-%d %H:%M:%S}"
    seconds = thinking(row)
    took = "" if seconds is None else f" after {seconds:.1f} s"
    return f"{row['query_id']:>8}  {query['num_timesteps']:>16}  {choice:<9}{row['annotator']:<14}{given}{took}"


def _question(query: Query, answers: list[Row]) -> list[tuple[str, str]]:
    count = {row["seq"] for row in effective(answers)}
    rows = [("question", str(query.id)), ("recorded at", f"step {query.num_timesteps}")]
    for side, segment in (("left", query.left), ("right", query.right)):
        living = int((~segment.absorbing[:-1]).sum())
        end = ", then a terminal state" if segment.absorbing[-1] else ""
        told = f"steps {segment.start} to {segment.start + living}{end}; true return {segment.true_return:.3f}"
        rows.append((side, told))
    for row in answers:
        taken_back = "" if row["seq"] in count or row["choice"] is None else " (taken back)"
        rows.append(("answer", f"{row['choice'] or 'taken back'} by {row['annotator']}{taken_back}"))
    return rows if answers else [*rows, ("answer", "none yet")]


def effective(rows: list[Row]) -> list[Row]:
    """The answers that count, of `rows` of preferences or repeats."""
    gone = {row["supersedes"] for row in rows}
    return [row for row in rows if row["choice"] is not None and row["seq"] not in gone]


def thinking(row: Row) -> float | None:
    """Seconds from showing the clips to the answer; None if unknown."""
    both = row["shown_at"], row["answered_at"]
    return None if None in both or both[1] < both[0] else both[1] - both[0]


def _film(query: Query, info: StoreInfo | None, path: Path) -> None:
    if info is None:
        raise EnvError("the store does not tell its environment, so that no clip can be drawn; describe() it first")
    with Renderer(info.env_id, info.env_kwargs) as renderer:
        rate = min(renderer.fps, len(query.left) / CLIP_SECONDS)
        write_mp4(path, _side_by_side(renderer, query), rate)


def _side_by_side(renderer: Renderer, query: Query) -> Iterator[Frame]:
    # The left clip is drawn first: one simulator cannot replay two episodes at a time.
    for left, right in zip(renderer.frames(query.left), renderer.frames(query.right), strict=True):
        yield np.concatenate([left, np.full_like(left[:, :GAP], 255), right], axis=1)
