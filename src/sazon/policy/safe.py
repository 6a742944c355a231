"""The safe: seals what is kept of people in files, each under the keys of those whose it is.

    with held(Safe(locks.vault, locks.keyring)):
        line = safe.seal(["ana"], b"…", "recording", key)       base64, for a line of a file
        safe.open(line, "recording", key)                       b"…", or None once Ana was erased

A value is `frame(whose, content)`: *whose* is sealed under the organisation's own key and names the
people; *content* under a key made of the keys of all of them, so that erasing any one of them destroys
it, wherever copies of the file lie. Both are bound to their place (AES-256-GCM, associated data).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sazon.core import digest
from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.sealing import KEY_BYTES, frame, from_text, seal, to_text, unframe, unseal
from sazon.policy.vault import FileKey, Vault

_CHANGED = "a sealed line was changed, or moved from where it was written"
_ASK_AGAIN = "Restore the file from a backup, or remove it and record again."


class Safe:
    """Seals and opens for one organisation; keeps the keys it has used in memory while it lives."""

    def __init__(self, vault: Vault, keyring: Keyring) -> None:
        """Use the vault and the keyring of one set of locks."""
        self._vault = vault
        self._keyring = keyring
        self._keys: dict[str, FileKey] = {}

    @property
    def id(self) -> str:
        """Which keyring it is of, 16 hexadecimal digits that anybody may know: of its public audit key."""
        return digest.of_bytes(self._keyring.public("audit"))[:16]

    @property
    def tenant(self) -> str:
        """Whose keys these are."""
        return self._keyring.tenant

    def name(self, *parts: str) -> str:
        """A keyed digest, 64 hexadecimal digits: without the keys not even a short text is guessed by it."""
        return self._keyring.digest("file", *parts)

    def seal(self, people: Iterable[str], content: bytes, *place: str) -> str:
        """Seal a value as base64.

        Args:
            people: subjects whose it is; nobody: it is the organisation's own.
            content: what to seal.
            place: where it stands; nothing opens it elsewhere.
        """
        held = {one: self._key(one, make=True) for one in sorted({*people} or {self.tenant})}
        keys = {one: key for one, key in held.items() if key is not None}
        own = self._own(make=True)
        told = frame(*(part for one, key in keys.items() for part in (one, key.generation)))
        whose = seal(own, told, frame("whose", *place))
        return to_text(frame(whose, seal(_together(keys.values()), content, frame("content", *place))))

    def open(self, sealed: str, *place: str) -> bytes | None:
        """What was sealed; None where one of the people it is of was erased since.

        Raises:
            IntegrityError: it was changed, or sealed for another place or under other keys.
        """
        raw = from_text(sealed) or b""
        parts = unframe(raw)
        if len(parts) != 2 or frame(*parts) != raw:
            raise IntegrityError(_CHANGED, mend=_ASK_AGAIN)
        whose, content = parts
        told = unframe(unseal(self._own(), whose, frame("whose", *place), what=_CHANGED, mend=_ASK_AGAIN))
        keys = []
        for one, generation in zip(told[::2], told[1::2], strict=True):
            key = self._key(one.decode("utf-8", "surrogatepass"))
            if key is None or key.generation != int(generation):
                return None
            keys.append(key)
        return unseal(_together(keys), content, frame("content", *place), what=_CHANGED, mend=_ASK_AGAIN)

    def _own(self, *, make: bool = False) -> bytes:
        key = self._key(self.tenant, make=make)
        if key is None:
            raise IntegrityError("the vault holds no key of the organisation", mend="Restore its store.")
        return key.key

    def _key(self, subject: str, *, make: bool = False) -> FileKey | None:
        if (found := self._keys.get(subject)) is None:
            found = self._vault.file_key(subject, make=make)
            if found is not None:
                self._keys[subject] = found
        return found

    def __repr__(self) -> str:
        """Whose; never a key."""
        return f"Safe({self.id}, tenant={self.tenant!r})"


def _together(keys: Iterable[FileKey]) -> bytes:
    """One key that takes all of these."""
    joined = b"".join(key.key for key in keys)
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"sazon safe").derive(joined)


_HELD: ContextVar[Safe | None] = ContextVar("safe", default=None)


@contextlib.contextmanager
def held(safe: Safe) -> Iterator[Safe]:
    """Let whatever reads or writes files in this block use a safe: predictors are loaded from folders."""
    before = _HELD.set(safe)
    try:
        yield safe
    finally:
        _HELD.reset(before)


def in_hand() -> Safe | None:
    """The safe of the block we are in; None where no keys were opened."""
    return _HELD.get()


def expected(under: str, *, what: str, where: str) -> Safe:
    """The safe in hand, once it is sure that it is the one a file was sealed with.

    Args:
        under: id of the safe that the file names.
        what: the file, and that it is: `this recording is`.
        where: its path.

    Raises:
        EnvironmentLacks: there are no keys here.
        IntegrityError: there are others.
    """
    keys = in_hand()
    if keys is None:
        raise EnvironmentLacks(
            f"{what} sealed under the keyring {under}, and there are no keys here",
            where=where,
            mend="Put that keyring and its key back (policy.folder and policy.key of the recipe).",
        )
    if under != keys.id:
        raise IntegrityError(
            f"{what} sealed under the keyring {under}; the keys here are of {keys.id}",
            where=where,
            mend="Put that keyring and its key back, or make it anew elsewhere.",
        )
    return keys
