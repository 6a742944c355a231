"""The keyring signs, destroys and rotates, and never shows or writes a key."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.keys import ring_file
from sazon.policy.keys.keyring import Keyring, verify
from sazon.policy.keys.recovery import RecoveryPrivate, fresh_pair
from sazon.policy.keys.sealing import frame, fresh_key
from sazon.policy.keys.source import LocalKey


@dataclass(frozen=True, kw_only=True)
class Made:
    """A keyring, and what opens it."""

    folder: Path
    source: LocalKey
    offline: RecoveryPrivate
    keyring: Keyring

    @property
    def file(self) -> Path:
        return self.folder / "keys.json"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A keyring with an offline recovery key, in a folder of its own."""
    source = LocalKey(fresh_key())
    offline, public = fresh_pair()
    keyring = Keyring.create(tmp_path / "ring", source, tenant="clinic", recovery=public)
    return Made(folder=tmp_path / "ring", source=source, offline=offline, keyring=keyring)


ANA = "a" * 64
EVA = "e" * 64


def keys_of(ring: Keyring, *subjects: str) -> list[bytes]:
    return [ring.subject_key(s, generation=ring.generation(s), version=ring.version) for s in subjects]


def test_a_keyring_is_found_again_as_it_was(made: Made) -> None:
    again = Keyring.open(made.folder, made.source)
    assert again.tenant == "clinic"
    assert again.public("consent") == made.keyring.public("consent")
    assert again.digest("subject", "Ana") == made.keyring.digest("subject", "Ana")
    assert keys_of(again, ANA, EVA) == keys_of(made.keyring, ANA, EVA)
    assert again.recovery == made.keyring.recovery


def test_the_file_is_for_its_owner_alone_and_holds_no_key_in_clear(made: Made) -> None:
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    secrets = made.keyring._secrets
    text = made.file.read_text()
    for secret in (*secrets.signing.values(), secrets.index, secrets.trees[1].to_bytes(), made.keyring._key):
        assert ring_file.to_text(secret) not in text
        assert secret.hex() not in text


def test_a_keyring_is_never_made_twice(made: Made) -> None:
    before = made.file.read_bytes()
    with pytest.raises(EnvironmentLacks, match="already"):
        Keyring.create(made.folder, made.source)
    assert made.file.read_bytes() == before


def test_keys_are_not_shown_and_do_not_travel(made: Made) -> None:
    assert repr(made.keyring) == f"Keyring({str(made.file)!r}, tenant='clinic')"
    assert repr(made.keyring._secrets) == "Secrets()"
    with pytest.raises(TypeError):
        pickle.dumps(made.keyring)


def test_another_key_is_told_before_anything_is_written(made: Made) -> None:
    before = made.file.read_bytes()
    other = LocalKey(fresh_key())
    with pytest.raises(IntegrityError, match=rf"{other.id}.*needs {made.source.id}.*Nothing was") as caught:
        Keyring.open(made.folder, other)
    assert made.source.id in str(caught.value)
    assert made.file.read_bytes() == before


def test_a_missing_keyring_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="keys init"):
        Keyring.open(tmp_path, LocalKey(fresh_key()))


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "tenant": "clinic"}']
)
def test_what_is_no_keyring_is_told(made: Made, content: str) -> None:
    made.file.write_text(content)
    with pytest.raises(IntegrityError, match="not a keyring, or a damaged one"):
        Keyring.open(made.folder, made.source)


@pytest.mark.parametrize("field", ["tenant", "version", "public", "recovery", "sealed"])
def test_any_change_by_hand_is_noticed(made: Made, field: str) -> None:
    raw = json.loads(made.file.read_text())
    changed = {
        "tenant": "other",
        "version": 7,
        "public": raw["public"] | {"audit": raw["public"]["consent"]},
        "recovery": None,
        "sealed": ring_file.to_text(bytes(len(raw["sealed"]))),
    }
    made.file.write_text(json.dumps(raw | {field: changed[field]}))
    with pytest.raises(IntegrityError):
        Keyring.open(made.folder, made.source)


def test_the_layout_of_the_file_does_not_matter(made: Made) -> None:
    raw = json.loads(made.file.read_text())
    made.file.write_text(json.dumps(dict(reversed(raw.items()))))
    Keyring.open(made.folder, made.source)


# ------------------------------------------------------------------------------ signing


