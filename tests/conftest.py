"""What every test stands on: no network, no user's cache, one seed."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from sazon.core.store import Store
from sazon.policy.exits import EXIT_FOLDERS, EXITS

# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test connect to anything but this machine, nor a module that is not on the list of exits."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(connect: Callable[[socket.socket, object], object]) -> Callable[[socket.socket, object], object]:
    def guarded(self: socket.socket, address: object) -> object:
        if self.family != socket.AF_UNIX:
            host = address[0] if isinstance(address, tuple) else ""
            if host not in {"127.0.0.1", "::1", "localhost"}:
                raise AssertionError(f"a test tried to reach {address}")
            module = _who_connects()
            if module is not None and module not in EXITS and not module.startswith(_EXIT_FOLDERS):
                raise AssertionError(f"{module} opens a connection and is not on the list of exits")
        return connect(self, address)

    return guarded


_EXIT_FOLDERS = tuple(f"{folder}." for folder in EXIT_FOLDERS)


def _who_connects() -> str | None:
    """The module of the package nearest to a call; None where the test itself connects."""
    frame = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("sazon."):
            return module
        frame = frame.f_back
    return None


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("SAZON_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def precision_without_a_stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which precision is faster for a tiny model is chance; no test may depend on it."""
    monkeypatch.setattr("sazon.models.precision._try_both", lambda encoder: "fp32")


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20_260_101)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands on the demo's run is slow, and the first of them waits for the run itself.

    So it comes first: of several processes one is busy with it for as long as the others need for the rest.
    """
    on_the_demo = {item for item in items if "demo_run" in getattr(item, "fixturenames", ())}
    for item in on_the_demo:
        item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.timeout(1800))
    items.sort(key=lambda item: item not in on_the_demo)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one finished `sazon demo`, made once for the whole suite; do not change it.

    SAZON_DEMO_RUN names a finished one to use instead, while working on the tests themselves.
    """
    given = os.environ.get("SAZON_DEMO_RUN")
    if given:
        return Path(given)
    directory = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [str(Path(sys.executable).parent / "sazon"), "demo"],
        cwd=directory,
        env=os.environ | {"SAZON_CACHE": str(tmp_path_factory.mktemp("demo_cache"))},
        capture_output=True,
        text=True,
        timeout=1700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = (directory / "runs").iterdir()
    return run


# ------------------------------------------------------------------------- stores


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server that may be filled and emptied.

    SAZON_TEST_POSTGRES names one; otherwise Debian's is started on a socket of its own, not as root.
    """
    given = os.environ.get("SAZON_TEST_POSTGRES")
    if given:
        yield given
        return
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda p: int(p.parent.name))
    if programs is None:
        pytest.skip("no PostgreSQL here: install it, or set SAZON_TEST_POSTGRES")
    as_other: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="sazon-pg-"))  # short: a socket's path has at most 107 bytes
    if os.geteuid() == 0:
        # The server refuses to run as root.
        shutil.chown(folder, "postgres")
        as_other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def run(program: str, *arguments: str) -> None:
        command = [*as_other, str(programs / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120, cwd=folder)

    run("initdb", "-A", "trust", "-U", "sazon", "-E", "UTF8", "--locale=C", "--no-sync")
    quick = "-c fsync=off -c full_page_writes=off"  # nobody pulls the plug on a test's server
    run(
        "pg_ctl",
        "start",
        "-w",
        "-l",
        str(folder / "log"),
        "-o",
        f"-c listen_addresses='' -k {folder} {quick}",
    )
    yield f"postgresql://sazon@/postgres?unix_sock={folder}/.s.PGSQL.5432"
    run("pg_ctl", "stop", "-w", "-m", "immediate")
    shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """URL of an empty database, dropped afterwards."""
    from sqlalchemy import create_engine, make_url

    url = make_url(postgres.replace("postgresql://", "postgresql+pg8000://"))
    name = f"sazon_{secrets.token_hex(6)}"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty store: each test that takes it runs once with SQLite and once with PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = Store.open(store_url)
    yield opened
    opened.close()
