"""What prefrl needs of this machine: what is there, what is wrong, and the command that mends it.

Whatever may be broken is imported in a process of its own, so that the doctor outlives it.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from prefrl.data.text import plain

PIP = f"{sys.executable} -m pip"
APT_RENDERING = "apt-get install libegl1 libgl1-mesa-dri"

_RENDER = """
import os, sys
from prefrl.rendering.simulator_state import choose_gl, has_display
choose_gl()
if "MUJOCO_GL" not in os.environ and not has_display():
    sys.exit("libEGL.so.1 is missing")
import mujoco
xml = "<mujoco><worldbody><light pos='0 0 3'/><geom size='1' rgba='1 0 0 1'/></worldbody></mujoco>"
model = mujoco.MjModel.from_xml_string(xml)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    print("works through", os.environ.get("MUJOCO_GL", "the display") if renderer.render().any() else sys.exit("black"))
"""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str

    found: str
    """What is there, or what is wrong with it."""

    remedy: str | None = None
    """Command or advice that mends it; None where nothing is wrong."""


def doctor() -> int:
    """Print every finding; the exit code: 0 if all is well, else 3."""
    ill = 0
    for finding in findings():
        print(f"{'ok' if finding.remedy is None else 'PROBLEM':8}{finding.name:20}{plain(finding.found)}")
        if finding.remedy is not None:
            print(f"{'':8}{'to mend it:':20}{plain(finding.remedy)}")
            ill += 1
    print("All is well." if ill == 0 else f"{ill} problem{'s' * (ill > 1)}.")
    return 0 if ill == 0 else 3


def findings() -> Iterator[Finding]:
    """Everything that the doctor looks at, in the order worth mending."""
    yield check_python(sys.version_info[:3])
    yield from check_packages()
    yield check_pygame(_installed)
    yield check_sqlite(sqlite3.sqlite_version_info)
    yield check_torch()
    yield check_rendering()
    yield check_folder(Path.cwd())


def check_python(version: tuple[int, ...]) -> Finding:
    """Python 3.11 or newer."""
    remedy = None if version >= (3, 11) else "install Python 3.11 or newer, and prefrl into it"
    return Finding("python", ".".join(map(str, version)), remedy)


def check_packages(name: str = "prefrl") -> Iterator[Finding]:
    """What `name` requires, extras left out, against what is installed."""
    try:
        requirements = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        yield Finding(name, "not installed", f"{PIP} install -e . (in the folder of its pyproject.toml)")
        return
    yield Finding(name, metadata.version(name))
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield check_package(requirement, _installed)


def check_package(requirement: Requirement, installed: Callable[[str], str | None]) -> Finding:
    """One package; `installed` gives the version of a package, or None."""
    version = installed(requirement.name)
    if version is not None and requirement.specifier.contains(version, prereleases=True):
        return Finding(requirement.name, version)
    found = "not installed" if version is None else f"{version}, but prefrl needs {requirement.specifier}"
    return Finding(requirement.name, found, f"{PIP} install '{requirement}'")


def check_pygame(installed: Callable[[str], str | None]) -> Finding:
    """pygame and pygame-ce write the same files: with both installed, either breaks."""
    if installed("pygame") is None:
        return Finding("pygame", "only pygame-ce")
    remedy = f"{PIP} uninstall -y pygame pygame-ce && {PIP} install pygame-ce"
    return Finding("pygame", "pygame is installed; it overwrites files of pygame-ce", remedy)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_sqlite(version: tuple[int, ...]) -> Finding:
    """SQLite 3.35 or newer, which has RETURNING."""
    remedy = None if version >= (3, 35) else "install a Python that was built with SQLite 3.35 or newer"
    return Finding("sqlite", ".".join(map(str, version)), remedy)


def check_torch() -> Finding:
    """Whether torch loads, and on how many threads it would compute if prefrl left it alone."""
    code = "import torch; print(f'loads; {torch.get_num_threads()} threads by default, 1 while prefrl trains')"
    done = _python(code)
    if done.returncode == 0:
        return Finding("torch loads", done.stdout.strip())
    return Finding("torch loads", _last_line(done), f"{PIP} install --force-reinstall torch")


def check_rendering() -> Finding:
    """Whether MuJoCo draws a picture: clips and videos need it."""
    done = _python(_RENDER)
    if done.returncode == 0:
        return Finding("rendering", done.stdout.strip())
    remedy = f"{APT_RENDERING} (Debian or Ubuntu)" if sys.platform == "linux" else "update the graphics driver"
    return Finding("rendering", f"MuJoCo cannot draw: {_last_line(done)}", remedy)


def check_folder(folder: Path) -> Finding:
    """Whether the run folder can be made here."""
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding("folder", f"{folder} can be written to")
    return Finding("folder", f"{folder} cannot be written to", "cd to a folder of yours, or give --run-dir")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "no answer within 120 s")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"the process ended with exit code {done.returncode}"
