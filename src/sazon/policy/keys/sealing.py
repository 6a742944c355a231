"""Authenticated encryption of small values: AES-256-GCM with an unambiguous context.

A sealed value is `nonce (12 bytes) | ciphertext | tag (16 bytes)`. The nonce is fresh and random, so
that one key may seal 2³² values (NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sazon.core.errors import IntegrityError

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16


def fresh_key() -> bytes:
    """A random 256-bit key from the operating system; never from a seeded stream."""
    return secrets.token_bytes(KEY_BYTES)


def frame(*parts: str | bytes | int) -> bytes:
    """Several parts as bytes, each with its length before it: no two different splits collide."""
    framed = bytearray()
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        framed += len(raw).to_bytes(8, "big") + raw
    return bytes(framed)


def unframe(framed: bytes) -> list[bytes]:
    """The parts of what `frame` made."""
    parts, at = [], 0
    while at < len(framed):
        start = at + 8
        at = start + int.from_bytes(framed[at:start], "big")
        parts.append(framed[start:at])
    return parts


def seal(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Encrypt a value and bind it to its context (the associated data)."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def unseal(key: bytes, sealed: bytes, context: bytes, *, what: str, mend: str = "") -> bytes:
    """Decrypt what `seal` made.

    Raises:
        IntegrityError: another key, another context, or a single bit changed; `what` says of what.
    """
    if len(sealed) >= _NONCE_BYTES + _TAG_BYTES:
        try:
            return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except InvalidTag:
            pass
    raise IntegrityError(what, mend=mend)


def to_text(raw: bytes) -> str:
    """Bytes as base64, for files."""
    return base64.b64encode(raw).decode("ascii")


def from_text(text: str, *, length: int | None = None) -> bytes | None:
    """Bytes of strict base64; None where it is none, or not `length` bytes long."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if length in (None, len(raw)) else None
