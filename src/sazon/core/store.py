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
            engine = _postgres(url)
            store = cls(engine, where=f"postgresql://{engine.url.host or ''}/{engine.url.database or ''}")
        else:
            raise RecipeError(
                "this kind of store is not known", mend="Use sqlite:///FILE or postgresql://user@host/name."
            )
        with store.reading() as connection:
            # The first page of SQLite's file, or PostgreSQL's greeting: told now rather than later.
            connection.exec_driver_sql(
                "SELECT count(*) FROM sqlite_master" if store.dialect == "sqlite" else "SELECT 1"
            )
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
        """A view that, from its first query on, no writer changes while the block lasts.

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
        from sqlalchemy.exc import DBAPIError, TimeoutError

        try:
            yield
        except DBAPIError as failed:
            error = _in_words(failed.orig, type(failed).__name__, self.where)
            # Whoever walks the chain of errors finds the driver's there: emptied.
            failed.params = None
            link: BaseException | None = failed
            while link is not None:
                link.args = ()
                link = link.__cause__ or link.__context__
            raise error from None
        except TimeoutError:
            raise _busy(self.where) from None


def _in_words(cause: BaseException | None, kind: str, where: str) -> Exception:
    """What a driver's error means: SQLite names its errors, PostgreSQL gives five letters of SQLSTATE."""
    told = cause.args[0] if cause is not None and cause.args else None
    state = told.get("C", "") if isinstance(told, dict) else ""
    code = state or getattr(cause, "sqlite_errorname", "")
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "XX001", "XX002")):
        return IntegrityError(
            "the store is damaged", where=where, mend="Restore a backup; nothing was written."
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40")):
        return _busy(where)
    if state.startswith("28"):
        return EnvironmentLacks("the server refuses this user", where=where, mend="Check user and password.")
    statement = kind in ("DataError", "IntegrityError", "NotSupportedError") or state[:2] in _STATEMENT
    if statement or (kind == "ProgrammingError" and not state):
        # A bug of the caller: its traceback is for developers, its values for nobody.
        return RuntimeError(f"the database refused a statement ({kind} {code})".replace(" )", ")"))
    return EnvironmentLacks(
        f"the store cannot be used ({code or type(cause).__name__})",
        where=where,
        mend="Check that it exists, may be written to, and has room.",
    )


_STATEMENT = ("21", "22", "23", "42")
"""SQLSTATE classes that blame the statement: cardinality, data, constraint, syntax and names."""


def _busy(where: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        f"another process has been writing for {BUSY_S:g} s", where=where, mend="Try again."
    )


def _sqlite(path: Path) -> Engine:
    """One file, for its owner alone."""
    from sqlalchemy import create_engine, event

    try:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
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
            f"postgresql+pg8000://{url.partition('://')[2]}",
            connect_args={"startup_params": {"lock_timeout": f"{1000 * BUSY_S:.0f}"}},
            hide_parameters=True,
            pool_pre_ping=True,
        )
    except (ArgumentError, ValueError):
        error = RecipeError("not a PostgreSQL URL", mend="Write postgresql://user@host/name.")
    # Outside the handler: the parser's error carries the URL, and with it the password.
    raise error
