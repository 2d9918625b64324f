"""Real processes: environments that hang or end them, and signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prefrl import watchdog
from prefrl.runs.run_dir import RunDir
from prefrl.store.store import Store

PREFRL = [sys.executable, "-W", "error", "-m", "prefrl"]
IMPATIENT = (
    "import sys; from prefrl import watchdog; from prefrl.cli.main import main; "
    "watchdog.LIMITS.update(step=2.0, render=2.0); sys.exit(main())"
)
SMALL = "--steps 4000 --labels 10 --segment-length 10 --rounds 4 --explore-steps 320 --ppo.n-envs 4 --ppo.n-steps 80"
FATAL = ["train", "toy_envs:Fatal-v0", *SMALL.split(), "--ppo.batch-size", "80"]
LONG = ["train", "toy_envs:MoveRight-v0", "--steps", "10000000", "--labels", "10", "--segment-length", "10"]
HERE = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}


def impatient(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPATIENT, *words],
        env=HERE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.fault
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("exits", "the environment's step() ended the process (exit code 0)"),
        ("hangs", "the environment's step() hangs: no answer in 2 s"),
    ],
)
def test_an_environment_that_takes_the_process_with_it(fault: str, said: str, tmp_path: Path) -> None:
    done = impatient(*FATAL, "--env-kwargs", "fault", fault, "good", "600", "--run-dir", str(tmp_path / "run"))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == f"prefrl: error: {said}; mend it there"
    run = RunDir.open(tmp_path / "run")
    checkpoint = run.latest_checkpoint()
    assert checkpoint is not None
    with Store(run.store_url) as store:
        assert store.num_answers() == len(store.answers()) >= checkpoint.state["watermark"] > 0
    with run.lock():
        pass  # nobody is left in the folder


@pytest.mark.fault
def test_an_environment_that_ends_the_process_at_once_leaves_no_folder(tmp_path: Path) -> None:
    done = impatient(*FATAL, "--env-kwargs", "fault", "exits", "--run-dir", str(tmp_path / "run"))
    assert done.returncode == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_an_environment_that_hangs_while_it_is_drawn(tmp_path: Path) -> None:
    run_dir, page = str(tmp_path / "run"), tmp_path / "report.html"
    words = ["train", "toy_envs:Flickers-v0", *SMALL.split(), "--ppo.batch-size", "80", "--run-dir", run_dir]
    assert impatient(*words, "--env-kwargs", "fault", "hangs", "good", "0").returncode == 0
    for drawing in (["report", run_dir, "-o", str(page)], ["evaluate", run_dir, "--video", str(tmp_path / "a.mp4")]):
        done = impatient(*drawing)
        assert done.returncode == 3, done.stderr
        assert done.stderr.splitlines()[-1] == (
            "prefrl: error: the environment's render() hangs: no answer in 2 s; mend it there"
        )
    assert not page.exists()


def start(run_dir: Path, *options: str) -> subprocess.Popen[str]:
    """A run that takes hours, as soon as it trains; in a process group of its own, as a terminal would have it."""
    # A signal may come between open() and `with`: then Python closes the file, and says so.
    quiet = ["-W", "ignore::ResourceWarning"]
    command = [*PREFRL[:3], *quiet, *PREFRL[3:], *LONG, *options, "--run-dir", str(run_dir)]
    trainer = subprocess.Popen(command, env=HERE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not any(run_dir.glob("checkpoints/0*")):
        assert trainer.poll() is None, trainer.communicate()
        time.sleep(0.05)
    return trainer


def by_program(trainer: subprocess.Popen[str], number: int) -> None:
    trainer.send_signal(number)


def by_terminal(trainer: subprocess.Popen[str], number: int) -> None:
    os.killpg(trainer.pid, number)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("number", "send", "code"),
    [(signal.SIGINT, by_program, 130), (signal.SIGINT, by_terminal, 130), (signal.SIGTERM, by_program, 143)],
)
def test_a_signal_leaves_with_a_checkpoint_and_says_how_to_go_on(
    number: int, send: Callable[[subprocess.Popen[str], int], None], code: int, tmp_path: Path
) -> None:
    trainer = start(tmp_path / "run")
    send(trainer, number)
    _, told = trainer.communicate(timeout=10)
    assert trainer.returncode == code
    assert told.splitlines()[-1].endswith(f"stopped; go on with: prefrl resume {tmp_path / 'run'}")
    assert "Traceback" not in told
    run = RunDir.open(tmp_path / "run")
    with run.lock():
        assert run.latest_checkpoint() is not None


@pytest.mark.fault
def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    trainer = start(tmp_path / "run")
    worker = int((tmp_path / "run" / "lock").read_text())
    os.kill(worker, signal.SIGSTOP)  # it cannot even begin to end
    by_terminal(trainer, signal.SIGINT)
    time.sleep(0.5)
    assert trainer.poll() is None
    by_terminal(trainer, signal.SIGINT)
    trainer.communicate(timeout=5)
    assert trainer.returncode == 130


HASTY = (
    "import sys; from prefrl import watchdog; from prefrl.cli.main import main; "
    "watchdog.STOP_SECONDS = 1.0; sys.exit(main())"
)


@pytest.mark.fault
def test_an_environment_that_swallows_the_interrupt_ends_all_the_same(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    words = [*FATAL, "--env-kwargs", "fault", "stays", "good", "600", "--run-dir", str(run_dir)]
    trainer = subprocess.Popen([sys.executable, "-c", HASTY, *words], env=HERE, stderr=subprocess.PIPE, text=True)
    while not any(run_dir.glob("checkpoints/0*")):
        assert trainer.poll() is None, trainer.communicate()
        time.sleep(0.05)
    time.sleep(2)  # it is in the step by now, and if not, it ends the sooner
    trainer.terminate()
    _, told = trainer.communicate(timeout=10)
    assert trainer.returncode == 143, told


@pytest.mark.fault
def test_the_worker_dies_with_the_one_that_watches(tmp_path: Path) -> None:
    trainer = start(tmp_path / "run")
    worker = int((tmp_path / "run" / "lock").read_text())
    trainer.kill()
    trainer.communicate()
    until = time.monotonic() + 5
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    with RunDir.open(tmp_path / "run").lock():
        pass


@pytest.mark.fault
def test_the_workers_own_death_is_told(tmp_path: Path) -> None:
    trainer = start(tmp_path / "run")
    os.kill(int((tmp_path / "run" / "lock").read_text()), signal.SIGKILL)
    _, told = trainer.communicate(timeout=10)
    assert trainer.returncode == 137
    assert told.splitlines()[-1].startswith("prefrl: error: the process was ended by SIGKILL; ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the process that watches")
def test_a_kill_from_outside_is_no_fault_of_the_environment_that_it_meets(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        with watchdog.calling("step", "It"):
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert watchdog.watch(work) == 137
    assert "was ended by SIGKILL; if memory is short" in capfd.readouterr().err


def test_nobody_waits_longer_than_promised() -> None:
    assert watchdog.LIMITS["step"] + 2 < 30
    assert watchdog.STOP_SECONDS <= 10
