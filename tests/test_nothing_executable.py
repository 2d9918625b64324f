"""No file that we read can run code: by the sources, and by what Python's own audit sees while a run is read."""

import ast
import dataclasses
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from canary import Canary
from small_runs import SMALL

from prefrl.training.loop import train

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("prefrl", "envs", "scripts") for path in (ROOT / folder).rglob("*.py"))

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
NAMES = {"eval", "exec", "compile", "__import__"}
LOADERS = {"torch", "np", "numpy", "th", "yaml", "pickle", "PPO", "SAC", "A2C", "DQN", "TD3", "DDPG", "VecNormalize",
           "BaseAlgorithm", "ActorCriticPolicy", "MlpPolicy"}  # fmt: skip
ATTRIBUTES = {"load_replay_buffer", "load_from_pkl", "load_from_zip_file", "unsafe_load", "full_load", "read_pickle",
              "load_running_average", "from_pickle"}  # fmt: skip


def refuses_pickle(keyword: ast.keyword) -> bool:
    return ast.unparse(keyword) == "allow_pickle=False"


def forbidden(source: str) -> Iterator[str]:
    """What of `source` could run code that is in a file. numpy loads none if it is told so there."""
    nodes = list(ast.walk(ast.parse(source)))
    safe = {id(node.func) for node in nodes if isinstance(node, ast.Call) and any(map(refuses_pickle, node.keywords))}
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="np"), attr="load") if id(node) in safe:
                pass
            case ast.keyword() if refuses_pickle(node):
                pass
            case ast.Import(names=names) if MODULES & {name.name.split(".")[0] for name in names}:
                yield ast.unparse(node)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES or module.endswith("save_util"):
                yield ast.unparse(node)
            case ast.Call(func=ast.Name(id=name)) if name in NAMES:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id=owner), attr="load") if owner in LOADERS:
                yield ast.unparse(node)
            case ast.Attribute(attr=name) if name in ATTRIBUTES:
                yield ast.unparse(node)
            case ast.keyword(arg="allow_pickle" | "weights_only"):
                yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_of_ours_can_run_what_it_reads(path: Path) -> None:
    assert list(forbidden(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "PPO.load(f)",
        "VecNormalize.load(f, venv)",
        "yaml.load(f)",
        "eval(text)",
        "exec(text)",
        "model.load_replay_buffer(f)",
        "from stable_baselines3.common.save_util import load_from_zip_file",
        "read = torch.load",
    ],
)
def test_the_rule_sees_what_it_forbids(source: str) -> None:
    assert list(forbidden(source))


def test_the_rule_lets_the_harmless_be() -> None:
    assert list(forbidden("from safetensors.torch import load; load(b''); json.loads(t); agent.save(f)")) == []
    assert list(forbidden("np.load(f, allow_pickle=False)")) == []


AUDITED = """
import os, pickle, sys
import prefrl.training.loop, prefrl.evaluation.evaluate
from prefrl.cli import main as cli

def audit(event, arguments):
    if event == "pickle.find_class":
        os.write(2, f"{arguments} was asked for".encode())
        os._exit(99)

sys.addaudithook(audit)
path = sys.argv[1]
for words in (["doctor", path], ["evaluate", path, "--episodes", "1"], ["resume", path]):
    print(words[0], cli.main(words), flush=True)
pickle.loads(pickle.dumps(print))
"""


@pytest.mark.fault
def test_reading_a_run_unpickles_nothing(tmp_path: Path) -> None:
    """Though its agent.zip was exchanged for one that would run code. In the end the audit is seen to work."""
    run = train(dataclasses.replace(SMALL, env_id="toy_envs:MoveRight-v0"), tmp_path / "run")
    with zipfile.ZipFile(run.agent_zip, "w") as file:
        for name in ("data", "policy.pth", "pytorch_variables.pth"):
            file.writestr(name, pickle.dumps(Canary(tmp_path / "canary")))
    shutil.rmtree(max((run.path / "checkpoints").iterdir()))  # so that there is something to do
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, str(run.path)],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line[:-2] in ("doctor", "evaluate", "resume")] == [
        "doctor 5", "evaluate 0", "resume 0"
    ]  # fmt: skip
    assert done.returncode == 99
    assert done.stderr.endswith("('builtins', 'print') was asked for")
    assert not (tmp_path / "canary").exists()
