"""A process that watches the one at work: an environment may hang, or end the process that steps it."""

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Literal, NoReturn, get_args

from prefrl.errors import EnvError, Interrupted, PrefrlError, Terminated

LIMITS = {
    "step": 25.0,
    "render": 120.0,
    "reset": 120.0,
    "make": 300.0,
    "close": 120.0,
    "get_sim_state": 25.0,
    "set_sim_state": 25.0,
}
"""Seconds after which an environment's method is taken to hang; simulators may take their time to start."""

STOP_SECONDS = 10.0
"""Seconds that work is given to end after Ctrl-C or SIGTERM."""

POLL_SECONDS = 0.05

Method = Literal["step", "render", "reset", "make", "close", "get_sim_state", "set_sim_state"]
_METHODS: tuple[Method, ...] = get_args(Method)
_board = memoryview(mmap.mmap(-1, 16)).cast("q")  # shared with forked processes: calls begun and ended; the method


class _Calling:
    """A class, and one instance for all calls of a method: a generator would take a microsecond of each step."""

    def __init__(self, method: Method, name: str) -> None:
        self._method, self._name, self._index = method, name, _METHODS.index(method)

    def __enter__(self) -> None:
        _board[1] = self._index
        _board[0] += 1

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        _board[0] += 1
        if error is not None and not isinstance(error, PrefrlError) and not _is_users(error):
            raise _fault(self._method, self._name, error) from error


def calling(method: Method, name: str) -> AbstractContextManager[None]:
    """Within, the code of the environment called `name` runs. May be entered again and again.

    Raises:
        EnvError: whatever it raised, SystemExit and the like too.
    """
    return _Calling(method, name)


def _fault(method: Method, name: str, error: BaseException) -> EnvError:
    what = f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")
    if method == "make":
        return EnvError(f"environment {name} cannot be made: {what}")
    return EnvError(f"{name}: {method}() raised {what}; mend it there")


def first_line(error: BaseException) -> str:
    """The first line of what `error` says."""
    return str(error).strip().split("\n")[0]


def _is_users(error: BaseException) -> bool:
    """Whether the user wants to stop. Python's own KeyboardInterrupt may also be raised by an environment."""
    if isinstance(error, Interrupted | Terminated):
        return True
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """The handler of Ctrl-C in all processes of the command line."""
    raise Interrupted


def watch(work: Callable[[], int]) -> int:
    """Run `work`, which gives an exit code, in a process of its own, and see to it that it ends; its exit code.

    Ctrl-C and SIGTERM reach it once; after a second Ctrl-C, or 10 seconds, it is killed. If this process dies, so does
    that one; only Linux can promise that, so that elsewhere `work` runs in this process, and nobody watches.

    Raises:
        EnvError: an environment hung, or ended the process.
    """
    if sys.platform != "linux":
        return work()
    _board[0] = 0
    sys.stdout.flush()
    sys.stderr.flush()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        _work(work, parent)
    return _Watch(child).until_it_ends()


def _work(work: Callable[[], int], parent: int) -> NoReturn:
    code = PrefrlError.exit_code
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both processes, a program to one
        signal.signal(signal.SIGUSR1, interrupt)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() == parent:
            code = work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class _Watch:
    def __init__(self, child: int) -> None:
        self.child = child
        self.stopped_by: int | None = None
        self.hung = False
        self.calls = self.polls = 0

    def until_it_ends(self) -> int:
        heeded = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._pass_on) for number in heeded}
        try:
            while True:
                done, status = os.waitpid(self.child, os.WNOHANG)
                if done:
                    return self._exit_code(os.waitstatus_to_exitcode(status))
                self._look()
                time.sleep(POLL_SECONDS)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self.stopped_by == number == signal.SIGINT:
            os.kill(self.child, signal.SIGKILL)
        elif self.stopped_by is None:
            self.stopped_by, self.polls = number, 0
            os.kill(self.child, signal.SIGUSR1 if number == signal.SIGINT else number)

    def _look(self) -> None:
        """Kill what hangs. Looks are counted, since a clock goes on while a computer sleeps."""
        if self.stopped_by is None and (self.calls != _board[0] or not _is_calling()):
            self.calls, self.polls = _board[0], 0
        self.polls += 1
        limit = STOP_SECONDS if self.stopped_by is not None else LIMITS[_method()]
        if self.polls * POLL_SECONDS > limit:
            os.kill(self.child, signal.SIGKILL)
            self.hung = self.stopped_by is None

    def _exit_code(self, code: int) -> int:
        if self.stopped_by is not None:
            return code if code >= 0 else 128 + self.stopped_by
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        if self.hung:
            limit = LIMITS[_method()]
            raise EnvError(f"the environment's {_method()}() hangs: no answer in {limit:.0f} s; mend it there")
        if _is_calling() and code != -signal.SIGKILL:  # which comes from outside, whatever it meets
            raise EnvError(f"the environment's {_method()}() ended the process ({how}); mend it there")
        if code < 0:
            words = f"the process was ended by {how}; if memory is short, free some; a run goes on by: prefrl resume"
            print(f"prefrl: error: {words}", file=sys.stderr)
            return 128 - code
        return code


def _is_calling() -> bool:
    return bool(_board[0] % 2)


def _method() -> Method:
    return _METHODS[_board[1]]
