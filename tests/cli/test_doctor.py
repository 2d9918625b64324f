import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from prefrl.cli import doctor


def installed(versions: Mapping[str, str], requirement: str) -> doctor.Finding:
    return doctor.check_package(Requirement(requirement), versions.get)


def test_a_package_that_fits_is_well() -> None:
    assert installed({"torch": "2.13.0+cpu"}, "torch>=2.10") == doctor.Finding("torch", "2.13.0+cpu")


@pytest.mark.parametrize(
    ("versions", "found"),
    [({}, "not installed"), ({"torch": "2.9.1"}, "2.9.1, but prefrl needs >=2.10")],
)
def test_a_package_that_does_not_fit_names_the_command(versions: dict[str, str], found: str) -> None:
    finding = installed(versions, "torch>=2.10")
    assert finding.found == found
    assert finding.remedy == f"{sys.executable} -m pip install 'torch>=2.10'"


def test_every_dependency_is_looked_at_and_no_extra() -> None:
    names = {finding.name for finding in doctor.check_packages()}
    assert {"prefrl", "torch", "gymnasium", "stable-baselines3", "mujoco", "pygame-ce"} <= names
    assert not {"ruff", "mypy", "hypothesis"} & names


def test_what_is_not_installed_at_all() -> None:
    (finding,) = doctor.check_packages("no-such-package-anywhere")
    assert finding.found == "not installed"
    assert finding.remedy is not None


def test_pygame_beside_pygame_ce_is_a_problem() -> None:
    assert doctor.check_pygame({"pygame-ce": "2.5.8"}.get).remedy is None
    remedy = doctor.check_pygame({"pygame-ce": "2.5.8", "pygame": "2.6.1"}.get).remedy
    assert remedy is not None
    assert "uninstall -y pygame pygame-ce" in remedy


def test_versions_that_are_too_old() -> None:
    assert doctor.check_python((3, 10, 14)).remedy is not None
    assert doctor.check_python((3, 11, 0)).remedy is None
    assert doctor.check_sqlite((3, 34, 1)).remedy is not None
    assert doctor.check_sqlite((3, 40, 1)).remedy is None


def test_rendering_that_fails_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")  # which mujoco refuses to combine with egl
    finding = doctor.check_rendering()
    assert "MuJoCo cannot draw: " in finding.found
    assert "\n" not in finding.found
    if sys.platform == "linux":
        assert finding.remedy == "apt-get install libegl1 libgl1-mesa-dri (Debian or Ubuntu)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert doctor.check_folder(tmp_path).remedy is not None


def test_a_healthy_machine_exits_with_0(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "prefrl", "doctor"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("All is well.\n")
    assert "rendering" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_ill_machine_exits_with_3_and_tells_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ill = doctor.Finding("rendering", "MuJoCo cannot draw: black", "apt-get install libegl1")
    monkeypatch.setattr(doctor, "findings", lambda: iter([doctor.Finding("python", "3.11.7"), ill]))
    assert doctor.doctor() == 3
    assert capsys.readouterr().out.splitlines() == [
        "ok      python              3.11.7",
        "PROBLEM rendering           MuJoCo cannot draw: black",
        "        to mend it:         apt-get install libegl1",
        "1 problem.",
    ]
