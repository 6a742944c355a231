"""Recovery copies open with the offline key and nothing else; HPKE as published."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.keys.keyring import verify
from sazon.policy.keys.recovery import (
    RecoveryPrivate,
    RecoveryPublic,
    fresh_pair,
    open_copy,
    public_of,
    read_private,
    read_public,
    seal_copy,
    unseal_hpke,
)
from sazon.policy.keys.sealing import frame

KEY = bytes(range(32))
SIGNER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
CHECK = partial(verify, SIGNER.public_key().public_bytes_raw(), "recovery")
KEMS = ("X25519", "MLKEM768_X25519")
VECTORS = json.loads((Path(__file__).parent / "hpke_vectors.json").read_text())["vectors"]
SUITES: dict[str, dict[int, Any]] = {
    "kem_id": {0x20: KEM.X25519, 0x647A: KEM.MLKEM768_X25519},
    "kdf_id": {1: KDF.HKDF_SHA256, 3: KDF.HKDF_SHA512, 0x11: KDF.SHAKE256},
    "aead_id": {1: AEAD.AES_128_GCM, 2: AEAD.AES_256_GCM, 3: AEAD.CHACHA20_POLY1305},
}


def sign(message: bytes) -> bytes:
    return SIGNER.sign(frame("sazon signature", "recovery", message))


def private_of(vector: dict[str, Any]) -> Any:
    raw = bytes.fromhex(vector["skRm"])
    if vector["kem_id"] == 0x20:
        return x25519.X25519PrivateKey.from_private_bytes(raw)
    # draft-ietf-hpke-pq: the 32-byte seed is stretched to the seeds of both halves.
    both = hashlib.shake_256(raw).digest(96)
    return MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(both[:64]),
        x25519.X25519PrivateKey.from_private_bytes(both[64:]),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['kem_id']:x}-{v['kdf_id']}-{v['aead_id']}")
def test_published_vectors(vector: dict[str, Any]) -> None:
    """RFC 9180: encapsulated key and key schedule, through the interface without associated data.

    The published ciphertexts have associated data, which that interface does not take; so the message
    is sealed here under the published key and nonce, and must open with the published private key.
    """
    raw = {k: bytes.fromhex(v) for k, v in vector.items() if isinstance(v, str)}
    cipher = ChaCha20Poly1305(raw["key"]) if vector["aead_id"] == 3 else AESGCM(raw["key"])
    assert cipher.decrypt(raw["base_nonce"], raw["ct"], raw["aad"]) == raw["pt"]
    sealed = raw["enc"] + cipher.encrypt(raw["base_nonce"], raw["pt"], None)
    suite = Suite(*(SUITES[part][vector[part]] for part in ("kem_id", "kdf_id", "aead_id")))
    assert suite.decrypt(sealed, private_of(vector), info=raw["info"]) == raw["pt"]
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, private_of(vector), info=raw["info"] + b"x")


def test_the_suite_in_use_opens_the_published_vector() -> None:
    """DHKEM(X25519), HKDF-SHA256, AES-256-GCM, through our own function."""
    [vector] = [v for v in VECTORS if (v["kem_id"], v["kdf_id"], v["aead_id"]) == (0x20, 1, 2)]
    raw = {k: bytes.fromhex(v) for k, v in vector.items() if isinstance(v, str)}
    private = RecoveryPrivate(kem="X25519", raw=raw["skRm"])
    assert public_of(private).raw == raw["pkRm"]
    sealed = raw["enc"] + AESGCM(raw["key"]).encrypt(raw["base_nonce"], raw["pt"], None)
    assert unseal_hpke(sealed, private, raw["info"]) == raw["pt"]


@pytest.mark.parametrize("kem", KEMS)
def test_sealed_copies_open_with_the_offline_key(kem: Any) -> None:
    private, public = fresh_pair(kem)
    copy = seal_copy(KEY, public, b"clinic", sign=sign)
    assert KEY not in copy.sealed
    assert open_copy(copy, private, b"clinic", verify=CHECK) == KEY
    assert seal_copy(KEY, public, b"clinic", sign=sign).sealed != copy.sealed


@pytest.mark.parametrize("kem", KEMS)
def test_cut_and_changed_messages_do_not_open(kem: Any) -> None:
    private, public = fresh_pair(kem)
    sealed = seal_copy(KEY, public, b"clinic", sign=sign).sealed
    info = frame("sazon recovery copy", b"clinic")
    assert unseal_hpke(sealed, private, info) == KEY
    flipped = [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        for at in (0, 1, 31, len(sealed) - 49, len(sealed) - 17, len(sealed) - 16, len(sealed) - 1)
    ]
    cut = [b"", sealed[:1], sealed[:31], sealed[:32], sealed[:-48], sealed[:-16], sealed[:-1], sealed[1:]]
    for wrong in (*flipped, *cut, sealed + b"\0", bytes(len(sealed)), b"\xff" * len(sealed)):
        with pytest.raises(IntegrityError, match="cut or changed"):
            unseal_hpke(wrong, private, info)
    for other in (b"", info[:-1], info + b"\0"):
        with pytest.raises(IntegrityError):
            unseal_hpke(sealed, private, other)
    with pytest.raises(IntegrityError):
        unseal_hpke(sealed, fresh_pair(kem)[0], info)


# Low-order points: X25519 gives zero, which RFC 9180 (7.1.4) and RFC 7748 (6.1) say to refuse.
@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f"])
def test_points_of_low_order_are_refused(point: str) -> None:
    private, _ = fresh_pair("X25519")
    with pytest.raises(IntegrityError):
        unseal_hpke(bytes.fromhex(point) + bytes(48), private, b"")


def test_a_copy_that_somebody_else_planted_is_refused() -> None:
    private, public = fresh_pair()
    planted = seal_copy(bytes(32), public, b"clinic", sign=ed25519.Ed25519PrivateKey.generate().sign)
    with pytest.raises(IntegrityError, match="does not hold"):
        open_copy(planted, private, b"clinic", verify=CHECK)
    own = seal_copy(KEY, public, b"clinic", sign=sign)
    with pytest.raises(IntegrityError, match="does not hold"):
        open_copy(own, private, b"other tenant", verify=CHECK)
    other, _ = fresh_pair()
    with pytest.raises(IntegrityError, match="another offline key"):
        open_copy(own, other, b"clinic", verify=CHECK)


@pytest.mark.parametrize("kem", KEMS)
def test_keys_survive_as_text_and_the_private_one_is_not_shown(kem: Any) -> None:
    private, public = fresh_pair(kem)
    assert read_private(private.text(), where="f") == private
    assert read_public(str(public) + "\n", where="f") == public
    assert public_of(private) == public
    assert repr(private) == f"RecoveryPrivate(kem={kem!r})"


@pytest.mark.parametrize(
    "text", ["", "sazon-recovery-public X25519 AAAA", "sazon-recovery-public RSA " + "A" * 44]
)
def test_what_is_no_recovery_key_is_refused(text: str) -> None:
    with pytest.raises(EnvironmentLacks, match="public half"):
        read_public(text, where="file")
    private, _ = fresh_pair()
    with pytest.raises(EnvironmentLacks) as caught:
        read_public(private.text(), where="file")
    assert private.text().split()[2] not in str(caught.value)


def test_the_strongest_kem_is_taken() -> None:
    assert isinstance(fresh_pair()[1], RecoveryPublic)
    assert fresh_pair()[1].kem == "MLKEM768_X25519"