def test_signatures_hold_for_one_role_and_one_message(made: Made) -> None:
    signature = made.keyring.sign("consent", b"yes")
    made.keyring.verify("consent", b"yes", signature)
    verify(made.keyring.public("consent"), "consent", b"yes", signature)
    for role, message, wrong in (
        ("audit", b"yes", signature),
        ("consent", b"no", signature),
        ("consent", b"yes", signature[:-1]),
        ("consent", b"yes", bytes(64)),
        ("consent", b"yes", b""),
    ):
        with pytest.raises(IntegrityError, match="does not hold"):
            made.keyring.verify(role, message, wrong)  # type: ignore[arg-type]


def test_the_role_is_part_of_what_is_signed(made: Made) -> None:
    """With the key of one role alone nothing can be made that passes in another."""
    own = ed25519.Ed25519PrivateKey.from_private_bytes(made.keyring._secrets.signing["consent"])
    for_recovery = own.sign(frame("sazon signature", "recovery", b"yes"))
    for wrong in (own.sign(b"yes"), for_recovery):
        with pytest.raises(IntegrityError):
            made.keyring.verify("consent", b"yes", wrong)
    verify(made.keyring.public("consent"), "recovery", b"yes", for_recovery)


def test_what_the_log_signs_can_be_checked_by_any_ed25519(made: Made) -> None:
    signature = made.keyring.sign("audit", b"a note")
    ed25519.Ed25519PublicKey.from_public_bytes(made.keyring.public("audit")).verify(signature, b"a note")
    assert len({made.keyring.public(role) for role in ring_file.ROLES}) == 3


def test_tenants_share_no_digest_and_no_signature(made: Made, tmp_path: Path) -> None:
    other = Keyring.create(tmp_path / "other", made.source, tenant="bank")
    assert other.digest("subject", "Ana") != made.keyring.digest("subject", "Ana")
    assert made.keyring.digest("subject", "Ana") != made.keyring.digest("record", "Ana")
    assert made.keyring.digest("record", "a", "bc") != made.keyring.digest("record", "ab", "c")
    with pytest.raises(IntegrityError):
        other.verify("consent", b"yes", made.keyring.sign("consent", b"yes"))


# ------------------------------------------------------------------------------ erasure


def test_an_erased_key_is_gone_for_every_process_and_the_others_stay(made: Made) -> None:
    other = Keyring.open(made.folder, made.source)
    before = keys_of(made.keyring, EVA)
    made.keyring.erase(ANA)
    other.refresh()
    for ring in (made.keyring, other, Keyring.open(made.folder, made.source)):
        assert ring.generation(ANA) == 1
        assert ring.erased == (ANA,)
        with pytest.raises(IntegrityError, match="no longer exists"):
            ring.subject_key(ANA, generation=0, version=1)
        assert keys_of(ring, EVA) == before
        assert len(keys_of(ring, ANA)) == 1  # whoever comes back has a new one


def test_two_processes_erase_without_losing_an_erasure(made: Made) -> None:
    other = Keyring.open(made.folder, made.source)
    made.keyring.erase(ANA)
    other.erase(EVA)
    made.keyring.refresh()
    assert set(made.keyring.erased) == {ANA, EVA}


def test_the_file_that_held_a_destroyed_key_is_overwritten(made: Made) -> None:
    with made.file.open("rb") as before:
        made.keyring.erase(ANA)
        assert set(before.read()) == {0}


def test_the_recovery_copy_cannot_bring_an_erased_key_back(made: Made) -> None:
    made.keyring.erase(ANA)
    ring = Keyring.recover(made.folder, made.offline, LocalKey(fresh_key()))
    with pytest.raises(IntegrityError, match="no longer exists"):
        ring.subject_key(ANA, generation=0, version=1)


