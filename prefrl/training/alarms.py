"""Alarms: what goes wrong while a reward is learned, by the run's own records, and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import scipy  # which loads its parts when they are used: they take a second

from prefrl.rewards.foresight import Foresight
from prefrl.rewards.metrics import wilson
from prefrl.rewards.verdict import coin_like, contradiction, verdict

Kind = Literal["reward_hacking", "drift", "degenerate_answers", "dead_ensemble", "too_few_labels"]
Record = Mapping[str, Any]

FRESH = 20  # new answers that it takes to call a reward hacked
FRESH_ROUNDS = 10  # rounds back from which they may come
SURE = 1e-4  # chance of a false alarm after one round; healthy benchmark runs of 30 rounds come no nearer than 3e-3
DRIFT = 0.15  # share of old answers that must have gone lost
FEW = 20  # answers below which nothing is said about them
DEAD = 0.002  # spread of the members, as a share of that of the segments; healthy ones lie above 0.01
ONE_SIDED = 1.645  # quantile 0.95 of the normal distribution


@dataclass(frozen=True)
class Alarm:
    """Something that is wrong with a run."""

    kind: Kind

    message: str
    """What is wrong, in figures, and what to do about it: one line."""

    @property
    def title(self) -> str:
        """The kind in plain words."""
        return self.kind.replace("_", " ")


def raised(records: Sequence[Record], steps: int) -> list[Alarm]:
    """The alarms that a run gives rise to after the last of `records`.

    Args:
        records: lines of metrics.jsonl, oldest first, as JSON has them: None for what is no number. What an
            older version of prefrl did not write is not judged.
        steps: environment steps that the run is to take in all.
    """
    if not records:
        return []
    found = (
        reward_hacking(records),
        drift(records),
        degenerate_answers(records[-1]),
        dead_ensemble(records[-1]),
        too_few_labels(records, steps),
    )
    return [alarm for alarm in found if alarm is not None]


def reward_hacking(records: Sequence[Record]) -> Alarm | None:
    """The agent's behaviour gains learned reward while agreement with new answers falls to that of a coin, or below.

    Selectors ask about what the ensemble is unsure of. So even healthy runs agree with little more than half of the
    next answers, and a first fit can be wrong about nearly all of them. The sign of hacking is a steep fall from
    earlier agreement, over more than one round.
    """
    records = answered(records)
    window = fresh_window(records)
    right, decided, asked = fresh_answers(window)
    gain = sum(record.get("signals/gain") or 0.0 for record in window)
    if decided < FRESH or asked < 2 or 2 * right > decided or gain <= 0:
        return None
    earlier = [fresh_answers(records[: i + 1])[:2] for i in range(len(records) - len(window))]
    falls = [(_p_fall(before, (right, decided)), before) for before in earlier]
    chance, (right_before, decided_before) = min(falls, default=(1.0, (0, 0)))
    if chance > SURE:
        return None
    return Alarm(
        "reward_hacking",
        f"the agent gains learned reward, but {decided - right} of the last {decided} new answers say the opposite of "
        f"it, where {decided_before - right_before} of {decided_before} did before: it has found what the reward model "
        "likes and the teacher does not; look at a clip (prefrl evaluate --video), and train again with more --labels, "
        "or a smaller --initial-share or a larger --labels-until, to ask about what it does now",
    )


def _p_fall(before: tuple[int, int], now: tuple[int, int]) -> float:
    """Chance of so low a share of right answers `now` (right, all), had nothing changed since `before`."""
    table = [[right, decided - right] for right, decided in (before, now)]
    return float(scipy.stats.fisher_exact(table, "greater").pvalue)


def answered(records: Sequence[Record]) -> Sequence[Record]:
    """`records` up to the last that has new answers: of what the agent gains after it, no answer speaks."""
    last = max((i for i, record in enumerate(records) if record.get("signals/fresh_decided")), default=-1)
    return records[: last + 1]


def fresh_window(records: Sequence[Record]) -> Sequence[Record]:
    """The last of `records`, as few as hold `FRESH` new answers of two rounds, but at most `FRESH_SPANS`."""
    for start in range(len(records) - 1, max(0, len(records) - FRESH_ROUNDS) - 1, -1):
        _, decided, asked = fresh_answers(records[start:])
        if decided >= FRESH and asked > 1:
            return records[start:]
    return records[-FRESH_ROUNDS:]


def fresh_answers(records: Sequence[Record]) -> tuple[int, int, int]:
    """New answers that the reward agreed with before it was fitted to them, all of them, and rounds that had any."""
    right = sum(record.get("signals/fresh_right") or 0 for record in records)
    decided = [record.get("signals/fresh_decided") or 0 for record in records]
    return right, sum(decided), sum(1 for count in decided if count)


def drift(records: Sequence[Record]) -> Alarm | None:
    """The oldest answers, once explained, are so no longer."""
    seen = [
        (record["signals/first_right"], record["signals/first_decided"])
        for record in records
        if (record.get("signals/first_decided") or 0) >= FEW and "signals/first_right" in record
    ]
    if not seen:
        return None
    right, decided = seen[-1]
    best_right, best_decided = max(seen, key=lambda pair: pair[0] / pair[1])
    lost = best_right / best_decided - right / decided
    if lost < DRIFT or _p_fall((best_right, best_decided), (right, decided)) > SURE:
        return None
    return Alarm(
        "drift",
        f"the reward explains {right / decided:.0%} of the oldest {decided} answers, and explained "
        f"{best_right / best_decided:.0%} of them before: later answers contradict them; agree on one goal, and start "
        "again, or take the odd answers back in the window",
    )


def degenerate_answers(record: Record) -> Alarm | None:
    """One side is named nearly always, though sides are shuffled; or nearly nothing is decided."""
    left, decided = record.get("signals/recent_left") or 0, record.get("signals/recent_decided") or 0
    if decided and scipy.stats.binomtest(left, decided).pvalue < SURE:
        side, count = ("left", left) if 2 * left > decided else ("right", decided - left)
        return Alarm(
            "degenerate_answers",
            f"{count} of the last {decided} answers name the {side} clip, though sides are shuffled: they say nothing "
            "about behaviour; look at both clips before answering, and check the keys or the program that answers",
        )
    answers, undecided = record.get("signals/answers") or 0, record.get("signals/undecided") or 0
    if answers >= FEW and undecided >= 0.9 * answers:
        return Alarm(
            "degenerate_answers",
            f"{undecided} of {answers} answers are ties or skips, from which hardly anything can be learned; try a "
            "longer --segment-length, or more --explore-steps, so that clips differ",
        )
    return None


def dead_ensemble(record: Record) -> Alarm | None:
    """All members say the same about everything."""
    spread = record.get("signals/ensemble_spread")
    if spread is None or spread >= DEAD:
        return None
    return Alarm(
        "dead_ensemble",
        f"the ensemble's members differ by {spread:.2%} of what segments differ by: their disagreement says nothing, "
        "and questions are chosen at random; check that the answers vary, and start again with "
        "--reward-model.bootstrap, more --reward-model.members, or --selector kcentre",
    )


def too_few_labels(records: Sequence[Record], steps: int) -> Alarm | None:
    """Half of the training is over, and the reward is still no better than a coin on answers that it did not see."""
    record = records[-1]
    if record.get("num_timesteps", 0) < steps / 2:
        return None
    found = foreseen(record)
    bad = found is not None and coin_like(found)
    if found is not None and not bad and verdict(found).level != "unknown":
        return None  # the few that were held out are not the whole of it
    accuracy, decided = record.get("reward/held_out_accuracy"), record.get("reward/held_out_decided")
    if decided is None or (decided == 0 and (record.get("num_preferences") or 0) > FEW):
        return None  # nothing was to be held out, or all were ties, which is another alarm
    right = round((accuracy or 0.0) * decided)
    fresh_right, fresh_decided, _ = fresh_answers(fresh_window(answered(records)))
    if max(wilson(right, decided, ONE_SIDED)[0], wilson(fresh_right, fresh_decided, ONE_SIDED)[0]) > 0.5:
        return None
    if found is not None and bad:
        return _contradictory(found)
    return Alarm(
        "too_few_labels",
        f"the reward agrees with {right} of {decided} held-out answers, which a coin might do as well: "
        f"{record.get('num_preferences') or 0} answers are too few, or they contradict each other; give more with: "
        "prefrl resume RUN --labels +N",
    )


def _contradictory(found: Foresight) -> Alarm:
    more = "agree on one goal, or give more answers with: prefrl resume RUN --labels +N"
    return Alarm("too_few_labels", f"{contradiction(found)}; {more}")


def foreseen(record: Record) -> Foresight | None:
    """The figures of the verdict, if they were taken in that round and this version knows them."""
    prefix = "signals/foreseen_"
    found = {key.removeprefix(prefix): value for key, value in record.items() if key.startswith(prefix)}
    return Foresight.saved(found)
