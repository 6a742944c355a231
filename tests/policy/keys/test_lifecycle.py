"""What an operator does with keys, as functions and as `sazon keys`."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sazon.cli.main import app
from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.keys import lifecycle
from sazon.policy.keys.lifecycle import Where, open_vault

NEW = "file:.sazon/key-2"


@pytest.fixture
def where(tmp_path: Path) -> Where:
    return Where(root=tmp_path)


def put(where: Where, *subjects: str) -> None:
    with open_vault(where) as vault:
        for subject in subjects:
            vault.put(subject, "a", subject.encode())


def test_init_makes_everything_once_and_for_its_owner_alone(where: Where, tmp_path: Path) -> None:
    made = lifecycle.init(where, tenant="clinic")
    assert (made.tenant, made.version, made.recovery, made.subjects) == ("clinic", 1, "", 0)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / ".sazon").iterdir()}
    assert set(modes) >= {"key", "keys.json", "policy.db"}
    assert set(modes.values()) == {0o600}
    with pytest.raises(EnvironmentLacks, match="already"):
        lifecycle.init(where)
    assert lifecycle.status(where) == made


def test_a_lost_keyring_is_not_silently_replaced(where: Where) -> None:
    lifecycle.init(where)
    put(where, "Ana")
    kept = where.keyring_path.read_bytes()
    where.keyring_path.unlink()
    with pytest.raises(IntegrityError, match="another keyring"):
        lifecycle.init(where)
    assert not where.keyring_path.exists()
    where.keyring_path.write_bytes(kept)
    assert lifecycle.status(where).records == 1


def test_a_lost_key_file_is_told_and_nothing_is_made_in_its_place(where: Where, tmp_path: Path) -> None:
    lifecycle.init(where)
    (tmp_path / ".sazon" / "key").unlink()
    with pytest.raises(EnvironmentLacks, match="nothing is written in clear"):
        lifecycle.status(where)
    assert not (tmp_path / ".sazon" / "key").exists()


def test_rotation_to_a_new_file_and_again_after_it_ended(where: Where, tmp_path: Path) -> None:
    lifecycle.init(where)
    put(where, "Ana", "Eva")
    done = lifecycle.rotate(where, NEW)
    assert (done.data_keys, done.key) == (2, NEW)
    # Killed before it could say so: the same command again finds nothing left to do.
    assert lifecycle.rotate(where, NEW).data_keys == 0
    after = Where(root=tmp_path, key=NEW)
    assert lifecycle.status(after).locked_by == (done.key_id,)
    with open_vault(after) as vault:
        assert vault.get("Ana", "a") == b"Ana"
    with pytest.raises(EnvironmentLacks, match="in use"):
        lifecycle.rotate(after, NEW)


def test_recovery_from_the_offline_key(where: Where, tmp_path: Path) -> None:
    private, public = tmp_path / "recovery.private", tmp_path / "recovery.public"
    assert lifecycle.pair(private, public).kem == "MLKEM768_X25519"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(EnvironmentLacks, match="already"):
        lifecycle.pair(tmp_path / "other", public)
    assert not (tmp_path / "other").exists()
    made = lifecycle.init(where, recovery=public)
    put(where, "Ana")
    (tmp_path / ".sazon" / "key").unlink()
    after = Where(root=tmp_path, key=NEW)
    with pytest.raises(IntegrityError, match="another keyring"):
        lifecycle.recover(after, private, fingerprint="00" * 32)
    with pytest.raises(IntegrityError, match="64 hexadecimal"):
        lifecycle.recover(after, private, fingerprint="none")
    with pytest.raises(EnvironmentLacks, match="private half"):
        lifecycle.recover(after, public)
    found = lifecycle.recover(after, private, fingerprint=made.fingerprint)
    assert (found.records, found.recovery) == (1, "MLKEM768_X25519")
    with open_vault(after) as vault:
        assert vault.get("Ana", "a") == b"Ana"


def test_an_erasure_is_counted_and_survives_a_rotation(where: Where, tmp_path: Path) -> None:
    lifecycle.init(where)
    put(where, "Ana", "Eva")
    assert lifecycle.erase_subject(where, "Ana").records == 1
    lifecycle.rotate(where, NEW)
    found = lifecycle.status(Where(root=tmp_path, key=NEW))
    assert (found.erased, found.subjects, found.records, found.version) == (1, 1, 1, 2)


# ------------------------------------------------------------------------------ sazon keys


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(*words: str, given: str | None = None) -> Any:
        return CliRunner().invoke(app, ["keys", *words], input=given)

    return run


def test_the_life_of_a_key_on_the_command_line(keys: Any, tmp_path: Path) -> None:
    assert keys("pair", "r.private", "r.public").exit_code == 0
    made = keys("init", "--recovery", "r.public", "--lang", "es")
    assert made.exit_code == 0
    assert "huella" in made.output
    put(Where(root=tmp_path), "Ana", "Eva")
    rotated = keys("rotate", NEW)
    assert rotated.exit_code == 0, rotated.output
    assert "2 data keys moved" in rotated.output
    erased = keys("erase-subject", "-", "--key", NEW, given="Ana\n")
    assert "Erased: 1 records" in erased.output
    assert keys("recover", "r.private", "--key", "file:.sazon/key-3").exit_code == 0
    told = json.loads(keys("status", "--key", "file:.sazon/key-3", "--json").output)
    assert (told["subjects"], told["records"], told["erased"], told["version"]) == (1, 1, 1, 2)
    table = keys("status", "--key", "file:.sazon/key-3", "--lang", "es").output
    assert "personas suprimidas" in table


def test_errors_are_words_with_an_exit_code(keys: Any) -> None:
    assert keys("status").exit_code == 3
    assert keys("init", "--lang", "xx").exit_code == 2
    keys("init")
    again = keys("init", "--json")
    assert again.exit_code == 3
    assert "already" in json.loads(again.output)["problems"][0]
    assert keys("erase-subject", "-", given="\n").exit_code == 2


def test_a_rotation_left_unfinished_is_shown(keys: Any, tmp_path: Path) -> None:
    keys("init")
    source = lifecycle.create_source("file:new", root=tmp_path)
    lifecycle.open_keyring(Where(root=tmp_path)).begin_rotation(source)
    assert "repeat sazon keys rotate" in keys("status").output
