"""The vault: what is known of people, under one key a person, erased by destroying that key.

    key source → keyring → a leaf of its erasable tree → data key of a subject → records

Subjects stand in the store as keyed digests and records under digests of their names; contents and
names are sealed with AES-256-GCM, bound to tenant, subject, record and generation, so that nothing can
be read elsewhere than where it was put. Without the keyring nothing is read, and nothing is ever
written in clear.

**Erasure.** `erase` destroys the subject's leaf in the keyring first, then the rows. A copy of the store
from before holds a data key that nobody can unwrap any more: also the holder of the key source and of
the offline recovery key, whose copy is of the keyring's own key and opens the keyring as it stands now.
It rests on one assumption, spelled out in `keys/keyring.py`: old copies of `keys.json` are not kept. A
subject may come back: it then begins a new generation, with a new key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sazon.core.errors import IntegrityError, SazonError
from sazon.core.store import Store
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.sealing import KEY_BYTES, frame, fresh_key, seal, unseal
from sazon.policy.keys.source import KeySource

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData, Table

T = TypeVar("T")
BATCH = 500
"""Data keys re-wrapped in one transaction."""
_LOCK = "vault"


class NotInVault(SazonError, KeyError):
    """The vault holds no such record, or no longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """What an erasure did."""

    records: int
    """Records that were in the store; 0 also where the subject was not known, and is shut out now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """How much a vault holds."""

    subjects: int
    records: int
    outdated: int
    """Subjects whose data key is wrapped under another version than the present one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileKey:
    """What seals what is kept of a subject outside the store."""

    generation: int
    """How often the subject had been erased before it was made."""
    key: bytes = field(repr=False)
    """32 bytes."""