def test_a_failed_write_leaves_the_keyring_as_it_was(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(EnvironmentLacks, match="full"):
            made.keyring.erase(ANA)
    assert made.file.read_bytes() == before
    made.keyring.refresh()
    assert made.keyring.generation(ANA) == 0
    assert sorted(p.name for p in made.folder.iterdir()) == [".keys.json.lock", "keys.json"]


# ------------------------------------------------------------------------------ rotation and recovery


def test_during_a_rotation_both_keys_open_and_afterwards_the_new_one_alone(made: Made) -> None:
    new = LocalKey(fresh_key())
    old_key = keys_of(made.keyring, ANA)
    made.keyring.begin_rotation(new)
    for source in (made.source, new):
        ring = Keyring.open(made.folder, source)
        assert (ring.version, ring.versions) == (2, (1, 2))
        assert set(ring.locked_by) == {made.source.id, new.id}
        assert ring.subject_key(ANA, generation=0, version=1) == old_key[0]
        assert keys_of(ring, ANA) != old_key
    made.keyring.begin_rotation(new)  # goes on
    assert made.keyring.versions == (1, 2)
    made.keyring.finish_rotation(new)
    ring = Keyring.open(made.folder, new)
    assert (ring.versions, ring.locked_by) == ((2,), (new.id,))
    with pytest.raises(IntegrityError, match="no longer exists"):
        ring.subject_key(ANA, generation=0, version=1)
    with pytest.raises(IntegrityError, match="does not open"):
        Keyring.open(made.folder, made.source)


def test_who_held_the_old_key_cannot_open_what_is_written_after_a_rotation(made: Made) -> None:
    new = LocalKey(fresh_key())
    made.keyring.begin_rotation(new)
    known = made.keyring._key
    made.keyring.finish_rotation(new)
    header, sealed = ring_file.read(made.file)
    with pytest.raises(IntegrityError):
        ring_file.unseal_secrets(header, sealed, known, made.file)


def test_a_rotation_whose_new_key_was_lost_goes_on_to_another(made: Made) -> None:
    lost, new = LocalKey(fresh_key()), LocalKey(fresh_key())
    made.keyring.begin_rotation(lost)
    made.keyring.begin_rotation(new)
    assert set(made.keyring.locked_by) == {made.source.id, new.id}
    assert made.keyring.versions == (1, 2)
    made.keyring.finish_rotation(new)
    assert Keyring.open(made.folder, new).version == 2


def test_rotating_to_the_key_in_use_is_refused(made: Made) -> None:
    with pytest.raises(EnvironmentLacks, match="in use"):
        made.keyring.begin_rotation(made.source)


def test_erasing_in_the_middle_of_a_rotation_destroys_both_keys(made: Made) -> None:
    made.keyring.begin_rotation(LocalKey(fresh_key()))
    made.keyring.erase(ANA)
    for version in (1, 2):
        with pytest.raises(IntegrityError):
            made.keyring.subject_key(ANA, generation=0, version=version)


def test_a_lost_key_is_replaced_with_the_offline_one(made: Made) -> None:
    new = LocalKey(fresh_key())
    before = keys_of(made.keyring, ANA)
    ring = Keyring.recover(made.folder, made.offline, new, signer=made.keyring.public("recovery"))
    assert keys_of(ring, ANA) == before
    assert keys_of(Keyring.open(made.folder, new), ANA) == before
    assert ring.recovery == made.keyring.recovery
    with pytest.raises(IntegrityError, match="does not open"):
        Keyring.open(made.folder, made.source)


def test_recovery_refuses_other_keys_and_other_keyrings(made: Made, tmp_path: Path) -> None:
    before = made.file.read_bytes()
    other, public = fresh_pair()
    with pytest.raises(IntegrityError, match="another offline key"):
        Keyring.recover(made.folder, other, made.source)
    planted = Keyring.create(
        tmp_path / "planted", LocalKey(fresh_key()), tenant="clinic", recovery=made.keyring.recovery
    )
    with pytest.raises(IntegrityError, match="another keyring"):
        Keyring.recover(
            tmp_path / "planted", made.offline, made.source, signer=made.keyring.public("recovery")
        )
    assert planted.public("recovery") != made.keyring.public("recovery")
    bare = Keyring.create(tmp_path / "bare", made.source)
    assert bare.recovery is None
    with pytest.raises(EnvironmentLacks, match="no recovery copy"):
        Keyring.recover(tmp_path / "bare", made.offline, made.source)
    assert made.file.read_bytes() == before
    assert public != made.keyring.recovery


def test_a_process_with_the_old_key_fails_closed_after_a_rotation(made: Made) -> None:
    other = Keyring.open(made.folder, made.source)
    new = LocalKey(fresh_key())
    made.keyring.begin_rotation(new)
    made.keyring.finish_rotation(new)
    with pytest.raises(IntegrityError, match="does not open"):
        other.refresh()


def test_a_keyring_that_disappears_stops_everything(made: Made) -> None:
    shutil.rmtree(made.folder)
    with pytest.raises(EnvironmentLacks, match="no keyring"):
        made.keyring.refresh()
