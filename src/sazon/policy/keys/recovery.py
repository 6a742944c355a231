"""The way back when the key-encryption key is lost: a copy sealed to a key that is kept offline.

The keyring's own key is sealed by HPKE (RFC 9180, base mode) to a public key whose private half lies
in a safe. Base mode takes the context in `info` and does not say who sealed: the copy is signed with
Ed25519 as well. The KEM is ML-KEM-768 with X25519, so that a copy kept for decades also withstands a
quantum computer; X25519 alone where the installed library lacks it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.keys.sealing import frame, from_text, to_text

Kem = Literal["MLKEM768_X25519", "X25519"]
_MLKEM_SEED, _MLKEM_PUBLIC, _X25519 = 64, 1184, 32
_LENGTHS: dict[str, tuple[int, int]] = {
    "MLKEM768_X25519": (_MLKEM_SEED + _X25519, _MLKEM_PUBLIC + _X25519),
    "X25519": (_X25519, _X25519),
}
"""Bytes of a private and a public key, by KEM."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryPublic:
    """What is sealed to. Public; its text form is one line."""

    kem: Kem
    raw: bytes

    def __str__(self) -> str:
        """`sazon-recovery-public KEM BASE64`."""
        return f"sazon-recovery-public {self.kem} {to_text(self.raw)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryPrivate:
    """What opens a recovery copy. Belongs on no machine that runs sazon."""

    kem: Kem
    raw: bytes = field(repr=False)

    def text(self) -> str:
        """`sazon-recovery-private KEM BASE64`, for the file that goes into the safe."""
        return f"sazon-recovery-private {self.kem} {to_text(self.raw)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryCopy:
    """A key sealed to the offline key, and who sealed it."""

    public: RecoveryPublic
    sealed: bytes
    signature: bytes


def fresh_pair(kem: Kem | None = None) -> tuple[RecoveryPrivate, RecoveryPublic]:
    """A new offline key, of the strongest KEM there is unless one is named."""
    if kem is None:
        kem = "MLKEM768_X25519" if _has_mlkem() else "X25519"
    private = RecoveryPrivate(kem=kem, raw=secrets.token_bytes(_LENGTHS[kem][0]))
    return private, public_of(private)


def public_of(private: RecoveryPrivate) -> RecoveryPublic:
    """The public half of an offline key."""
    own = x25519.X25519PrivateKey.from_private_bytes(private.raw[-_X25519:]).public_key()
    raw = own.public_bytes_raw()
    if private.kem == "MLKEM768_X25519":
        seed = private.raw[:_MLKEM_SEED]
        raw = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw() + raw
    return RecoveryPublic(kem=private.kem, raw=raw)


def read_public(text: str, *, where: str) -> RecoveryPublic:
    """The public key of a file.

    Raises:
        EnvironmentLacks: the text is no such key.
    """
    kem, raw = _parts(text, "public", where)
    return RecoveryPublic(kem=kem, raw=raw)


def read_private(text: str, *, where: str) -> RecoveryPrivate:
    """The private key of a file.

    Raises:
        EnvironmentLacks: the text is no such key.
    """
    kem, raw = _parts(text, "private", where)
    return RecoveryPrivate(kem=kem, raw=raw)


def seal_copy(
    key: bytes, public: RecoveryPublic, context: bytes, *, sign: Callable[[bytes], bytes]
) -> RecoveryCopy:
    """Seal a key to the offline key and sign the result.

    Args:
        key: the keyring's own key.
        public: whom to seal to.
        context: what the copy is bound to, in HPKE's `info`.
        sign: Ed25519, with a key that the opener knows.
    """
    sealed = _suite(public.kem).encrypt(key, _public_key(public), info=_info(context))
    return RecoveryCopy(public=public, sealed=sealed, signature=sign(_signed(public, sealed, context)))


def open_copy(
    copy: RecoveryCopy, private: RecoveryPrivate, context: bytes, *, verify: Callable[[bytes, bytes], None]
) -> bytes:
    """The key in a recovery copy.

    Args:
        copy: what `seal_copy` made.
        private: the offline key.
        context: as given to `seal_copy`.
        verify: raises IntegrityError unless (message, signature) come from who must have sealed.

    Raises:
        IntegrityError: sealed by somebody else, for another key or context, or changed.
    """
    verify(_signed(copy.public, copy.sealed, context), copy.signature)
    if public_of(private) != copy.public:
        raise IntegrityError(
            "the recovery copy is for another offline key", mend="Find the private key made with it."
        )
    return unseal_hpke(copy.sealed, private, _info(context))


def unseal_hpke(sealed: bytes, private: RecoveryPrivate, info: bytes) -> bytes:
    """Open one HPKE message, `encapsulated key | ciphertext`.

    Raises:
        IntegrityError: for another key or `info`, cut, or changed.
    """
    try:
        return _suite(private.kem).decrypt(sealed, _private_key(private), info=info)
    except (InvalidTag, ValueError):
        raise IntegrityError("the recovery copy cannot be opened: it was cut or changed") from None


def _suite(kem: Kem) -> Suite:
    return Suite(getattr(KEM, kem), KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _public_key(public: RecoveryPublic) -> Any:
    own = x25519.X25519PublicKey.from_public_bytes(public.raw[-_X25519:])
    if public.kem == "X25519":
        return own
    return MLKEM768X25519PublicKey(mlkem.MLKEM768PublicKey.from_public_bytes(public.raw[:_MLKEM_PUBLIC]), own)


def _private_key(private: RecoveryPrivate) -> Any:
    own = x25519.X25519PrivateKey.from_private_bytes(private.raw[-_X25519:])
    if private.kem == "X25519":
        return own
    return MLKEM768X25519PrivateKey(mlkem.MLKEM768PrivateKey.from_seed_bytes(private.raw[:_MLKEM_SEED]), own)


def _info(context: bytes) -> bytes:
    return frame("sazon recovery copy", context)


def _signed(public: RecoveryPublic, sealed: bytes, context: bytes) -> bytes:
    return frame(str(public), sealed, context)


def _has_mlkem() -> bool:
    try:
        mlkem.MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return False
    return True


def _parts(text: str, half: str, where: str) -> tuple[Kem, bytes]:
    words = text.split()
    if len(words) == 3 and words[0] == f"sazon-recovery-{half}" and words[1] in _LENGTHS:
        raw = from_text(words[2], length=_LENGTHS[words[1]][half == "public"])
        if raw is not None:
            return ("X25519" if words[1] == "X25519" else "MLKEM768_X25519"), raw
    raise EnvironmentLacks(
        f"not the {half} half of a recovery key", where=where, mend="Make one with: sazon keys pair"
    )
