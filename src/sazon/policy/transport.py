"""How a connection proves who is at the other end: TLS 1.3, the system's authorities, and at will a pin."""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from sazon.core.errors import EnvironmentLacks, RecipeError

_PIN = "sha256/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """What is asked of the other end, and what is shown to it."""

    pin: str | None = None
    """`sha256/BASE64` of the public key (SubjectPublicKeyInfo) that the server must hold; RFC 7469 form."""
    certificate: Path | None = None
    """This organisation's client certificate with its key, PEM."""
    authorities: Path | None = None
    """PEM file of the only authorities believed; default: the system's."""

    def __post_init__(self) -> None:
        """Refuse a pin that could never match.

        Raises:
            RecipeError: not the SHA-256 of anything.
        """
        if self.pin is not None and _digest_of(self.pin) is None:
            raise RecipeError(
                "a pin is sha256/ and the base64 of 32 bytes",
                mend="openssl x509 -pubkey -noout -in CERT | openssl pkey -pubin -outform der |"
                " openssl dgst -sha256 -binary | base64",
            )

    def context(self) -> ssl.SSLContext:
        """A context that speaks TLS 1.3 alone and verifies name and chain.

        Raises:
            EnvironmentLacks: a certificate file cannot be used.
        """
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            if self.authorities is not None:
                trusted.load_verify_locations(cafile=str(self.authorities))
            else:
                trusted.load_default_certs()
            if self.certificate is not None:
                trusted.load_cert_chain(str(self.certificate))
        except (OSError, ssl.SSLError):
            raise EnvironmentLacks(
                "a certificate file cannot be used",
                where=str(self.certificate or self.authorities),
                mend="It must be PEM; a client certificate holds its key in the same file.",
            ) from None
        return trusted

    def accepts(self, certificate: bytes | None) -> bool:
        """Whether the certificate the server showed, DER, holds the pinned key."""
        if self.pin is None:
            return True
        if certificate is None:
            return False
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = x509.load_der_x509_certificate(certificate).public_key()
        held = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(held).digest() == _digest_of(self.pin)


def _digest_of(pin: str) -> bytes | None:
    if not pin.startswith(_PIN):
        return None
    try:
        found = base64.b64decode(pin.removeprefix(_PIN), validate=True)
    except ValueError:
        return None
    return found if len(found) == 32 else None
