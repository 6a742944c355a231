"""What is signed: the size and root of the log at a time, as a note that a person can read.

    sazon/audit/5f3c9a…         which log
    1284                        how many entries
    qvZ5…=                      root, base64
    time 2026-11-03T09:14:02.501220Z

    — sazon/audit/5f3c9a… wzJ…= signature, Ed25519 over everything above the blank line

The form is that of signed notes and checkpoints of transparency logs (C2SP signed-note, tlog-checkpoint),
so existing witnesses can read and countersign it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.audit import merkle

_SIGNED_BY = "\N{EM DASH} "
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
"""Times are written so: UTC, always of the same length, so that text sorts."""
_ED25519 = b"\x01"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The log at one moment, signed by its keeper."""

    origin: str
    """Which log; drawn at random when it began."""
    size: int
    root: bytes
    time: str
    """UTC; entries appended later carry this time or a later one."""
    key_id: bytes
    """First four bytes of a digest of the key, to find it by."""
    signature: bytes

    @property
    def body(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.time}\n"

    @property
    def text(self) -> str:
        """The whole note."""
        signed = base64.b64encode(self.key_id + self.signature).decode()
        return f"{self.body}\n{_SIGNED_BY}{self.origin} {signed}\n"

    def check(self, public: bytes) -> Checkpoint:
        """Return itself when the signature is by this key.

        Args:
            public: Ed25519, 32 bytes.

        Raises:
            IntegrityError: it is not.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self.signature, self.body.encode())
        except (InvalidSignature, ValueError):
            raise IntegrityError("the checkpoint is not signed by this key", where=self.origin) from None
        if self.key_id != key_id(self.origin, public):
            raise IntegrityError("the checkpoint names another key", where=self.origin)
        return self


def signed(
    *, origin: str, size: int, root: bytes, time: str, sign: Callable[[bytes], bytes], public: bytes
) -> Checkpoint:
    """Sign the state of a log."""
    identity = key_id(origin, public)
    unsigned = Checkpoint(origin=origin, size=size, root=root, time=time, key_id=identity, signature=b"")
    return Checkpoint(
        origin=origin,
        size=size,
        root=root,
        time=time,
        key_id=identity,
        signature=sign(unsigned.body.encode()),
    )


def key_id(origin: str, public: bytes) -> bytes:
    """SHA-256(name ‖ newline ‖ 0x01 ‖ key), four bytes (C2SP signed-note)."""
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]


def parse(text: str) -> Checkpoint:
    """Read one note, strictly: only what `Checkpoint.text` writes is read.

    Raises:
        IntegrityError: it is not one.
    """
    try:
        origin, size, root, time, empty, by = text.removesuffix("\n").split("\n")
        label, _, moment = time.partition(" ")
        name, _, blob = by.removeprefix(_SIGNED_BY).partition(" ")
        if label != "time" or not TIME.fullmatch(moment) or empty or name != origin:
            raise ValueError
        raw = base64.b64decode(blob, validate=True)
        note = Checkpoint(
            origin=origin,
            size=int(size),
            root=base64.b64decode(root, validate=True),
            time=moment,
            key_id=raw[:4],
            signature=raw[4:],
        )
    except (ValueError, binascii.Error):
        raise IntegrityError("this is not a checkpoint") from None
    if note.text != text or len(note.root) != merkle.HASH_BYTES or not 0 <= note.size <= merkle.LARGEST:
        raise IntegrityError("this is not a checkpoint")
    return note


def read(path: Path) -> tuple[Checkpoint, ...]:
    """All checkpoints of a file, in their order.

    Raises:
        EnvironmentLacks: the file cannot be read.
        IntegrityError: something in it is not a checkpoint.
    """
    lines, notes = text_of(path).split("\n"), []
    if lines.pop():
        raise IntegrityError("the last checkpoint is cut off", where=str(path))
    for begin in range(0, len(lines), 6):
        try:
            notes.append(parse("\n".join(lines[begin : begin + 6]) + "\n"))
        except IntegrityError as error:
            raise IntegrityError(error.what, where=f"{path}:{begin + 1}") from None
    return tuple(notes)


def text_of(path: Path) -> str:
    """Text of a file, line ends as they are.

    Raises:
        EnvironmentLacks: the file cannot be read.
        IntegrityError: it is not text.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise EnvironmentLacks(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise IntegrityError("this is not text", where=str(path)) from None


def add(path: Path, note: Checkpoint) -> None:
    """Append a checkpoint to a file, on disk when this returns.

    Raises:
        EnvironmentLacks: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(note.text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EnvironmentLacks(f"cannot be written: {error.strerror}", where=str(path)) from None


def forked(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two genuine checkpoints prove two histories: same log, same size, different roots."""
    return one.origin == other.origin and one.size == other.size and one.root != other.root
