"""The register of consents: a file of signed lines that only grows, and that cannot be edited unnoticed.

Each line holds one event (a consent given, or its end), its number, the digest of the line before it,
and this organisation's signature over all of that. A changed, removed, added or reordered line breaks
the chain. Cutting lines off the end would bring withdrawn consents back, so the store remembers how far
the register had come: an older copy of the file is refused.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from sazon.core import digest
from sazon.core.dataset import DataClass
from sazon.core.errors import DataError, EnvironmentLacks, IntegrityError, SazonError
from sazon.core.store import Store
from sazon.policy.config import Basis, Purpose
from sazon.policy.consent import ENDINGS, Consents, Ending, Record, moment, written

if TYPE_CHECKING:
    from sqlalchemy import Table

ROLE: Literal["consent"] = "consent"
START = "0" * 64
"""What stands before the first line."""
_LONGEST_LINE = 20_000


class Signer(Protocol):
    """Signs in a role of the organisation; a keyring does."""

    def sign(self, role: Literal["consent"], message: bytes) -> bytes:
        """An Ed25519 signature."""
        ...

    def verify(self, role: Literal["consent"], message: bytes, signature: bytes) -> None:
        """Say nothing where the signature is this organisation's in that role; IntegrityError otherwise."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """One event and its place in the chain."""

    number: int
    previous: str
    event: Mapping[str, Any]
    signature: bytes

    @property
    def text(self) -> str:
        held = {
            "event": self.event,
            "number": self.number,
            "previous": self.previous,
            "signature": base64.b64encode(self.signature).decode(),
        }
        return json.dumps(held, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        return digest.of_text(self.text)


def signed_bytes(tenant: str, number: int, previous: str, event: Mapping[str, Any]) -> bytes:
    """The bytes under a line's signature."""
    return digest.of_text("sazon consent", tenant, str(number), previous, digest.of_json(event)).encode()


@dataclass
class _State:
    """What has been read of the file so far."""

    lines: int = 0
    last: str = START
    offset: int = 0
    stamp: tuple[int, int, int] = (-1, -1, -1)
    digests: list[str] | None = None


class Register:
    """The signed file of one organisation; `current` reads what is new in it and nothing twice."""

    def __init__(self, path: Path, *, tenant: str, signer: Signer, store: Store) -> None:
        """Open the register at `path`, which need not exist yet."""
        self.path = path
        self.tenant = tenant
        self._signer = signer
        self._store = store
        self._heads = _heads()
        store.create(self._heads.metadata)
        self._records: dict[str, Record] = {}
        self._state = _State(digests=[])
        self._consents = Consents()
        # Requests are ruled on in several threads at once, and each looks here.
        self._lock = threading.RLock()

    def current(self) -> Consents:
        """The consents as the file has them now.

        Raises:
            IntegrityError: the file was edited, cut, or is an older copy.
            EnvironmentLacks: it cannot be read.
        """
        with self._lock:
            stamp = self._stamp()
            if stamp == self._state.stamp:
                return self._consents
            self._read(stamp)
            self._check_head()
            self._consents = Consents.of(self._records.values(), digest=self._state.last)
            return self._consents

    def give(self, records: Iterable[Record]) -> tuple[Record, ...]:
        """Add consents, all or none.

        Raises:
            DataError: an id stands in the register already.
            SazonError: the register cannot be trusted or written.
        """
        given = tuple(records)
        known = self.current().records
        if len({r.id for r in given} | set(known)) < len(given) + len(known):
            raise DataError("a consent with this id is in the register already", where=str(self.path))
        self._append([{"type": "given", "record": json_of(record)} for record in given])
        return given

    def end(self, id_: str, *, how: Ending, at: float) -> Record:
        """End a consent; ending it twice changes nothing.

        Raises:
            DataError: no such consent.
            SazonError: the register cannot be trusted or written.
        """
        record = self.current().records.get(id_)
        if record is None:
            raise DataError(f"no consent {id_!r} in the register", where=str(self.path))
        if record.ended is not None:
            return record
        self._append([{"type": how, "id": id_, "at": written(at)}])
        return self.current().records[id_]

    def lines_of(self, id_: str) -> tuple[str, ...]:
        """The signed lines about one consent, for its receipt."""
        self.current()
        found = []
        for text in self.path.read_text("utf-8").splitlines():
            event = json.loads(text)["event"]
            if id_ in (event.get("id"), event.get("record", {}).get("id")):
                found.append(text)
        return tuple(found)

    # ------------------------------------------------------------------- reading

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0, 0, 0)
        except OSError as error:
            raise EnvironmentLacks(
                f"the register of consents cannot be read: {error.strerror}", where=str(self.path)
            ) from None
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def _read(self, stamp: tuple[int, int, int]) -> None:
        """Read lines not seen yet; from the start where the file is another or shorter one."""
        if stamp[0] != self._state.stamp[0] or stamp[1] <= self._state.offset:
            self._records, self._state = {}, _State(digests=[])
        content = b""
        if stamp != (0, 0, 0):
            try:
                with self.path.open("rb") as file:
                    file.seek(self._state.offset)
                    content = file.read()
            except OSError as error:
                raise EnvironmentLacks(
                    f"the register of consents cannot be read: {error.strerror}", where=str(self.path)
                ) from None
        state = self._state
        # Whatever goes wrong from here on, the next look begins anew.
        self._state = _State(digests=[])
        for raw in content.splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                break  # torn by a crash before it was acknowledged; the next writer cuts it off
            self._take(state, raw[:-1])
            state.offset += len(raw)
        state.stamp = stamp
        self._state = state

    def _take(self, state: _State, raw: bytes) -> None:
        """Check one line and carry out its event."""
        number = state.lines + 1
        try:
            if len(raw) > _LONGEST_LINE:
                raise ValueError
            held = json.loads(raw)
            line = _Line(
                number=held["number"],
                previous=held["previous"],
                event=held["event"],
                signature=base64.b64decode(held["signature"], validate=True),
            )
            same = line.text.encode() == raw
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise self._broken(number, "it is not a line that sazon wrote") from None
        if not same or line.number != number or line.previous != state.last:
            raise self._broken(number, "it does not follow the line before it")
        signed = signed_bytes(self.tenant, number, line.previous, line.event)
        try:
            self._signer.verify(ROLE, signed, line.signature)
        except IntegrityError:
            raise self._broken(number, "its signature is not this organisation's") from None
        try:
            self._carry_out(line.event)
        except (LookupError, ValueError, TypeError, AttributeError, SazonError):
            raise self._broken(number, "its event makes no sense") from None
        state.lines, state.last = number, line.digest
        assert state.digests is not None  # noqa: S101 - set wherever a state is made
        state.digests.append(line.digest)

    def _carry_out(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "given":
            record = record_of(event["record"])
            if record.id in self._records:
                raise ValueError("given twice")
            self._records[record.id] = record
        elif event["type"] in ENDINGS:
            record = self._records[event["id"]]
            at = moment(event["at"], where=record.id)
            self._records[record.id] = replace(record, ended=event["type"], ended_at=at)
        else:
            raise ValueError("unknown event")

    def _check_head(self) -> None:
        """Refuse a register shorter than, or other than, what the store remembers."""
        from sqlalchemy import select

        table, state = self._heads, self._state
        with self._store.reading() as connection:
            head = connection.execute(
                select(table.c.lines, table.c.digest).where(table.c.tenant == self.tenant)
            ).first()
        digests = state.digests or []
        if head is not None and head.lines and digests[head.lines - 1 : head.lines] != [head.digest]:
            self._state = _State(digests=[])
            raise self._broken(
                head.lines, "the register had come further than this, so the file is an older copy"
            )

    def _broken(self, line: int, what: str) -> IntegrityError:
        return IntegrityError(
            f"the register of consents cannot be trusted: {what}",
            where=f"{self.path}:{line}",
            mend="Restore the file; until then nothing leaves.",
        )

    # ------------------------------------------------------------------- writing

    def _append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Add lines, on disk before the store remembers them."""
        with self._store.writing(lock="consents") as connection:
            self.current()
            number, previous, lines = self._state.lines, self._state.last, []
            for event in events:
                number += 1
                signature = self._signer.sign(ROLE, signed_bytes(self.tenant, number, previous, event))
                line = _Line(number=number, previous=previous, event=event, signature=signature)
                lines.append(line.text)
                previous = line.digest
            self._write("".join(f"{line}\n" for line in lines).encode())
            self._remember(connection, number, previous)

    def _write(self, content: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.truncate(self._state.offset)
                file.seek(self._state.offset)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise EnvironmentLacks(
                f"the register of consents cannot be written: {error.strerror}", where=str(self.path)
            ) from None

    def _remember(self, connection: Any, lines: int, last: str) -> None:
        table = self._heads
        where = table.c.tenant == self.tenant
        if connection.execute(table.update().where(where).values(lines=lines, digest=last)).rowcount == 0:
            connection.execute(table.insert().values(tenant=self.tenant, lines=lines, digest=last))


def _heads() -> Table:
    """Where the store remembers how far each organisation's register has come."""
    from sqlalchemy import Column, Integer, MetaData, String, Table

    return Table(
        "consent_heads",
        MetaData(),
        Column("tenant", String(80), primary_key=True),
        Column("lines", Integer, nullable=False),
        Column("digest", String(64), nullable=False),
    )


def new_id() -> str:
    """An id that says nothing."""
    return secrets.token_hex(8)


def json_of(record: Record) -> dict[str, Any]:
    """A record as the register and imported files hold it; its end stands in a line of its own."""
    return {
        "id": record.id,
        "subject": record.subject,
        "purpose": record.purpose,
        "recipient": record.recipient,
        "classes": sorted(record.classes),
        "basis": record.basis,
        "notice": record.notice,
        "given": written(record.given_at),
        "expires": written(record.expires_at),
    }


_FIELDS = {
    "id", "subject", "purpose", "recipient", "classes", "basis", "notice", "given", "expires",
}  # fmt: skip


def record_of(held: Mapping[str, Any]) -> Record:
    """Read a record strictly.

    Raises:
        DataError: a field is missing, unknown, or not what it should be.
    """
    unknown = set(held) - _FIELDS
    lacking = {"id", "subject", "purpose", "classes", "basis", "notice", "given", "expires"} - set(held)
    where = f"consent {held.get('id', '')}"
    if unknown or lacking:
        named = ", ".join(sorted(map(str, unknown or lacking)))
        raise DataError(f"{'unknown' if unknown else 'missing'} field {named}", where=where)
    if held["purpose"] not in get_args(Purpose) or held["basis"] not in get_args(Basis):
        raise DataError(
            "unknown purpose or basis",
            where=where,
            mend=f"Purposes: {', '.join(get_args(Purpose))}. Bases: {', '.join(get_args(Basis))}.",
        )
    if not isinstance(held["classes"], list):
        raise DataError("classes is a list", where=where, mend='Write ["personal"].')
    try:
        classes = frozenset(DataClass(name) for name in held["classes"])
    except (ValueError, TypeError):
        raise DataError(
            "unknown class of data", where=where, mend=f"Classes: {', '.join(DataClass)}."
        ) from None
    if not all(isinstance(held.get(f, ""), str) for f in ("id", "subject", "recipient", "notice")):
        raise DataError("a field that should be text is not", where=where)
    return Record(
        id=held["id"],
        subject=held["subject"],
        purpose=held["purpose"],
        recipient=held.get("recipient", ""),
        classes=classes,
        basis=held["basis"],
        notice=held["notice"],
        given_at=moment(held["given"], where=where),
        expires_at=moment(held["expires"], where=where),
    )
