"""The command line: tyro reads one of the commands, and the module that does the work is handed it."""

import contextlib
import dataclasses
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated

import tyro

from prefrl.cli.commands import Command, Doctor, Evaluate, Export, Import, Inspect, Label, Report, Resume
from prefrl.cli.options import of_today, with_main_options
from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.data.text import plain
from prefrl.errors import PrefrlError, Terminated, UsageError
from prefrl.watchdog import interrupt, watch

DESCRIPTION = """Teach agents in games and robotics from human preferences.

prefrl COMMAND --help shows the options of a command, and prefrl train --help-all those that few people use. With
--debug, any command shows the traceback of an error. prefrl --version prints the version."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (without the program's name) spells; its exit code, as `prefrl.errors` has them."""
    argv = sys.argv[1:] if argv is None else argv

    def action(words: Sequence[str]) -> int:
        command = parse(words)
        steps = isinstance(command, TrainConfig | Resume | Evaluate | Report | Inspect)  # or draws an environment
        if not steps or getattr(command, "label", False) or "--debug" in argv:  # a debugger takes its time
            return run(command)
        return watch(lambda: guard(lambda _: run(command), []))

    return guard(action, argv)


def parse(args: Sequence[str]) -> Command:
    """The command that `args` spell; what is not given for `train` is the preset's of that environment.

    Raises:
        UsageError: the command line, or a value in it, makes no sense.
        SystemExit: help or the version was asked for and printed.
    """
    args, kind = of_today(args), TrainConfig
    if "--help-all" in args:
        args = ["--help" if word == "--help-all" else word for word in args]
    elif {"-h", "--help"} & set(args):
        kind = with_main_options()
    if "--version" in args[:1]:
        print(f"prefrl {version('prefrl')}")
        raise SystemExit(0)
    commands = (
        Annotated[kind, tyro.conf.subcommand("train", default=_train_defaults(args, kind))]  # type: ignore[valid-type]
        | Annotated[Resume, tyro.conf.subcommand("resume")]
        | Annotated[Label, tyro.conf.subcommand("label")]
        | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
        | Annotated[Report, tyro.conf.subcommand("report")]
        | Annotated[Inspect, tyro.conf.subcommand("inspect")]
        | Annotated[Export, tyro.conf.subcommand("export")]
        | Annotated[Import, tyro.conf.subcommand("import")]
        | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    )
    markers = (tyro.conf.PositionalRequiredArgs, tyro.conf.FlagCreatePairsOff)
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            command: Command = tyro.cli(commands, prog="prefrl", description=DESCRIPTION, args=args, config=markers)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(_one_line(box.getvalue())) from None
    return command


def _train_defaults(args: Sequence[str], kind: type[TrainConfig]) -> TrainConfig:
    """The preset of the environment named by `train ENV_ID`, the id itself left open for tyro to read."""
    trains = "train" in args[:1]
    env_id = args[1] if trains and len(args) > 1 else "-"
    if trains and env_id.startswith("-") and env_id not in ("-h", "--help"):  # --help-all is one of them by now
        raise UsageError("train needs an environment before its options, for example: prefrl train Hopper-v5 --seed 1")
    tuned = preset(env_id)
    values = {field.name: getattr(tuned, field.name) for field in dataclasses.fields(tuned)}
    return kind(**{**values, "env_id": tyro.MISSING})


def _one_line(box: str) -> str:
    """What tyro says in a box of many lines: its first part, and the nearest flag if one is near."""
    rows = [re.sub(r"\x1b\[[\d;]*m", "", row).strip("│ ") for row in box.splitlines()[1:-1]]
    first, *rest = (" ".join(part.split()) for part in re.split(r"─{9,}", " ".join(rows)))
    near = [flag for part in rest if part.startswith("Perhaps") for flag in re.findall(r"--[\w.-]+", part)[:1]]
    return f"{first}; perhaps you meant {near[0]}" if near else f"{first.rstrip('.')}; see prefrl --help"


