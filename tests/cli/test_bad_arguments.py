"""Command lines that make no sense, by the hundred: each is told in one line, and nothing is created."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefrl.cli import main as cli
from prefrl.config.run import TrainConfig

NO_NUMBERS = ["nan", "x", "", "½", "1,5", "--", "0x10", "1 2", "None", "\u0661e", "1e", "🙂", "-", "+-1", "true"]
ASKED_FOR = {"--help", "-h", "--version", "--debug"}


def bad_options(kind: type, prefix: str = "--") -> Iterator[tuple[str, str]]:
    """Every option with each of the values that it cannot have."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        flag, hint = prefix + field.name.replace("_", "-"), hints[field.name]
        values: list[str] = []
        if dataclasses.is_dataclass(hint):
            yield from bad_options(hint, f"{flag}.")  # type: ignore[arg-type]
        elif hint in (int, float):
            values = [*NO_NUMBERS, "-1e13", "-inf"]
            values += ["-1", "-0.001"] if field.name != "log_std_init" else []
            values += ["inf", "1e999", "1e13", "9" * 30] if field.name != "beta" else []
        elif get_origin(hint) is Literal:
            values = ["best", "", *(value.upper() for value in get_args(hint))]
        elif get_origin(hint) is tuple:
            values = ["0", "-3", "1.5", "x", "99999999"]
        yield from ((flag, value) for value in values)


def flat(parts: Iterable[list[str]]) -> list[str]:
    return [word for part in parts for word in part]


BAD = sorted(bad_options(TrainConfig))
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).filter(
    lambda word: word not in ASKED_FOR
)
good = st.sampled_from([["--seed", "3"], ["--steps", "4000"], ["--oracle.beta", "inf"], ["--ppo.hidden", "8", "16"]])
many = st.lists(good, max_size=2, unique_by=lambda option: option[0]).map(flat)
train = st.sampled_from(["Hopper-v5", "Nobody-has-it-v0", "a:b:c", "../x", "🙂"]).map(lambda name: ["train", name])
flags = words.map(lambda word: ["--" + word.replace("=", "").strip() + "-no-such"])
lines = st.one_of(
    st.tuples(train, many, st.sampled_from(BAD).map(list)),
    st.tuples(train, many, st.sampled_from(BAD).map(lambda option: ["=".join(option)])),
    st.tuples(train, flags, many),
    st.tuples(st.sampled_from(["resume", "label", "evaluate", "doctor"]).map(lambda name: [name, "run"]), flags),
    st.tuples(st.just(["evaluate", "run", "--episodes"]), st.sampled_from(NO_NUMBERS).map(lambda word: [word])),
    st.tuples(words.filter(lambda word: word not in ("train", "resume", "label", "evaluate", "doctor")).map(
        lambda word: [word])),
).map(flat)  # fmt: skip


@pytest.mark.fault
@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.long)])
def test_every_bad_command_line_is_told_in_one_line(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lines)
    def check(line: list[Any]) -> None:
        code = cli.main(line)
        out, err = capfd.readouterr()
        assert (code, out) == (2, ""), err
        assert err.startswith("prefrl: error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        assert "--debug" not in err  # which is offered for what nobody foresaw
        assert list(tmp_path.iterdir()) == []

    check()
