"""The life of keys as an operator sees it: made, rotated, recovered; how things stand.

Erasing a person is `Locks.erase` (policy/locks.py): it ends their consents and is written to the log too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.core.store import Store
from sazon.policy.config import PolicyConfig
from sazon.policy.keys import ring_file
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.recovery import fresh_pair, read_private, read_public
from sazon.policy.keys.source import KeySource, create_source, open_source, write_new
from sazon.policy.vault import Vault


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyStatus:
    """How keys and vault stand. Holds no key and no subject."""

    keyring: str
    tenant: str
    locked_by: tuple[str, ...]
    """Ids of the sources that open the keyring; two mean that a rotation was not finished."""
    version: int
    recovery: str
    """KEM of the offline recovery key; empty where there is none."""
    fingerprint: str
    """Public key, hexadecimal, that signs recovery copies: to be noted beside the offline key."""
    log_key: str
    """Public key, hexadecimal, that signs the audit log: what outsiders check its proofs with."""
    consent_key: str
    """Public key, hexadecimal, that signs consents: what outsiders check receipts with."""
    erased: int
    """Subjects erased so far."""
    subjects: int
    records: int
    outdated: int
    """Data keys that a rotation has still to re-wrap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotated:
    """What a rotation did."""

    data_keys: int
    """Re-wrapped by this call."""
    key: str
    """The key source from now on, for `policy.key`."""
    key_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Where the halves of a recovery key were written."""

    private: str
    public: str
    kem: str


def open_keyring(policy: PolicyConfig, root: Path) -> Keyring:
    """The keyring of a recipe.

    Args:
        policy: the recipe's section.
        root: folder of the recipe, where relative paths start.

    Raises:
        EnvironmentLacks: there is no keyring or no key.
        IntegrityError: the wrong key, or a changed keyring.
    """
    if not (root / policy.folder / ring_file.NAME).is_file():
        raise EnvironmentLacks(
            "there are no keys yet",
            where=str(root / policy.folder),
            mend="Make them: sazon keys init RECIPE",
        )
    return Keyring.open(root / policy.folder, open_source(policy.key, root=root))


@contextlib.contextmanager
def open_vault(policy: PolicyConfig, root: Path) -> Iterator[Vault]:
    """The vault of a recipe, its store closed at the end; the errors of `Keyring`, `Store` and `Vault`."""
    keyring = open_keyring(policy, root)
    store = Store.open(policy.store, root=root)
    try:
        yield Vault(store, keyring)
    finally:
        store.close()


def init(policy: PolicyConfig, root: Path, *, recovery: Path | None = None) -> KeyStatus:
    """Make the keyring, and the key where `file:` names one that is not there yet.

    Args:
        policy: the recipe's section.
        root: folder of the recipe.
        recovery: file with the public half of an offline key, from `pair`.

    Raises:
        EnvironmentLacks: there is a keyring already, or something cannot be read or written.
        IntegrityError: the store was written under a keyring that is not here; none is made.
    """
    path = root / policy.folder / ring_file.NAME
    if path.exists():
        raise EnvironmentLacks(
            "there is a keyring already",
            where=str(path),
            mend="Nothing was changed. See it with: sazon keys status RECIPE",
        )
    public = None if recovery is None else read_public(_text(recovery), where=str(recovery))
    Store.open(policy.store, root=root).close()
    Keyring.create(path.parent, _made(policy.key, root), tenant=policy.tenant, recovery=public)
    try:
        return status(policy, root)
    except IntegrityError:
        # The store belongs to a keyring that is missing: the new one shall not stand in its place.
        path.unlink()
        raise


def rotate(
    policy: PolicyConfig,
    root: Path,
    new_key: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Rotated:
    """Move everything to a new key; the same call goes on where it was killed.

    Raises:
        EnvironmentLacks: the new key is the one in use; or as `open_vault`.
        IntegrityError: a data key cannot be opened; nothing is retired.
    """
    header, _ = ring_file.read(root / policy.folder / ring_file.NAME)
    new = _made(new_key, root)
    moved = 0
    # Killed after the last step: the old key opens nothing any more, and nothing is left to do.
    if tuple(header.wrapped) != (new.id,) or new_key == policy.key:
        with open_vault(policy, root) as vault:
            moved = vault.rotate(new, progress=progress)
    return Rotated(data_keys=moved, key=new_key, key_id=new.id)


def recover(policy: PolicyConfig, root: Path, private: Path, *, fingerprint: str | None = None) -> KeyStatus:
    """Open the keyring with the offline key and lock it with `policy.key`, made where it is missing.

    Args:
        policy: the recipe's section; its key is the one that replaces the lost one.
        root: folder of the recipe.
        private: file with the private half of the recovery key.
        fingerprint: as `init` printed it; without it a replaced keyring would not be noticed.

    Raises:
        EnvironmentLacks: no keyring, no recovery copy, or a file that cannot be read.
        IntegrityError: another offline key or fingerprint, or a changed keyring.
    """
    folder = root / policy.folder
    ring_file.stamp(folder / ring_file.NAME)
    offline = read_private(_text(private), where=str(private))
    signer = None
    if fingerprint is not None:
        try:
            signer = bytes.fromhex(fingerprint)
        except ValueError:
            raise IntegrityError("a fingerprint has 64 hexadecimal digits") from None
    Keyring.recover(folder, offline, _made(policy.key, root), signer=signer)
    return status(policy, root)


def status(policy: PolicyConfig, root: Path) -> KeyStatus:
    """How things stand; the errors of `open_vault`."""
    keyring = open_keyring(policy, root)
    with open_vault(policy, root) as vault:
        held = vault.holdings()
    return KeyStatus(
        keyring=str(root / policy.folder / ring_file.NAME),
        tenant=keyring.tenant,
        locked_by=keyring.locked_by,
        version=keyring.version,
        recovery=keyring.recovery.kem if keyring.recovery else "",
        fingerprint=keyring.public("recovery").hex(),
        log_key=keyring.public("audit").hex(),
        consent_key=keyring.public("consent").hex(),
        erased=len(keyring.erased),
        subjects=held.subjects,
        records=held.records,
        outdated=held.outdated,
    )


def pair(private: Path, public: Path) -> Pair:
    """Make the two halves of an offline recovery key; never overwrites a file.

    Raises:
        EnvironmentLacks: a file is there already or cannot be written.
    """
    if os.path.lexists(public):
        raise EnvironmentLacks("there is a file already", where=str(public), mend="Name another.")
    secret, shared = fresh_pair()
    for path, text in ((private, secret.text()), (public, str(shared))):
        write_new(path, f"{text}\n")
    return Pair(private=str(private), public=str(public), kem=shared.kem)


def _made(key: str, root: Path) -> KeySource:
    """The source of a key; a file that is not there yet is made."""
    kind, _, path = key.partition(":")
    new = kind == "file" and bool(path.strip()) and not os.path.lexists(root / path)
    return create_source(key, root=root) if new else open_source(key, root=root)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError as error:
        raise EnvironmentLacks(
            f"the file cannot be read: {error.strerror}", where=str(path), mend="Check its name."
        ) from None
