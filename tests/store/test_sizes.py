import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from stores import fill, python

from prefrl.errors import StoreError
from prefrl.runs.run_dir import sqlite_url
from prefrl.store.export import export, import_
from prefrl.store.sizes import check_npz, most
from prefrl.store.store import Store


@pytest.fixture
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with Store(sqlite_url(tmp_path / "p.sqlite")) as store:
        fill(store, np.random.default_rng(0))
    export(tmp_path / "p.sqlite", request.param, tmp_path / "x")
    return tmp_path / "x"


IMPORT = r"""
import re, sys
from pathlib import Path
from prefrl.store.export import import_
try:
    import_(Path(sys.argv[1]), Path(sys.argv[2]))
except Exception as error:
    print(type(error).__name__, error)
print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no other place that tells the memory of a process alone")
@pytest.mark.parametrize("exported", ["npz", "parquet"], indirect=True)
def test_a_small_file_that_holds_gigabytes_is_refused_in_little_memory(exported: Path, tmp_path: Path) -> None:
    [form] = {path.suffix for path in exported.glob("segments.*")}
    if form == ".npz":
        with np.load(exported / "segments.npz") as archive:
            arrays = dict(archive)
        with zipfile.ZipFile(exported / "segments.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    if name == "start":
                        np.lib.format.write_array_header_1_0(
                            file, {"descr": "<i8", "fortran_order": False, "shape": (2**26,)}
                        )
                        for _ in range(512):
                            file.write(bytes(2**20))
                    else:
                        np.lib.format.write_array(file, array)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        zeros = pa.array([np.zeros(2**25, np.float32)] * 2, pa.list_(pa.float32()))
        table = pa.table({"id": [1, 2], "true_rewards": zeros})
        pq.write_table(table, exported / "segments.parquet", compression="zstd")
    assert (exported / f"segments{form}").stat().st_size < 4 * 2**20
    done = python(IMPORT, exported, tmp_path / "new.sqlite")
    said, memory = done.stdout.splitlines()
    assert said.startswith("StoreError"), done
    assert "more than behaviour can be compressed" in said
    assert int(memory) < 500
    assert not (tmp_path / "new.sqlite").exists()


@pytest.mark.parametrize("exported", ["npz"], indirect=True)
def test_an_array_that_claims_to_be_longer_than_it_is(exported: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported / "questions.npz", "w") as archive, archive.open("id.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (2**50,)})
    with pytest.raises(StoreError, match=r"id.npy of questions.npz has .* bytes, want"):
        import_(exported, tmp_path / "new.sqlite")


@pytest.mark.parametrize("exported", ["npz"], indirect=True)
def test_what_export_writes_may_be_read(exported: Path) -> None:
    for path in exported.glob("*.npz"):
        check_npz(path)
        assert most(path) > 2**26


def test_objects_are_no_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], object))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"objects|has .* bytes"):
        check_npz(tmp_path / "x.npz")


def test_reading_exports_needs_no_parquet() -> None:
    code = "import sys; sys.modules['pyarrow'] = None; import prefrl.store.export"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
