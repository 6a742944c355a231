"""An organisation's signer, a store and consents, for all tests of the policy."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sazon.core.dataset import DataClass
from sazon.core.errors import IntegrityError
from sazon.policy.consent import Record

NOTICE = "ab" * 32


class OneKey:
    """Signs in every role with one key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def sign(self, role: str, message: bytes) -> bytes:
        return self._key.sign(role.encode() + b"\0" + message)

    def verify(self, role: str, message: bytes, signature: bytes) -> None:
        try:
            self._key.public_key().verify(signature, role.encode() + b"\0" + message)
        except InvalidSignature:
            raise IntegrityError("not signed by this key") from None


def consent(**changes) -> Record:
    """One consent, valid from 1,000 to 2,000 seconds after the epoch."""
    facts = {
        "id": "c1",
        "subject": "cliente-118",
        "purpose": "infer.external",
        "recipient": "frontier",
        "classes": frozenset({DataClass.PERSONAL}),
        "basis": "consent",
        "notice": NOTICE,
        "given_at": 1000.0,
        "expires_at": 2000.0,
    }
    return Record(**facts | changes)


@pytest.fixture
def signer() -> OneKey:
    return OneKey()
