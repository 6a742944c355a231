"""The keyring: every key of one tenant, in one small file that the key source locks.

`keys.json` holds in clear what anybody may know (tenant, public keys, which key locks it) and, sealed
under the keyring's own key, everything else: the Ed25519 signing keys by role, the key of subject
digests, the trees from which subjects' keys are made (`erasable.py`), and who was erased how often.
The own key is wrapped by the key source and, where asked, sealed to an offline recovery key. The file
is written aside, renamed, and flushed to disk; what stood there before is overwritten.

**What erasure rests on.** `erase` destroys a subject's key here, for good. A backup of the *store*
taken before cannot bring it back. An old copy of *this file*, together with the key source, could:
keep one copy of it, elsewhere than backups of the store, and replace it after each erasure. (Blocks
that a solid-state disk or a snapshot keeps are beyond the reach of a program.) An old copy still opens
the data of everybody who was not erased since.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.run import readable_disk_errors
from sazon.policy.keys import ring_file
from sazon.policy.keys.erasable import Erasable
from sazon.policy.keys.recovery import RecoveryPrivate, RecoveryPublic, open_copy, seal_copy
from sazon.policy.keys.ring_file import ROLES, Header, Role, Secrets
from sazon.policy.keys.sealing import frame, fresh_key
from sazon.policy.keys.source import KeySource


class Keyring:
    """The keys of one tenant; safe to use from several threads and processes. `repr` shows none."""

    def __init__(self, folder: Path, source: KeySource) -> None:
        """Use `create` or `open`."""
        self._path = folder / ring_file.NAME
        self._source = source
        self._lock = threading.RLock()
        self._stamp: tuple[int, int, int] | None = None
        self._key = b""
        self._header: Header
        self._secrets: Secrets

    # ------------------------------------------------------------------ open

    @classmethod
    def create(
        cls,
        folder: Path,
        source: KeySource,
        *,
        tenant: str = "default",
        recovery: RecoveryPublic | None = None,
    ) -> Keyring:
        """A new keyring; never overwrites one.

        Args:
            folder: where `keys.json` goes; made where missing, for its owner alone.
            source: what locks it.
            tenant: whose keys they are; everything sealed is bound to this name.
            recovery: offline key that can open it when the source is lost.

        Raises:
            EnvironmentLacks: there is a keyring already, or the folder cannot be written.
        """
        ring = cls(folder, source)
        with readable_disk_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ring._alone():
            if ring._path.exists():
                raise EnvironmentLacks(
                    "there is a keyring already", where=str(ring._path), mend="Use it, or another folder."
                )
            signing = {role: ed25519.Ed25519PrivateKey.generate().private_bytes_raw() for role in ROLES}
            ring._secrets = Secrets(
                signing=signing, index=fresh_key(), trees={1: Erasable.fresh()}, erased={}
            )
            public = {role: _public(raw) for role, raw in signing.items()}
            ring._header = Header(tenant=tenant, version=1, public=public, wrapped={}, recovery=None)
            ring._relock([source], recovery)
        return ring

    @classmethod
    def open(cls, folder: Path, source: KeySource) -> Keyring:
        """The keyring of a folder.

        Raises:
            EnvironmentLacks: there is none.
            IntegrityError: the source is not the key that locks it, or the file was changed.
        """
        ring = cls(folder, source)
        ring.refresh()
        return ring

    @classmethod
    def recover(
        cls, folder: Path, private: RecoveryPrivate, source: KeySource, *, signer: bytes | None = None
    ) -> Keyring:
        """Open a keyring whose key source is lost, and lock it with another one.

        Args:
            folder: where `keys.json` is.
            private: the offline key.
            source: what locks it from now on; the lost one no longer opens it.
            signer: `public("recovery")` as noted when the keyring was made; without it the file's own
                word is taken, which somebody who can write the file could have replaced.

        Raises:
            EnvironmentLacks: there is no keyring or no recovery copy.
            IntegrityError: a wrong offline key or signer, or a changed file.
        """
        ring = cls(folder, source)
        with ring._alone():
            header, sealed = ring_file.read(ring._path)
            if header.recovery is None:
                raise EnvironmentLacks("this keyring has no recovery copy", where=str(ring._path))
            if signer is not None and signer != header.public["recovery"]:
                raise IntegrityError(
                    "another keyring stands here than the one that was made", where=str(ring._path)
                )
            key = open_copy(
                header.recovery,
                private,
                _bound(header.tenant),
                verify=partial(verify, header.public["recovery"], "recovery"),
            )
            ring._header, ring._secrets = header, ring_file.unseal_secrets(header, sealed, key, ring._path)
            ring._relock([source], header.recovery.public)
        return ring

    def refresh(self) -> None:
        """See what another process changed; cheap while nothing did.

        Raises:
            EnvironmentLacks: the keyring is gone.
            IntegrityError: it was locked with another key, or changed by hand.
        """
        with self._lock:
            stamp = ring_file.stamp(self._path)
            if stamp == self._stamp:
                return
            header, sealed = ring_file.read(self._path)
            key = self._unlocked(header)
            secrets = ring_file.unseal_secrets(header, sealed, key, self._path)
            self._header, self._secrets, self._key, self._stamp = header, secrets, key, stamp

    def _unlocked(self, header: Header) -> bytes:
        """The keyring's own key, by the source."""
        own = self._source.id
        if own not in header.wrapped:
            raise IntegrityError(
                f"the key {own} does not open this keyring, which needs {' or '.join(header.wrapped)}",
                where=str(self._path),
                mend="Name the right key, or use: sazon keys recover. Nothing was read or written.",
            )
        return self._source.unwrap(header.wrapped[own], _bound(header.tenant))

    # ------------------------------------------------------------------ facts

    @property
    def tenant(self) -> str:
        """Whose keys these are."""
        return self._header.tenant

    @property
    def version(self) -> int:
        """Which tree new data keys are wrapped by, from 1."""
        return self._header.version

    @property
    def versions(self) -> tuple[int, ...]:
        """Trees that still open data keys; more than one while a rotation is under way."""
        return tuple(sorted(self._secrets.trees))

    @property
    def locked_by(self) -> tuple[str, ...]:
        """Ids of the key sources that open this keyring; two while a rotation is under way."""
        return tuple(self._header.wrapped)

    @property
    def recovery(self) -> RecoveryPublic | None:
        """The offline key that can open it."""
        return self._header.recovery.public if self._header.recovery else None

    @property
    def erased(self) -> tuple[str, ...]:
        """Digests of the subjects that were erased."""
        return tuple(self._secrets.erased)

    def __repr__(self) -> str:
        """Where it is and whose; never a key."""
        return f"Keyring({str(self._path)!r}, tenant={self.tenant!r})"

    def __reduce__(self) -> str:
        """Keys do not travel in a pickle."""
        raise TypeError("a keyring cannot be pickled")

    # ------------------------------------------------------------------ signing

    def sign(self, role: Role, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes, that holds for this role alone."""
        key = ed25519.Ed25519PrivateKey.from_private_bytes(self._secrets.signing[role])
        return key.sign(_for_role(role, message))

    def verify(self, role: Role, message: bytes, signature: bytes) -> None:
        """Say nothing if this keyring signed the message in this role.

        Raises:
            IntegrityError: it did not, or message or signature were changed.
        """
        verify(self.public(role), role, message, signature)

    def public(self, role: Role) -> bytes:
        """The Ed25519 public key of a role, 32 bytes."""
        return self._header.public[role]

    # ------------------------------------------------------------------ subjects

    def digest(self, purpose: str, *parts: str) -> str:
        """A keyed digest (HMAC-SHA256, hexadecimal) that tells nothing without the keyring."""
        framed = frame("sazon digest", self.tenant, purpose, *parts)
        return hmac.digest(self._secrets.index, framed, hashlib.sha256).hex()

    def generation(self, subject: str) -> int:
        """How often the subject of this digest was erased: 0 for most."""
        return self._secrets.erased.get(subject, 0)

    def subject_key(self, subject: str, *, generation: int, version: int) -> bytes:
        """What wraps the data key of a subject, by its digest.

        Raises:
            IntegrityError: it was erased, or the version was retired by a rotation.
        """
        tree = self._secrets.trees.get(version)
        key = tree.key(_leaf(subject, generation)) if tree else None
        if key is None:
            raise IntegrityError(
                "the key of this subject no longer exists",
                mend="It was erased, or the store comes from before a key rotation: restore a later one.",
            )
        return key

    def erase(self, subject: str) -> None:
        """Destroy the key of a subject, by its digest, in every version and every copy held here."""
        with self._alone():
            self.refresh()
            generation = self.generation(subject)
            leaf = _leaf(subject, generation)
            self._secrets = replace(
                self._secrets,
                trees={version: tree.without(leaf) for version, tree in self._secrets.trees.items()},
                erased={**self._secrets.erased, subject: generation + 1},
            )
            self._write()

    # ------------------------------------------------------------------ rotation

    def begin_rotation(self, new: KeySource) -> None:
        """Start a new tree under a new own key, which the present and the new source both open.

        Where a rotation is under way already it goes on, to another source where one is named.

        Raises:
            EnvironmentLacks: the new source is the one in use.
        """
        with self._alone():
            self.refresh()
            if len(self._secrets.trees) == 1:
                if new.id == self._source.id:
                    raise EnvironmentLacks("this is the key in use", mend="Rotate to a new one.")
                version = self._header.version + 1
                trees = {**self._secrets.trees, version: Erasable.fresh()}
                self._secrets = replace(self._secrets, trees=trees)
                self._header = replace(self._header, version=version)
            elif new.id in self._header.wrapped:
                return
            self._relock([self._source, new], self.recovery)

    def finish_rotation(self, new: KeySource) -> None:
        """Destroy every tree but the newest; from now on only the new source opens the keyring."""
        with self._alone():
            self.refresh()
            version = self._header.version
            self._secrets = replace(self._secrets, trees={version: self._secrets.trees[version]})
            self._source = new
            self._relock([new], self.recovery)

    # ------------------------------------------------------------------ writing

    def _relock(self, sources: list[KeySource], recovery: RecoveryPublic | None) -> None:
        """Write everything under a fresh own key, so that nobody who had the last one opens it."""
        self._key = fresh_key()
        bound = _bound(self.tenant)
        copy = (
            None
            if recovery is None
            else seal_copy(self._key, recovery, bound, sign=partial(self.sign, "recovery"))
        )
        wrapped = {source.id: source.wrap(self._key, bound) for source in sources}
        self._header = replace(self._header, wrapped=wrapped, recovery=copy)
        self._write()

    def _write(self) -> None:
        ring_file.write(self._path, self._header, self._secrets, self._key)
        self._stamp = ring_file.stamp(self._path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process changes the keyring meanwhile; a failure forgets what was meant."""
        lock = self._path.with_name(f".{ring_file.NAME}.lock")
        with readable_disk_errors(lock):
            opened = os.open(lock, os.O_CREAT | os.O_WRONLY, 0o600)
        with self._lock, os.fdopen(opened, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            except BaseException:
                self._stamp = None
                raise


def verify(public: bytes, role: Role, message: bytes, signature: bytes) -> None:
    """Check a signature with nothing but the public key of a role, 32 bytes.

    Raises:
        IntegrityError: it was not made with that key in that role, or something was changed.
    """
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, _for_role(role, message))
    except (InvalidSignature, ValueError):
        raise IntegrityError(f"the signature ({role}) does not hold") from None


def _public(raw: bytes) -> bytes:
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()


def _for_role(role: Role, message: bytes) -> bytes:
    """What is signed. Each role has a key of its own, and says which it is, so none passes for another.

    What `audit` signs are notes whose first line names the log; anybody's verifier must be able to check
    them, so nothing is put before them.
    """
    return message if role == "audit" else frame("sazon signature", role, message)


def _bound(tenant: str) -> bytes:
    return frame("sazon keyring", tenant)


def _leaf(subject: str, generation: int) -> int:
    """The leaf of a subject's digest: 64 bits, so two of a million share one with odds of 3 in 10⁸."""
    return int.from_bytes(hashlib.sha256(frame("leaf", subject, generation)).digest()[:8], "big")
