"""Every store that the contract must hold for: a file of its own, and a database on a PostgreSQL server."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine


def find(program: str) -> str | None:
    """A program of a PostgreSQL server; Debian keeps them off the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(installed[-1]) if installed else None)


def as_server(*command: object) -> subprocess.CompletedProcess[bytes]:
    """Run `command`, for root as somebody else: no server runs as root."""
    prefix = ["setpriv", f"--reuid={user().pw_uid}", f"--regid={user().pw_gid}", "--clear-groups"]
    words = [*(prefix if os.geteuid() == 0 else []), *map(str, command)]
    return subprocess.run(words, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=60)


def user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server that ends with the tests; it listens on a socket alone."""
    initdb, pg_ctl = find("initdb"), find("pg_ctl")
    if initdb is None or pg_ctl is None:
        assert "CI" not in os.environ, "install PostgreSQL"
        pytest.skip("no PostgreSQL server here")
    folder = Path(f"/tmp/prefrl-{uuid4().hex[:8]}")  # of few letters: the path of a socket has at most 107
    folder.mkdir()
    os.chown(folder, user().pw_uid, user().pw_gid)
    try:
        as_server(initdb, "-D", folder / "data", "-U", "prefrl", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        as_server(pg_ctl, "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://prefrl@/postgres?host={folder}"
        finally:
            as_server(pg_ctl, "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(postgres: str) -> Callable[[], str]:
    """Makes an empty database on the server, and gives its URL."""

    def make() -> str:
        name = f"test_{uuid4().hex}"
        engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return postgres.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made, in a file and on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/preferences.sqlite"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()