class Vault:
    """Records of subjects, encrypted; safe to use from several threads and processes."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        """Open the vault of a store, its tables made where missing.

        Raises:
            IntegrityError: the store was written under another keyring.
        """
        self._store = store
        self._keyring = keyring
        self._tables = _tables()
        store.create(_metadata())
        self._belongs()
        self._forget_again()

    # ------------------------------------------------------------------ records

    def put(self, subject: str, record: str, plaintext: bytes) -> None:
        """Keep a record, in place of one of the same name."""
        with self._store.writing(lock=_LOCK, shared=True) as connection:
            # Inside the transaction: an erasure changes the keyring first and waits for this one.
            self._keyring.refresh()
            place = self._place(subject)
            key = self._data_key(connection, place) or self._new_data_key(connection, place)
            name = self._record(place, record)
            row = {
                "subject": place.subject,
                "record": name,
                "generation": place.generation,
                "name": seal(key, record.encode(), self._bound(place, name, "name")),
                "content": seal(key, plaintext, self._bound(place, name, "content")),
            }
            table = self._tables["records"]
            new = self._store.insert(table).values(row)
            connection.execute(new.on_conflict_do_update(index_elements=["subject", "record"], set_=row))

    def get(self, subject: str, record: str) -> bytes:
        """A record's content.

        Raises:
            NotInVault: there is none of this name, or the subject was erased.
            IntegrityError: it was changed, or put under another name or subject.
        """
        from sqlalchemy import select

        rows = self._tables["records"]

        def read(connection: Connection) -> bytes:
            place = self._place(subject)
            name = self._record(place, record)
            wanted = select(rows.c.content).where(_of(rows, place), rows.c.record == name)
            content = connection.scalar(wanted)
            if content is None:
                raise NotInVault("no such record in the vault")
            return self._opened(
                self._data_key(connection, place), bytes(content), self._bound(place, name, "content")
            )

        return self._read(read)

    def records(self, subject: str) -> tuple[str, ...]:
        """Names of the records of a subject, in alphabetical order; none where it is unknown or erased."""
        from sqlalchemy import select

        rows = self._tables["records"]

        def read(connection: Connection) -> tuple[str, ...]:
            place = self._place(subject)
            found = connection.execute(select(rows.c.record, rows.c.name).where(_of(rows, place))).all()
            key = self._data_key(connection, place)
            names = (self._opened(key, bytes(name), self._bound(place, row, "name")) for row, name in found)
            return tuple(sorted(name.decode() for name in names))

        return self._read(read)

    def _read(self, read: Callable[[Connection], T]) -> T:
        """Read; once more where a rotation ended between looking at the keyring and at the store."""
        while True:
            self._keyring.refresh()
            versions = self._keyring.versions
            try:
                with self._store.reading() as connection:
                    return read(connection)
            except IntegrityError:
                self._keyring.refresh()
                if self._keyring.versions == versions:
                    raise

    def delete(self, subject: str, record: str) -> bool:
        """Remove one record; says whether there was one. Its key stays: `erase` is what destroys."""
        rows = self._tables["records"]
        with self._store.writing(lock=_LOCK, shared=True) as connection:
            self._keyring.refresh()
            place = self._place(subject)
            one = rows.c.record == self._record(place, record)
            return bool(connection.execute(rows.delete().where(_of(rows, place), one)).rowcount)

    def file_key(self, subject: str, *, make: bool = False) -> FileKey | None:
        """A subject's key for what is kept of them in files; an erasure destroys it with everything else.

        Args:
            subject: whose.
            make: make one where there is none.

        Returns:
            None where there is none: the subject is not known, or was erased.
        """

        def read(connection: Connection) -> FileKey | None:
            place = self._place(subject)
            key = self._data_key(connection, place)
            if key is None and make:
                key = self._new_data_key(connection, place)
            return None if key is None else FileKey(generation=place.generation, key=_for_files(key))

        if not make:
            return self._read(read)
        with self._store.writing(lock=_LOCK, shared=True) as connection:
            self._keyring.refresh()
            return read(connection)

    def holdings(self) -> Holdings:
        """How much there is."""
        from sqlalchemy import func, select

        self._keyring.refresh()
        keys, rows = self._tables["subjects"], self._tables["records"]
        with self._store.reading() as connection:

            def count(table: Table, *where: Any) -> int:
                return connection.scalar(select(func.count()).select_from(table).where(*where)) or 0

            outdated = keys.c.version != self._keyring.version
            return Holdings(subjects=count(keys), records=count(rows), outdated=count(keys, outdated))

    # ------------------------------------------------------------------ erasure and rotation

    def erase(self, subject: str) -> Erased:
        """Destroy the key of a subject for good, then its rows; whoever repeats it finishes it."""
        digest = self._keyring.digest("subject", subject)
        # The key first: whatever happens after, nobody reads this subject again.
        self._keyring.erase(digest)
        with self._store.writing(lock=_LOCK) as connection:
            return Erased(records=self._forget(connection, digest))

    def _forget(self, connection: Connection, subject: str) -> int:
        """Remove the rows that an erasure made unreadable; how many records there were."""
        erased = self._keyring.generation(subject)
        gone = [
            connection.execute(t.delete().where(t.c.subject == subject, t.c.generation < erased)).rowcount
            for t in (self._tables["subjects"], self._tables["records"])
        ]
        return gone[1]

    def _forget_again(self) -> None:
        """Remove who was erased from a store that was restored from before the erasure."""
        from sqlalchemy import select

        keys = self._tables["subjects"]
        erased = self._keyring.erased
        with self._store.writing(lock=_LOCK) as connection:
            for start in range(0, len(erased), BATCH):
                some = erased[start : start + BATCH]
                for subject in connection.scalars(
                    select(keys.c.subject).where(keys.c.subject.in_(some))
                ).all():
                    self._forget(connection, subject)

    def rotate(self, new: KeySource, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Re-wrap every data key under a new tree, locked by a new key; then retire the old ones.

        May be killed at any moment: until the end both keys open everything, and the same call goes on
        where it was. Backups of the store from before are unreadable afterwards.

        Args:
            new: the key source from now on.
            progress: called with (data keys done, all) after each batch.

        Returns:
            How many data keys were re-wrapped by this call.

        Raises:
            EnvironmentLacks: the new key is the one in use, or another rotation is under way.
            IntegrityError: a data key cannot be opened; nothing is retired.
        """
        self._keyring.begin_rotation(new)
        waiting = self.holdings().outdated
        done = 0
        while moved := self._rewrap():
            done += moved
            if progress is not None:
                progress(done, max(waiting, done))
        # Nobody writes now: what was begun under the old version has been kept, and was re-wrapped.
        with self._store.writing(lock=_LOCK) as connection:
            if self._outdated(connection, 1):
                raise IntegrityError("data keys of an old version appeared during the rotation")
            self._keyring.finish_rotation(new)
        return done

    def _rewrap(self) -> int:
        """One batch; how many there were."""
        from sqlalchemy import bindparam

        keys = self._tables["subjects"]
        with self._store.writing(lock=_LOCK) as connection:
            self._keyring.refresh()
            version = self._keyring.version
            moved, gone = [], 0
            for row in self._outdated(connection, BATCH):
                old = _Place(subject=row.subject, generation=row.generation)
                if old.generation < self._keyring.generation(old.subject):
                    # Erased by somebody who waits for this transaction to remove the rows.
                    self._forget(connection, old.subject)
                    gone += 1
                else:
                    key = self._unwrapped(old, row.version, bytes(row.wrapped))
                    moved.append({"who": old.subject, "new": self._wrapped(old, version, key)})
            if moved:
                change = keys.update().where(keys.c.subject == bindparam("who"))
                connection.execute(change.values(version=version, wrapped=bindparam("new")), moved)
        return len(moved) + gone

    def _outdated(self, connection: Connection, most: int) -> Any:
        from sqlalchemy import select

        keys = self._tables["subjects"]
        wanted = select(keys).where(keys.c.version != self._keyring.version)
        return connection.execute(wanted.order_by(keys.c.subject).limit(most)).all()

    # ------------------------------------------------------------------ keys

    def _place(self, subject: str) -> _Place:
        digest = self._keyring.digest("subject", subject)
        return _Place(subject=digest, generation=self._keyring.generation(digest))

    def _record(self, place: _Place, record: str) -> str:
        return self._keyring.digest("record", place.subject, record)

    def _data_key(self, connection: Connection, place: _Place) -> bytes | None:
        """The data key of a subject's present generation; None where it has none."""
        from sqlalchemy import select

        keys = self._tables["subjects"]
        row = connection.execute(select(keys).where(_of(keys, place))).one_or_none()
        return self._unwrapped(place, row.version, bytes(row.wrapped)) if row else None

    def _new_data_key(self, connection: Connection, place: _Place) -> bytes:
        """Make a data key; where another process was faster, its key is the one."""
        keys = self._tables["subjects"]
        version = self._keyring.version
        row = {
            "subject": place.subject,
            "generation": place.generation,
            "version": version,
            "wrapped": self._wrapped(place, version, fresh_key()),
        }
        new = self._store.insert(keys).values(row)
        older = keys.c.generation < place.generation
        connection.execute(new.on_conflict_do_update(index_elements=["subject"], set_=row, where=older))
        key = self._data_key(connection, place)
        if key is None:
            raise IntegrityError("the store holds a later generation of a subject than the keyring")
        return key

    def _wrapped(self, place: _Place, version: int, key: bytes) -> bytes:
        with_key = self._keyring.subject_key(place.subject, generation=place.generation, version=version)
        return seal(with_key, key, self._bound(place, version, "data key"))

    def _unwrapped(self, place: _Place, version: int, wrapped: bytes) -> bytes:
        with_key = self._keyring.subject_key(place.subject, generation=place.generation, version=version)
        return unseal(
            with_key,
            wrapped,
            self._bound(place, version, "data key"),
            what="the wrapped key of a subject was changed",
            mend="Restore a backup of the store.",
        )

    def _opened(self, key: bytes | None, sealed: bytes, bound: bytes) -> bytes:
        what = "a record of the vault was changed, or moved from where it was put"
        if key is None:
            raise IntegrityError(what)
        return unseal(key, sealed, bound, what=what, mend="Restore a backup of the store.")

    def _bound(self, place: _Place, *what: str | int) -> bytes:
        return frame("sazon vault", self._keyring.tenant, place.subject, place.generation, *what)

    def _belongs(self) -> None:
        """Refuse a store that another keyring wrote: a lost keyring is not silently replaced."""
        from sqlalchemy import select

        owner = _metadata().tables["vault_owner"]
        mine = self._keyring.digest("owner")
        with self._store.writing() as connection:
            connection.execute(self._store.insert(owner).values(id=1, keyring=mine).on_conflict_do_nothing())
            theirs = connection.scalar(select(owner.c.keyring))
        if theirs != mine:
            raise IntegrityError(
                "this store was written under another keyring",
                where=self._store.where,
                mend="Put that keys.json back. Nothing was read or written.",
            )


def _for_files(key: bytes) -> bytes:
    """A key of its own, so that nothing sealed in a file ever opens a record of the vault."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"sazon files").derive(key)


def _of(table: Table, place: _Place) -> Any:
    """Rows of a subject in its present generation."""
    from sqlalchemy import and_

    return and_(table.c.subject == place.subject, table.c.generation == place.generation)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Whose: a subject's digest, and how often it was erased before."""

    subject: str
    generation: int


@cache
def _metadata() -> MetaData:
    from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

    tables = MetaData()
    Table("vault_owner", tables, Column("id", Integer, primary_key=True), Column("keyring", String(64)))
    keys = Table(
        "vault_subjects",
        tables,
        Column("subject", String(64), primary_key=True),
        Column("generation", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
    )
    Index("vault_subjects_version", keys.c.version)
    Table(
        "vault_records",
        tables,
        Column("subject", String(64), primary_key=True),
        Column("record", String(64), primary_key=True),
        Column("generation", Integer, nullable=False),
        Column("name", LargeBinary, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )
    return tables


def _tables() -> dict[str, Table]:
    tables = _metadata().tables
    return {"subjects": tables["vault_subjects"], "records": tables["vault_records"]}
