"""Whether rows that others wrote may become those of a store: the one place that decides it.

What an import lets in, everything else trusts: fits, the window, reports. So types, ranges and references are checked
here, and what the rows say together.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import Table

from prefrl.data.segment import Film, Segment
from prefrl.data.spaces import ArraySpec
from prefrl.feedback.answer import Answer
from prefrl.store import rows as dump
from prefrl.store import schema
from prefrl.store.formats import is_array
from prefrl.store.info import StoreInfo, fit
from prefrl.store.rows import TABLES, Dump, Row

LARGEST = 2**63 - 1
"""Of whole numbers that a database holds."""

LAST_TIME = 253_402_300_799
"""The last second of the year 9999, in Unix time."""

LEAST = {"reset_seed": 0, "start": 0, "num_timesteps": 0, "place": 0}
"""The smallest value of columns of whole numbers; of all others it is 1."""

TIMES = ("created_at", "withdrawn_at", "shown_at", "answered_at")


def check(held: Dump) -> None:
    """Raise ValueError, which says what is wrong where, unless `held` may become a store."""
    _check_info(held.info)
    for name, rows in held.rows.items():
        _check_values(TABLES[name], rows)
        _check_unique(TABLES[name], rows)
    dump.check_references(held.rows)
    _check_segments(held.info, held.rows)
    _check_answers(held.rows)


def _check_info(info: StoreInfo | None) -> None:
    if info is None:
        return
    named = isinstance(info.env_kwargs, dict) and isinstance(info.versions, dict)
    texts = [*info.versions, *info.versions.values(), *info.env_kwargs] if named else []
    texts += [info.env_id] if info.goal is None else [info.env_id, info.goal]
    if not named or not all(isinstance(text, str) and _is_text(text) for text in texts):
        raise ValueError("the environment is not described by texts and named arguments")
    for name, spec in info.spaces.obs.items():
        _check_array(name, spec)
    width, kind = info.spaces.action.width, info.spaces.action.kind
    if type(width) is not int or width < 1 or kind not in (None, "box", "discrete"):
        raise ValueError(f"actions of kind {kind!r} and width {width!r} are none")


def _check_array(name: Any, spec: ArraySpec) -> None:
    dtype = np.dtype(spec.dtype)
    if not isinstance(name, str) or not (dtype == np.float32 or dtype.kind in "biu"):
        raise ValueError(f"an observation {name!r} of {spec.dtype!r} is none")
    if not all(type(length) is int and length >= 0 for length in spec.shape):
        raise ValueError(f"the shape {spec.shape!r} of observation {name!r} is none")


def _check_values(table: Table, rows: list[Row]) -> None:
    """Types and ranges, a column at a time."""
    kinds = dump.columns(table.name, dump.obs_columns(rows) if table is schema.segments else {})
    optional = {c.name for c in table.columns if c.nullable} | {"sim_states", "replay_actions"}
    for row in rows:
        for name, kind in kinds.items():
            value = row[name]
            if value is None and name in optional:
                continue
            fault = _fault(name, kind, value)
            if fault is not None:
                raise ValueError(f"{name} of a row of {table.name} is {_short(value)}, want {fault}")


def _fault(name: str, kind: Any, value: Any) -> str | None:
    """What `value` should be, if it is not."""
    if is_array(kind):
        return None if isinstance(value, np.ndarray) and value.dtype == kind else f"an array of {kind}"
    if kind is bytes:
        whole = isinstance(value, tuple) and all(isinstance(picture, bytes) and picture for picture in value)
        return None if whole else "pictures"
    if kind is int:
        least = LEAST.get(name, 1)
        return None if type(value) is int and least <= value <= LARGEST else f"a whole number from {least}"
    if kind is float:
        number = type(value) in (int, float) and math.isfinite(value)
        in_time = name not in TIMES or (number and 0 <= value <= LAST_TIME)
        return None if number and in_time else "a time" if name in TIMES else "a finite number"
    if kind is bool:
        return None if type(value) is bool else "true or false"
    return None if isinstance(value, str) and _is_text(value) else "a text"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return "\0" not in value


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}{list(value.shape)}"
    said = repr(value)
    return said if len(said) < 40 else f"{said[:36]}..."


def _check_unique(table: Table, rows: list[Row]) -> None:
    for key in [[c.name for c in table.primary_key], *([c.name] for c in table.columns if c.unique)]:
        found = Counter(tuple(row[name] for name in key) for row in rows)
        twice = [values for values, number in found.items() if number > 1 and None not in values]
        if twice:
            raise ValueError(f"{' and '.join(key)} of {table.name} is {', '.join(map(repr, twice[0]))} in two rows")


def _check_segments(info: StoreInfo | None, rows: Mapping[str, list[Row]]) -> None:
    """Each is whole, and all are of one environment, whatever their lengths."""
    films = {row["segment_id"]: Film(row["jpegs"], row["fps"]) for row in rows["films"]}
    spaces = info.spaces if info is not None else None
    for row in rows["segments"]:
        segment = dump.make_segment(row)
        if spaces is None:
            spaces = segment.spaces
        if not fit(spaces, segment.spaces):
            raise ValueError(f"segment {row['id']} has {segment.spaces}, want {spaces}")
        fault = _segment_fault(segment, films.get(row["id"]))
        if fault is not None:
            raise ValueError(f"{fault} of segment {row['id']} cannot be")


def _segment_fault(segment: Segment, film: Film | None) -> str | None:
    """What of a segment no episode could have left, and nothing else would notice."""
    steps, width = segment.actions.shape
    states, replayed = segment.sim_states, segment.replay_actions
    if bool(np.any(segment.absorbing[:-1] & ~segment.absorbing[1:])):
        return "the end that is none"
    if states is not None and states.ndim != 2:
        return f"sim_states with {states.ndim} axes"
    if replayed is not None and (replayed.ndim != 2 or replayed.shape[1] != width):
        return f"replay_actions of shape {list(replayed.shape)}"
    if replayed is not None and len(replayed) != segment.start:
        return f"{len(replayed)} replay_actions before step {segment.start}"
    odd = [name for name, array in (segment.model or {}).items() if not np.isfinite(array).all()]
    if odd:
        return f"{odd[0]}, not finite, in the model"
    if film is not None and len(film.jpegs) != steps + 1:
        return f"{len(film.jpegs)} pictures"
    return None


def _check_answers(rows: Mapping[str, list[Row]]) -> None:
    """Each is one to its question, replaces an earlier one to the same, and nobody gives more than are wanted."""
    answers = {answer.seq: answer for answer in dump.make_answers(rows)}
    replaced = {answer.replaces for answer in answers.values()}
    given: defaultdict[tuple[int | None, str], int] = defaultdict(int)
    for answer in answers.values():
        if any(type(place) is not int for place in answer.shown_order or ()):
            raise ValueError(f"shown_order of answer {answer.seq} is {answer.shown_order}, want places")
        old = None if answer.replaces is None else answers[answer.replaces]
        if old is not None and not _follows(old, answer):
            raise ValueError(f"answer {answer.seq} cannot replace {old.seq}")
        if answer.value is not None and answer.seq not in replaced and not answer.is_repeat:
            by = answer.question.id, answer.annotator
            given[by] += 1
            if given[by] > answer.question.wanted:
                wanted = f"{answer.question.wanted} wanted"
                raise ValueError(f"{answer.annotator!r} gave {given[by]} answers to question {by[0]}, and {wanted}")


def _follows(old: Answer, new: Answer) -> bool:
    same = (old.question.id, old.is_repeat) == (new.question.id, new.is_repeat)
    return same and (old.seq or 0) < (new.seq or 0)
