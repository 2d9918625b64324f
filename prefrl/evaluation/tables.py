"""Evaluations as tables for people to read."""

import math
from collections.abc import Sequence
from typing import Any

from prefrl.evaluation.results import AnswerAgreement, Evaluation, Interval, LabelForecast, RewardAgreement
from prefrl.rewards.verdict import MISLED

Rows = list[tuple[str, ...]]

FIGURES = (
    ("preference_accuracy", "orders pairs of clips rightly", "{:.1%}"),
    ("brier_score", "Brier score (0.25: says nothing)", "{:.3f}"),
    ("expected_calibration_error", "calibration error", "{:.3f}"),
    ("spearman_step", "rank correlation per step", "{:.2f}"),
    ("spearman_segment", "rank correlation per clip", "{:.2f}"),
    ("pearson_step", "correlation per step", "{:.2f}"),
    ("pearson_segment", "correlation per clip", "{:.2f}"),
    ("epic_distance", "EPIC distance (0: the same)", "{:.2f}"),
    ("ensemble_spread", "disagreement of the members", "{:.2f}"),
)


def _choice(found: Evaluation) -> str:
    return f"; best of the last agents: that of step {found.agent_of}" if found.agent_of is not None else ""


def table(found: Evaluation) -> str:
    """One evaluation, with 95 % intervals in brackets. First, whether its reward can be trusted."""
    true_return, length = found.true_return, found.episode_length
    rows: Rows = [
        ("environment", found.env_id),
        ("trained for", f"{found.num_timesteps} steps, {found.num_preferences} labels{_choice(found)}"),
        (
            "true return",
            f"{_figure('{:.1f}', true_return.mean, true_return.ci95)} +- {true_return.std:.1f} "
            f"over {found.episodes} episodes; middle half {true_return.iqm:.1f}",
        ),
    ]
    if found.success:
        rows.append(("success", _figure("{:.0%}", found.success.rate, found.success.ci95)))
    rows.append(("episode length", f"{_figure('{:.1f}', length.mean, length.ci95)} +- {length.std:.1f} steps"))
    text = f"{found.verdict.sentence}.\n\n" + _aligned(rows)
    if found.reward_model:
        text += "\n\n" + _aligned(_reward_model(found, found.reward_model)) + _differing(found)
    if found.label_forecast:
        text += "\n\n" + _forecast(found.label_forecast)
    return text


def _differing(found: Evaluation) -> str:
    """Why the reward of the checkpoint looks bad where the verdict is good; nothing where it does not."""
    broad = found.reward_model_broad
    if broad is None or found.verdict.level != "good" or not broad.preference_accuracy < MISLED:
        return ""
    return (
        f"\n\nThe reward that the agent was paid orders only {broad.preference_accuracy:.0%} of broad clips rightly by "
        "the environment's own; the sentence above is about the answers, by rewards learned again from parts of them."
    )


def _forecast(expected: LabelForecast) -> str:
    more, (low, high) = expected.more, expected.ci95
    now = f"{expected.labels} answers foresee {expected.agreement:.0%} of such answers"
    wanted = f"{expected.goal:.0%}"
    if more == 0:
        return f"{now}, which reaches the goal of {wanted}"
    if math.isinf(more):
        least = "" if math.isinf(low) else f"; {low:.0f} more are the least to hope for"
        return f"{now}; the curve levels off before {wanted}{least}"
    return f"{now}; {wanted} takes about {more:.0f} more [{low:.0f}, {'never' if math.isinf(high) else f'{high:.0f}'}]"


def compare(found: Sequence[Evaluation]) -> str:
    """Several evaluations, a line each, with the difference of the true return to the first of the same environment.

    Below them, whether their rewards can be trusted, and what more answers would bring, if a goal was given.
    """
    header = ("run", "environment", "steps", "labels", "true return", "against the first", "success", "length",
              "orders pairs", "broadly", "EPIC", "broadly")  # fmt: skip
    rows: Rows = [header]
    for one in found:
        first = next(other for other in found if other.env_id == one.env_id)
        own, broad = one.reward_model, one.reward_model_broad
        rows.append(
            (
                one.run_dir,
                one.env_id,
                str(one.num_timesteps),
                str(one.num_preferences),
                _figure("{:.1f}", one.true_return.mean, one.true_return.ci95),
                "" if one is first else _difference(one, first),
                f"{one.success.rate:.0%}" if one.success else "",
                f"{one.episode_length.mean:.0f}",
                *(_short(model, name) for name in ("preference_accuracy", "epic_distance") for model in (own, broad)),
            )
        )
    filled = [column for column in zip(*rows, strict=True) if any(column[1:])]
    text = _aligned([tuple(row) for row in zip(*filled, strict=True)])
    text += "\n\n" + "\n".join(f"{one.run_dir}: {one.verdict.sentence}." for one in found)
    expected: Rows = [(one.run_dir, _forecast(one.label_forecast)) for one in found if one.label_forecast]
    return f"{text}\n\n{_aligned(expected)}" if expected else text


def _reward_model(found: Evaluation, own: RewardAgreement) -> Rows:
    columns: list[RewardAgreement | AnswerAgreement | None] = [own, found.reward_model_broad, found.held_out_answers]
    titles = ("as the agent acts", "all ways of acting", "held-out answers")
    shown = [(title, column) for title, column in zip(titles, columns, strict=True) if column is not None]
    rows: Rows = [("reward model", *(title for title, _ in shown))]
    for name, words, form in FIGURES:
        cells = [
            _figure(form, getattr(model, name), model.ci95.get(name)) if hasattr(model, name) else ""
            for _, model in shown
        ]
        rows.append((words, *cells))
    counts = [f"{m.answers} answers" if isinstance(m, AnswerAgreement) else f"{m.segments} clips" for _, m in shown]
    counts[0] += ", too alike to tell" * found.alike
    return [*rows, ("judged on", *counts)]


def _figure(form: str, value: float, interval: Interval | None) -> str:
    if not math.isfinite(value):
        return "-"
    if interval is None or not all(map(math.isfinite, interval)):
        return form.format(value)
    return f"{form.format(value)} [{form.format(interval[0])}, {form.format(interval[1])}]"


def _difference(one: Evaluation, first: Evaluation) -> str:
    """Of the mean returns, with its interval from the standard errors, where there are any (Welch)."""
    mean = one.true_return.mean - first.true_return.mean
    if min(one.episodes, first.episodes) < 2:
        return _figure("{:+.1f}", mean, None)
    half = 1.96 * math.sqrt(sum(e.true_return.std**2 / (e.episodes - 1) for e in (one, first)))
    return _figure("{:+.1f}", mean, (mean - half, mean + half))


def _short(model: Any, name: str) -> str:
    form = next(form for figure, _, form in FIGURES if figure == name)
    return "" if model is None else _figure(form, getattr(model, name), None)


def _aligned(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
