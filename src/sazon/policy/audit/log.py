"""The audit log: appended to before anything is sent, signed at every commit, provable to others.

    log = AuditLog(store, sign=keyring_sign, public=key)
    log.append({"event": "ruling", "provider": "acme", "classes": ["personal"], "allow": False})
    log.anchor(Path("/media/elsewhere/anchors.txt"))      a checkpoint out of this machine's reach

Whoever can write to the store but not sign cannot change an entry unnoticed: every commit signs the
whole log so far. They could cut off its end by putting back an older signed state; that shows against a
checkpoint kept elsewhere. Whoever holds the signing key can write a second history; it shows against two
checkpoints. What nobody appended, no log can prove.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.store import Store
from sazon.policy.audit import checkpoint, entry, merkle, stored, verification
from sazon.policy.audit.checkpoint import Checkpoint
from sazon.policy.audit.entry import Entry, Value
from sazon.policy.audit.stored import Head
from sazon.policy.audit.together import Together
from sazon.policy.audit.verification import Verification

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK = "audit"


class AuditLog:
    """A log in a store; threads and processes may use it together."""

    def __init__(
        self,
        store: Store,
        *,
        sign: Callable[[bytes], bytes] | None,
        public: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the log, made where it is not there yet.

        Args:
            store: where it lies.
            sign: Ed25519 signature of a message, 64 bytes; None to read only.
            public: the key it signs with, 32 bytes.
            clock: seconds since 1970.
        """
        self._store, self._sign, self._clock = store, sign, clock
        self.public = public
        self._together = Together(self._write)
        store.create(stored.TABLES)

    # ------------------------------------------------------------------------- writing

    def append(self, fields: Mapping[str, Value]) -> int:
        """Record one entry; it is on disk and signed when this returns.

        Args:
            fields: `event` and whatever belongs to it; the time is added here.

        Returns:
            Its index.

        Raises:
            DataError: something that is no small word, number or digest.
            EnvironmentLacks: it could not be kept; whatever waits for it must not happen.
            IntegrityError: the log has been damaged.
        """
        return self.append_many([fields])[0]

    def append_many(self, many: Sequence[Mapping[str, Value]]) -> list[int]:
        """Record entries one after another, all or none; the same otherwise as `append`.

        Appends of several threads share a commit.
        """
        checked = [entry.checked(fields) for fields in many]
        if not checked:
            return []
        first = self._together.add(checked)
        return list(range(first, first + len(checked)))

    def _write(self, many: Sequence[dict[str, Value]]) -> int:
        """Append in one transaction; returns the index of the first."""
        with self._store.writing(lock=LOCK) as connection:
            head, reading = self._head(connection), entry.moment(self._clock())
            at = max(reading, head.note.time)
            first = head.edge.size
            if reading < head.reading:
                set_back: dict[str, Value] = {"event": "clock", "was": head.reading, "is": reading}
                many, first = [set_back, *many], first + 1
            entries = [
                Entry(index=index, fields=fields | {"at": at}, seed=entry.new_seed())
                for index, fields in enumerate(many, head.edge.size)
            ]
            stored.add(connection, entries, head.edge)
            self._sign_head(connection, head, at=at, reading=reading)
            return first

    def _head(self, connection: Connection) -> Head:
        """The head, or that of a log which begins."""
        found = stored.head(connection)
        if not (stored.empty(connection) if found is None else found.fits):
            raise IntegrityError("the head of the log contradicts its entries", where=self._store.where)
        if found is not None:
            return found
        origin = f"sazon/audit/{secrets.token_hex(8)}"
        begun = Checkpoint(
            origin=origin, size=0, root=merkle.EMPTY, time=entry.moment(0), key_id=b"", signature=b""
        )
        return Head(note=begun, edge=merkle.Edge(), reading=begun.time)

    def _sign_head(self, connection: Connection, head: Head, *, at: str, reading: str) -> Checkpoint:
        if self._sign is None:
            raise EnvironmentLacks("the log is open for reading only", where=self._store.where)
        note = checkpoint.signed(
            origin=head.note.origin,
            size=head.edge.size,
            root=head.edge.root(),
            time=at,
            sign=self._sign,
            public=self.public,
        )
        stored.set_head(connection, Head(note=note, edge=head.edge, reading=reading))
        return note

    def checkpoint(self) -> Checkpoint:
        """Sign the log as it stands now; no later entry will carry an earlier time.

        Raises:
            EnvironmentLacks: there is no signing key, or the store cannot be used.
        """
        with self._store.writing(lock=LOCK) as connection:
            head, reading = self._head(connection), entry.moment(self._clock())
            # A clock set back is recorded by the next append, which still sees the later reading.
            return self._sign_head(
                connection, head, at=max(reading, head.note.time), reading=max(reading, head.reading)
            )

    def anchor(self, path: Path) -> Checkpoint:
        """Append a checkpoint to a file, to be kept where whoever can change the log cannot reach.

        Raises:
            EnvironmentLacks: the file or the store cannot be used.
            IntegrityError: the log does not continue the last checkpoint of the file; nothing is added.
        """
        earlier = checkpoint.read(path) if path.exists() else ()
        note = self.checkpoint()
        for last in earlier[-1:]:
            with self._store.reading() as connection:
                problems = verification.against(connection, last, note=note, public=self.public)
            if problems:
                raise IntegrityError(problems[0].words("en"), where=str(path))
        checkpoint.add(path, note)
        return note

    # ------------------------------------------------------------------------- reading

    def latest(self) -> Checkpoint:
        """The checkpoint signed at the last commit.

        Raises:
            IntegrityError: nothing has been recorded, or it is not signed by this log's key.
        """
        with self._store.reading() as connection:
            found = stored.head(connection)
        if found is None:
            raise IntegrityError("the log is empty", where=self._store.where)
        return found.note.check(self.public)

    def verify(self, *anchors: Checkpoint) -> Verification:
        """Recompute everything: each entry, the tree, the signature, and each checkpoint kept elsewhere.

        Args:
            anchors: checkpoints that were exported earlier; without one a log cut off at an earlier
                commit looks whole.
        """
        with self._store.reading() as connection:
            return verification.verify(connection, public=self.public, anchors=anchors)

    def tail(self, count: int) -> list[Entry]:
        """The last entries, oldest first.

        Raises:
            IntegrityError: one is missing or damaged.
        """
        with self._store.reading() as connection:
            found = stored.head(connection)
            size = found.edge.size if found else 0
            return list(stored.entries(connection, max(0, size - count), size))

    def entries(self, begin: int, end: int) -> list[Entry]:
        """Entries from `begin` to `end` (excluded).

        Raises:
            IntegrityError: one is missing or damaged.
        """
        with self._store.reading() as connection:
            return list(stored.entries(connection, begin, end))

    def first_at(self, time: str, *, size: int) -> int:
        """Index of the first of `size` entries that carries this time or a later one, else `size`."""
        with self._store.reading() as connection:
            low, high = 0, size
            while low < high:
                middle = (low + high) // 2
                [found] = stored.entries(connection, middle, middle + 1)
                low, high = (middle + 1, high) if str(found.fields["at"]) < time else (low, middle)
        return low

    def prove(self, index: int, *, size: int | None = None) -> tuple[bytes, ...]:
        """Inclusion proof of an entry (RFC 9162).

        Args:
            index: of the entry.
            size: of the tree it is for; default: all entries.
        """
        with self._store.reading() as connection:
            found = stored.head(connection)
            size = size if size is not None else found.edge.size if found else 0
            return merkle.inclusion_proof(index, size, stored.reader(connection))

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """Proof that the log of size `new` continues the one of size `old` (RFC 9162)."""
        with self._store.reading() as connection:
            return merkle.consistency_proof(old, new, stored.reader(connection))

    def range_proof(self, begin: int, end: int, size: int) -> tuple[bytes, ...]:
        """Proof that the entries from `begin` to `end` (excluded) stand one after another."""
        with self._store.reading() as connection:
            return merkle.range_proof(begin, end, size, stored.reader(connection))
