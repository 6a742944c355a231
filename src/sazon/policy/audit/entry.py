"""What is recorded: small words and digests, each under a commitment of its own.

An entry is a set of named fields. Each is hidden in a salted commitment, so that one can be shown to a
third party while the others stay closed; the names are not hidden, so that it can also be shown that an
entry has no such field. Formats, byte by byte, stand in `docs/audit.md`.

Values of a request never belong here: fields are names, kinds, counts, digests and pseudonyms.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sazon.core.errors import DataError, IntegrityError
from sazon.policy.audit import merkle

Value = str | int | bool | None | Sequence[str] | Mapping[str, int]
"""A word, a whole number, yes or no, nothing, words, or counts by word."""
EVENTS = (
    "ruling", "sent", "answered", "stopped", "failed", "cut",
    "consent", "withdrawn", "terminated", "invalidated", "erased", "keys", "clock",
)  # fmt: skip
"""Events that sazon records."""
SEED_BYTES, SALT_BYTES = 32, 16
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_HALF = re.compile(r"[\ud800-\udfff]")
_LONGEST = 256
_MOST = 64
_EXACT = 2**53 - 1
"""The largest whole number that every JSON reader keeps (RFC 8785)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of the log."""

    index: int
    fields: Mapping[str, Value]
    seed: bytes
    """Where the salts come from; whoever knows it can open every field."""

    def texts(self) -> dict[str, str]:
        """The canonical text of every field, sorted by name."""
        return {name: canonical(self.fields[name]) for name in sorted(self.fields)}

    def commitments(self, texts: Mapping[str, str] | None = None) -> dict[str, bytes]:
        """The commitment of every field, sorted by name; `texts` where they are already at hand."""
        pairs = (self.texts() if texts is None else texts).items()
        return {name: commitment(salt_of(self.seed, name), name, text) for name, text in pairs}

    def leaf(self, texts: Mapping[str, str] | None = None) -> bytes:
        """Hash of the entry in the tree."""
        return leaf_of(self.commitments(texts))

    def opening(self, names: Collection[str]) -> dict[str, Any]:
        """The entry for somebody else: these fields with value and salt, the others closed.

        Args:
            names: fields to open; a field that the entry lacks is left out.
        """
        closed = self.commitments()
        return {
            name: {"salt": salt_of(self.seed, name).hex(), "value": self.fields[name]}
            if name in names
            else closed[name].hex()
            for name in sorted(self.fields)
        }


def checked(fields: Mapping[str, Value]) -> dict[str, Value]:
    """Fields as given by a caller, refused where they are not small words, numbers and digests.

    Raises:
        DataError: names the field, never its value.
    """
    if "at" in fields or not isinstance(fields.get("event"), str):
        raise DataError("an entry needs an event, and its time is set by the log", where="audit")
    for name, value in fields.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise DataError("the name of a field is not a small word", where="audit")
        if not _small(value):
            raise DataError(
                "only words, whole numbers, lists of words and counts can be recorded",
                where=f"audit: {name}",
                mend="Record a digest or a kind instead.",
            )
    if len(fields) > _MOST:
        raise DataError(f"an entry holds at most {_MOST} fields", where="audit")
    return dict(fields)


def _small(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -_EXACT <= value <= _EXACT
    if isinstance(value, str):
        # Half a surrogate pair has no UTF-8 and is read differently by different JSON readers.
        return len(value) <= _LONGEST and (value.isascii() or not _HALF.search(value))
    if isinstance(value, Mapping):
        keys = all(isinstance(key, str) and _KEY.fullmatch(key) for key in value)
        counts = all(type(count) is int and _small(count) for count in value.values())
        return len(value) <= _MOST and keys and counts
    if isinstance(value, (list, tuple)):
        return len(value) <= _MOST and all(isinstance(word, str) and _small(word) for word in value)
    return False


def canonical(value: Any) -> str:
    """The one way of writing a value: JSON, keys sorted, no spaces, ASCII only.

    Whatever is not ASCII is escaped, so no control character, line separator or change of writing
    direction can end an entry or imitate another. For the values that `checked` lets through, which
    have no floats, it is RFC 8785 but for those escapes.
    """
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def joined(texts: Mapping[str, str]) -> str:
    """The canonical text of a whole entry, from those of its fields, sorted by name."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def new_seed() -> bytes:
    """Fresh randomness for the salts of one entry."""
    return secrets.token_bytes(SEED_BYTES)


def salt_of(seed: bytes, name: str) -> bytes:
    """Salt of a field: keyed BLAKE2b of its name, 16 bytes; one salt tells nothing of the others."""
    return hashlib.blake2b(_framed(name)[4:], key=seed, digest_size=SALT_BYTES).digest()


def commitment(salt: bytes, name: str, text: str) -> bytes:
    """SHA-256(salt ‖ length of the name in 4 bytes ‖ name ‖ canonical value)."""
    return hashlib.sha256(salt + _framed(name) + text.encode()).digest()


def leaf_of(commitments: Mapping[str, bytes]) -> bytes:
    """Hash of an entry in the tree, from the commitments of its fields, sorted by name."""
    return merkle.leaf_hash(b"".join(_framed(name) + commitments[name] for name in sorted(commitments)))


@lru_cache(maxsize=256)
def _framed(name: str) -> bytes:
    """A name behind its length in 4 bytes; there are few, and every entry has most of them."""
    raw = name.encode()
    return len(raw).to_bytes(4, "big") + raw


def read_opening(opening: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The leaf hash of an entry as `Entry.opening` shows it, and the fields that are open.

    Raises:
        IntegrityError: it is not an opening.
    """
    closed: dict[str, bytes] = {}
    opened: dict[str, Any] = {}
    try:
        for name, shown in opening.items():
            if isinstance(shown, str):
                closed[name] = bytes.fromhex(shown)
            else:
                salt = bytes.fromhex(shown["salt"])
                if len(salt) != SALT_BYTES:
                    raise ValueError
                closed[name] = commitment(salt, name, canonical(shown["value"]))
                opened[name] = shown["value"]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError("an entry is not in the form of an opening") from None
    if not closed or any(len(found) != merkle.HASH_BYTES for found in closed.values()):
        raise IntegrityError("an entry is not in the form of an opening")
    return leaf_of(closed), opened


def moment(seconds: float) -> str:
    """A time as it is recorded: UTC, microseconds, always of the same length, so that text sorts.

    Args:
        seconds: since 1970.
    """
    return moment_of(datetime.fromtimestamp(seconds, UTC))


def moment_of(time: datetime) -> str:
    """The same for a datetime, which must say its zone.

    Raises:
        DataError: it does not.
    """
    if time.tzinfo is None:
        raise DataError("the time has no zone", mend="Write 2026-11-03T12:00:00+01:00 or …Z.")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def visible(text: str) -> str:
    """Text for a terminal: every character that is not printable is shown as an escape."""
    return "".join(letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}" for letter in text)
