"""The store: tables that outlive a process, in SQLite by default or in PostgreSQL by URL.

    store = Store.open("sqlite:///policy.db")
    with store.writing() as connection:       one writer at a time, all or nothing
        connection.execute(…)
    with store.reading() as connection:       a steady view
        connection.execute(…)

Each room declares its own tables (SQLAlchemy Core) and asks for them with `store.create`. A commit is
on disk when `writing` ends: SQLite runs with a write-ahead log and full synchronisation.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sazon.core import registry
from sazon.core.errors import EnvironmentLacks, IntegrityError, RecipeError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table

BUSY_S = 30.0
"""How long to wait for another process that is writing."""
_POSTGRES = ("postgresql://", "postgres://")


class Store:
    """Tables behind one URL; safe to use from several threads and processes."""

    def __init__(self, engine: Engine, *, where: str) -> None:
        """Use an engine; `open` makes one."""
        self._engine = engine
        self.where = where
        """What to call it in errors; holds no password."""

    @classmethod
    def open(cls, url: str, *, root: Path | None = None) -> Store:
        """Open a store, made where it is not there yet.

        Args:
            url: `sqlite:///FILE` (a relative file starts at `root`) or `postgresql://…`.
            root: folder of the recipe.

        Raises:
            RecipeError: another kind of URL.
            EnvironmentLacks: the server, the file or the driver cannot be used.
            IntegrityError: the file is not a database, or a damaged one.
        """
        if url.startswith("sqlite:///"):
            path = (root or Path()) / url.removeprefix("sqlite:///")
            store = cls(_sqlite(path), where=str(path))
        elif url.startswith(_POSTGRES):
            store = cls(_postgres(url), where=f"postgresql://{url.rpartition('@')[2]}")
        else:
            raise RecipeError(
                "this kind of store is not known", mend="Use sqlite:///FILE or postgresql://user@host/name."
            )
        with store.reading():
            pass
        return store

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def create(self, tables: MetaData) -> None:
        """Make the tables that are not there yet; several processes may do so at once."""
        with self.writing(lock="schema") as connection:
            tables.create_all(connection)

    @contextlib.contextmanager
    def writing(self, *, lock: str = "", shared: bool = False) -> Iterator[Connection]:
        """A transaction that is kept when the block ends, and undone where it fails.

        Args:
            lock: work that only one process may do at a time. SQLite has one writer anyway; PostgreSQL
                holds an advisory lock of this name until the end.
            shared: several may hold the lock like this at once, but nobody beside one who does not.

        Raises:
            EnvironmentLacks: the disk is full or read-only, the server is gone, or somebody else has
                been writing for too long; nothing was kept.
            IntegrityError: the file is damaged.
        """
        with self._told(), self._engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            elif lock:
                from sqlalchemy import func, select

                take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
                connection.execute(select(take(zlib.crc32(f"sazon.{lock}".encode()))))
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view that no writer changes while the block lasts.

        Raises:
            EnvironmentLacks: the server is gone or the file cannot be read.
            IntegrityError: the file is damaged.
        """
        with self._told(), self._engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield connection
            finally:
                connection.rollback()

    def insert(self, table: Table) -> Any:
        """An insertion that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        from sqlalchemy.dialects import postgresql, sqlite

        return (sqlite if self.dialect == "sqlite" else postgresql).insert(table)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """The driver's errors in words; they may hold values, so none of their text is passed on."""
        from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

        error: EnvironmentLacks | IntegrityError
        try:
            yield
            return
        except DBAPIError as failed:
            cause, name = failed.orig, type(failed.orig).__name__
            code = getattr(cause, "sqlite_errorname", "")
            if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                error = IntegrityError(
                    "the store is damaged", where=self.where, mend="Restore a backup; nothing was written."
                )
            elif code.startswith("SQLITE_BUSY"):
                error = EnvironmentLacks(
                    f"another process has been writing for {BUSY_S:.0f} s",
                    where=self.where,
                    mend="Try again.",
                )
            elif isinstance(failed, (OperationalError, InterfaceError)):
                error = EnvironmentLacks(
                    f"the store cannot be used ({code or name})",
                    where=self.where,
                    mend="Check that it exists, may be written to, and has room.",
                )
            else:
                raise
        # Raised outside the handler: the driver's error carries the statement's values.
        raise error


def _sqlite(path: Path) -> Engine:
    """One file, for its owner alone."""
    from sqlalchemy import create_engine, event

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
    except OSError as error:
        raise EnvironmentLacks(
            f"the store cannot be made: {error.strerror}", where=str(path), mend="Check the folder."
        ) from None
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(raw: sqlite3.Connection, _: Any) -> None:
        # Transactions begin where this module says so, not where the driver guesses.
        raw.isolation_level = None
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            raw.execute(f"PRAGMA {setting}")

    return engine


def _postgres(url: str) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError

    with registry.packages_for("a PostgreSQL store"):
        import pg8000  # noqa: F401
    try:
        return create_engine(
            f"postgresql+pg8000://{url.partition('://')[2]}", hide_parameters=True, pool_pre_ping=True
        )
    except ArgumentError:
        error = RecipeError("not a PostgreSQL URL", mend="Write postgresql://user@host/name.")
    raise error
