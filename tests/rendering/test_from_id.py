import os
import subprocess
import sys
from pathlib import Path

import odd_envs
import pytest
from small import SMALL

from prefrl.config.presets import preset
from prefrl.config.run import TrainConfig
from prefrl.config.trust import notes, trust
from prefrl.environments.make import make_env, try_env
from prefrl.errors import EnvError, UsageError
from prefrl.rendering.from_id import from_id
from prefrl.training.loop import train

MODULE = """
print("imported")
import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv
gym.register("Beside-v0", CartPoleEnv, max_episode_steps=100)
class Mine(CartPoleEnv):
    pass
def make(render_mode=None):
    return gym.wrappers.TimeLimit(Mine(render_mode=render_mode), 60)
"""
QUICK = [
    "--steps",
    "2000",
    "--labels",
    "10",
    "--segment-length",
    "10",
    "--rounds",
    "2",
    "--ppo.n-envs",
    "2",
    "--ppo.n-steps",
    "100",
]
COMMAND = "import sys; sys.path[:] = [p for p in sys.path if p]; from prefrl.cli.main import main; sys.exit(main())"


def prefrl(*words: str, where: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """The command as it is installed: without the working folder among the places where Python looks."""
    env = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words], cwd=where, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.fault
@pytest.mark.parametrize("name", ["Beside-v0", "make"])
def test_a_module_beside_the_user_is_found_and_a_strangers_is_not_imported(name: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(MODULE)
    mine, theirs, run = tmp_path / "mine", tmp_path / "theirs", str(tmp_path / "run")
    done = prefrl("train", f"beside:{name}", *QUICK, "--run-dir", run, where=tmp_path, home=mine)
    assert done.returncode == 0, done.stderr
    looks = [
        ["evaluate", run, "--episodes", "1"],
        ["inspect", run, "--question", "1", "--video", str(tmp_path / "a.mp4")],
        ["report", run, "-o", str(tmp_path / "report.html")],
        ["resume", run],
    ]
    for words in looks:
        done = prefrl(*words, where=Path("/"), home=mine)  # wherever it is looked at
        assert done.returncode == 0, done.stderr
        done = prefrl(*words, where=tmp_path, home=theirs)
        assert done.returncode == (0 if words[0] == "report" else 3), done.stderr
        assert "imported" not in done.stdout + done.stderr
        said = (tmp_path / "report.html").read_text() if words[0] == "report" else done.stderr.splitlines()[-1]
        assert f"beside:{name} runs code of the module beside" in said
        assert f"set PREFRL_TRUST=beside:{name}" in said


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PREFRL_TRUST", "")


def test_a_class_or_function_stands_for_its_name() -> None:
    assert preset(odd_envs.Odd).env_id == TrainConfig(odd_envs.Odd).env_id == "odd_envs:Odd"  # type: ignore[arg-type]
    assert preset(odd_envs.make_odd, steps=1000).env_id == "odd_envs:make_odd"


def test_what_no_other_process_could_find_is_refused() -> None:
    class Local(odd_envs.Odd):
        pass

    for nameless in (Local, lambda: odd_envs.Odd(), odd_envs.Odd(), 7):
        with pytest.raises(UsageError) as caught:
            preset(nameless)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_a_class_and_a_function_are_trained_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {name: getattr(SMALL, name) for name in ("steps", "labels", "segment_length", "rounds", "ppo")}
    run = train(preset(odd_envs.make_odd, **small, explore_steps=80))
    assert run.path == tmp_path / "runs" / "odd_envs-make_odd-0"
    assert try_env(run.config) is None
    assert '"odd_envs:make_odd"' in notes().read_text()


def test_a_function_runs_only_if_the_user_has_named_it() -> None:
    with pytest.raises(EnvError, match="os:getcwd runs code of the module os"):
        from_id("os:getcwd", {})
    make_env("odd_envs:Odd", {})  # an environment, of a module that is imported already
    with pytest.raises(EnvError, match="runs code of the module odd_envs"):
        make_env("odd_envs:make_odd", {})
    trust("odd_envs:make_nothing")
    with pytest.raises(EnvError, match=r"odd_envs:make_nothing makes str, want a gymnasium\.Env"):
        make_env("odd_envs:make_nothing", {})


def test_what_is_missing_is_told_in_one_line() -> None:
    with pytest.raises(EnvError, match="near it are odd_envs:Odd"):
        make_env("odd_envs:Old", {})
    with pytest.raises(EnvError, match="__main__:NoSuch is in the script that started the run"):
        make_env("__main__:NoSuch", {})
    trust("no_such_module:Env-v0")
    with pytest.raises(EnvError, match="there is no module no_such_module in this folder"):
        make_env("no_such_module:Env-v0", {})


@pytest.mark.parametrize(
    ("name", "said"), [("Blank", "AttributeError: .*observation_space"), ("Secret", "KeyError: 'spec'")]
)
def test_what_an_environment_does_not_say_of_itself_is_told_in_one_line(name: str, said: str) -> None:
    with pytest.raises(EnvError, match=f"^environment odd_envs:{name} cannot be made: {said}") as caught:
        from_id(f"odd_envs:{name}", {})
    assert "\n" not in str(caught.value)
