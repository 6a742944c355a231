"""The store keeps what was committed and nothing else, whoever is killed, in SQLite and in PostgreSQL."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select

from sazon.core import store as stores
from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError
from sazon.core.store import Store

SECRET = "canary-7K2QX9"
TABLES = MetaData()
COUNTERS = Table(
    "counters", TABLES, Column("name", String(40), primary_key=True), Column("value", Integer, nullable=False)
)
OTHER_PROCESS = """
import sys
from sqlalchemy import text
from sazon.core.store import Store
store = Store.open(sys.argv[1])
"""
COUNT = """
for _ in range(25):
    with store.writing(lock="count") as connection:
        value = connection.scalar(text("SELECT value FROM counters WHERE name = 'hits'"))
        connection.execute(text("UPDATE counters SET value = :v WHERE name = 'hits'"), {"v": value + 1})
"""
HANG = """
with store.writing(lock="count") as connection:
    connection.execute(text("UPDATE counters SET value = 99 WHERE name = 'hits'"))
    print("ready", flush=True)
    sys.stdin.read()
"""


def start(script: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS + script, url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def counters(store: Store) -> Iterator[Store]:
    store.create(TABLES)
    with store.writing() as connection:
        connection.execute(COUNTERS.insert().values(name="hits", value=0))
    return store


def hits(store: Store) -> int | None:
    with store.reading() as connection:
        return connection.scalar(select(COUNTERS.c.value).where(COUNTERS.c.name == "hits"))


def test_what_is_written_is_kept_and_what_fails_is_undone(counters: Store, store_url: str) -> None:
    with counters.writing() as connection:
        connection.execute(COUNTERS.update().values(value=1))

    def fail() -> None:
        with counters.writing() as connection:
            connection.execute(COUNTERS.update().values(value=2))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    counters.close()
    again = Store.open(store_url)
    assert hits(again) == 1
    again.close()


def test_a_reader_keeps_its_view_while_others_write(counters: Store) -> None:
    wanted = select(COUNTERS.c.value)
    with counters.reading() as view:
        assert view.scalar(wanted) == 0
        with counters.writing() as connection:
            connection.execute(COUNTERS.update().values(value=1))
        assert view.scalar(wanted) == 0
    assert hits(counters) == 1


def test_a_reader_cannot_leave_anything(counters: Store) -> None:
    def write_while_reading() -> None:
        with counters.reading() as connection:
            connection.execute(COUNTERS.update().values(value=5))

    if counters.dialect == "sqlite":
        write_while_reading()  # undone when the block ends
    else:
        with pytest.raises(EnvironmentLacks, match="25006"):
            write_while_reading()
    assert hits(counters) == 0


def test_two_processes_lose_no_update(counters: Store, store_url: str) -> None:
    both = [start(COUNT, store_url) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    for process in both:
        process.communicate()
    assert hits(counters) == 50


def test_two_processes_may_make_the_tables_at_once(store: Store, store_url: str) -> None:
    other = Store.open(store_url)
    threads = [threading.Thread(target=each.create, args=(TABLES,)) for each in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert hits(store) is None


def test_a_process_killed_in_the_middle_leaves_nothing_and_blocks_nobody(
    counters: Store, store_url: str
) -> None:
    process = start(HANG, store_url)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with counters.writing(lock="count") as connection:
        assert connection.scalar(select(COUNTERS.c.value)) == 0
        connection.execute(COUNTERS.update().values(value=1))
    assert hits(counters) == 1


def test_waiting_for_another_writer_ends_in_words(
    counters: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BUSY_S", 0.05)
    impatient = Store.open(store_url)

    def write() -> None:
        with impatient.writing(lock="count"):
            pass

    with (
        counters.writing(lock="count"),
        pytest.raises(EnvironmentLacks, match=r"another process has been writing for 0.05 s"),
    ):
        write()
    write()
    impatient.close()


def test_shared_holders_of_a_lock_keep_out_only_the_one_who_wants_it_alone(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BUSY_S", 0.05)
    store = Store.open(postgres_url)
    with store.writing(lock="vault", shared=True):
        with store.writing(lock="vault", shared=True):
            pass
        with pytest.raises(EnvironmentLacks), store.writing(lock="vault"):
            pass
    store.close()


def test_a_read_only_store_says_so_and_stays_usable(counters: Store) -> None:
    # Root may write to any file, so the database itself is told to refuse.
    refuse = "PRAGMA query_only=ON" if counters.dialect == "sqlite" else "SET TRANSACTION READ ONLY"

    def write() -> None:
        with counters.writing() as connection:
            connection.exec_driver_sql(refuse)
            connection.execute(COUNTERS.update().values(value=1))

    with pytest.raises(EnvironmentLacks, match=r"SQLITE_READONLY|25006"):
        write()
    counters.close()  # a new connection is not read-only
    with counters.writing() as connection:
        assert connection.scalar(select(COUNTERS.c.value)) == 0
        connection.execute(COUNTERS.update().values(value=2))
    assert hits(counters) == 2


def test_a_full_disk_keeps_nothing_of_the_transaction(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    store.create(TABLES)

    def fill() -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=8")
            for number in range(10_000):
                connection.execute(COUNTERS.insert().values(name=f"{number:030}", value=0))

    with pytest.raises(EnvironmentLacks, match="SQLITE_FULL"):
        fill()
    with store.reading() as connection:
        assert connection.execute(select(COUNTERS)).all() == []
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentLacks, match="cannot be made"):
        Store.open(f"sqlite:///{tmp_path / 'store.db'}")


def test_a_file_in_the_way_of_the_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentLacks, match="cannot be made"):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'store.db'}")


def test_a_relative_file_starts_at_the_root_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = Store.open("sqlite:///.sazon/policy.db", root=tmp_path)
    store.create(TABLES)
    made = tmp_path / ".sazon" / "policy.db"
    assert {stat.S_IMODE(p.stat().st_mode) for p in made.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    store.close()


@pytest.mark.parametrize(
    "content", [b"name,value\nAna,1\n" * 100, b"\0" * 4096, b"SQLite format 3\0" + b"x" * 900]
)
def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        Store.open(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_half_written_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Store.open(f"sqlite:///{path}")
    store.create(TABLES)
    with store.writing() as connection:
        connection.execute(COUNTERS.insert(), [{"name": f"{n:030}", "value": n} for n in range(2000)])
    store.close()
    whole = path.read_bytes()
    for kept in (len(whole) // 2, 4096, 1000, 90):
        path.write_bytes(whole[:kept])

        def count() -> None:
            store = Store.open(f"sqlite:///{path}")
            try:
                with store.reading() as connection:
                    connection.execute(select(COUNTERS)).all()
            finally:
                store.close()

        with pytest.raises(IntegrityError, match="damaged"):
            count()


def test_errors_hold_no_values(counters: Store) -> None:
    def twice() -> None:
        with counters.writing() as connection:
            for _ in range(2):
                connection.execute(COUNTERS.insert().values(name=SECRET, value=1))

    with pytest.raises(RuntimeError, match="refused a statement") as caught:
        twice()
    assert SECRET not in "".join(map(repr, chain(caught.value)))
    assert hits(counters) == 0


def chain(error: BaseException | None) -> Iterator[object]:
    while error is not None:
        yield from (error, error.args)
        error = error.__cause__ or error.__context__


def test_a_server_that_goes_away_is_told_and_found_again(postgres_url: str) -> None:
    store, other = Store.open(postgres_url), Store.open(postgres_url)
    store.create(TABLES)

    def cut() -> None:
        with store.writing() as connection:
            own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with other.writing() as hand:
                hand.exec_driver_sql(f"SELECT pg_terminate_backend({own}, 5000)")
            connection.execute(COUNTERS.insert().values(name="hits", value=1))

    with pytest.raises(EnvironmentLacks):
        cut()
    assert hits(store) is None
    store.close()
    other.close()


@pytest.mark.parametrize("url", ["mysql://host/name", "policy.db", "postgresql://host:port/name", ""])
def test_other_stores_are_refused(url: str) -> None:
    with pytest.raises(RecipeError):
        Store.open(url)


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with pytest.raises(EnvironmentLacks) as caught:
        Store.open(f"postgresql://ana:{SECRET}@127.0.0.1:1/name?application_name={SECRET}")
    assert SECRET not in "".join(map(repr, chain(caught.value)))
    assert "127.0.0.1" in str(caught.value)