def run(command: Command) -> int:
    """Do what `command` says, and give the exit code. What loads torch is imported here, so that help comes at once."""
    match command:
        case TrainConfig():
            if command.label:
                from prefrl.cli.train_and_label import train_and_label

                return train_and_label(command)
            from prefrl.training.loop import train

            train(command)
        case Resume():
            from prefrl.training.loop import resume

            resume(command.run_dir, steps=command.steps, labels=command.labels)
        case Label(run_dir):
            from prefrl.labelling.window.app import label

            label(
                run_dir,
                goal=command.goal,
                annotator=command.annotator,
                repeat_share=command.repeat_share,
                clip_size=command.clip_size,
            )
        case Evaluate():
            _evaluate(command)
        case Report():
            from prefrl.report.page import report

            print(plain(f"written to {report(command.run_dirs, command.output)}"))
        case Inspect():
            from prefrl.cli.inspect import inspect

            print(inspect(command.run_dir, command.last, command.question, command.video))
        case Export():
            _export(command)
        case Import():
            from prefrl.store.export import import_

            _count(command.store, import_(command.folder, command.store))
        case Doctor(Path() as run_dir):
            from prefrl.cli.check_run import checkup

            return checkup(run_dir)
        case Doctor():
            from prefrl.cli.doctor import doctor

            return doctor()
    return 0


def _export(command: Export) -> None:
    made = command.output or Path(f"{command.run_dir.resolve().name}-{command.format}")
    if command.format == "onnx":
        from prefrl.evaluation.load import export_policy

        print(plain(f"written to {export_policy(command.run_dir, made)}"))
    else:
        from prefrl.store.export import export

        _count(made, export(command.run_dir, command.format, made, salvaged=command.salvage))


def _count(made: Path, rows: Mapping[str, int]) -> None:
    print(f"{plain(made)}: " + ", ".join(f"{count} {table}" for table, count in rows.items()))


def _evaluate(command: Evaluate) -> None:
    import json

    from prefrl.evaluation.evaluate import evaluate
    from prefrl.evaluation.tables import compare, table

    if not command.run_dirs:
        raise UsageError("evaluate needs a RUN_DIR, for example: prefrl evaluate runs/Hopper-v5-0")
    if command.video is not None and len(command.run_dirs) > 1:
        raise UsageError("--video films one run; name one, or leave --video out")
    found = []
    for path in command.run_dirs:
        # What an environment prints is no part of the result, and where it goes is nobody else's way.
        with contextlib.redirect_stdout(sys.stderr), contextlib.chdir(os.curdir):
            found.append(
                evaluate(path, episodes=command.episodes, seed=command.seed, video=command.video, goal=command.goal)
            )
    if command.json:
        printed = [one.to_json() for one in found]
        print(json.dumps(printed[0] if len(printed) == 1 else {"runs": printed}, allow_nan=False))
    else:
        print(table(found[0]) if len(found) == 1 else compare(found))


def guard(action: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """The exit code of `action(argv)`. An error is one line; if `argv` holds --debug, its traceback comes before."""
    words = [word for word in argv if word != "--debug"]
    try:
        with _signals_raise():
            try:
                return action(words)
            finally:
                sys.stdout.flush()  # here, where an error can still be reported
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except BrokenPipeError:  # whoever read the output, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PrefrlError.exit_code
    except Exception as error:
        debug = len(words) < len(argv)
        if debug:
            traceback.print_exc()
        known = isinstance(error, PrefrlError)
        kind, hint = ("", "") if known else (f"{type(error).__name__}: ", "" if debug else "; --debug shows where")
        print(f"prefrl: error: {kind}{plain(' '.join(str(error).split()))}{hint}", file=sys.stderr)
        return error.exit_code if isinstance(error, PrefrlError) else PrefrlError.exit_code


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Within, SIGTERM and Ctrl-C end the program by exceptions of our own, so that what is open gets closed."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, leave)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not where it is ignored
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
