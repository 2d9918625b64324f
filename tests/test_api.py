import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import prefrl

ROOT = Path(__file__).parents[1]


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", prefrl.__all__)
def test_every_public_name_is_a_documented_function_or_class(name: str) -> None:
    value = getattr(prefrl, name)
    assert not isinstance(value, ModuleType)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert inspect.getdoc(value)


def test_no_module_has_the_name_of_a_public_function_or_class() -> None:
    modules = {module.name for module in pkgutil.iter_modules(prefrl.__path__)}
    assert not modules & set(prefrl.__all__)
    assert python("from prefrl import *; import prefrl; print(set(prefrl.__all__) <= set(globals()))") == "True"


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "torch stable_baselines3 gymnasium mujoco sqlalchemy pygame scipy"
    code = "import sys, prefrl; prefrl.TrainConfig, prefrl.preset; print(*sys.modules)"
    assert not set(heavy.split()) & set(python(code).split())


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; it has .*train"):
        prefrl.trian  # noqa: B018
    with pytest.raises(ImportError):
        from prefrl import trian  # noqa: F401
