"""What an operator does with keys, as functions and as `sazon keys`."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from sazon.cli.main import app
from sazon.core.errors import EnvironmentLacks, IntegrityError
from sazon.policy.config import PolicyConfig
from sazon.policy.keys import lifecycle
from sazon.policy.keys.lifecycle import open_vault

NEW = "file:.sazon/key-2"


POLICY = PolicyConfig(tenant="clinic")
AFTER = POLICY.model_copy(update={"key": NEW})


def put(root: Path, *subjects: str) -> None:
    with open_vault(POLICY, root) as vault:
        for subject in subjects:
            vault.put(subject, "a", subject.encode())


def test_init_makes_everything_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    made = lifecycle.init(POLICY, tmp_path)
    assert (made.tenant, made.version, made.recovery, made.subjects) == ("clinic", 1, "", 0)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / ".sazon").iterdir()}
    assert set(modes) >= {"key", "keys.json", "policy.db"}
    assert set(modes.values()) == {0o600}
    with pytest.raises(EnvironmentLacks, match="already"):
        lifecycle.init(POLICY, tmp_path)
    assert lifecycle.status(POLICY, tmp_path) == made


def test_a_lost_keyring_is_not_silently_replaced(tmp_path: Path) -> None:
    lifecycle.init(POLICY, tmp_path)
    put(tmp_path, "Ana")
    path = tmp_path / ".sazon" / "keys.json"
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(IntegrityError, match="another keyring"):
        lifecycle.init(POLICY, tmp_path)
    assert not path.exists()
    path.write_bytes(kept)
    assert lifecycle.status(POLICY, tmp_path).records == 1


def test_a_lost_key_file_is_told_and_nothing_is_made_in_its_place(tmp_path: Path) -> None:
    lifecycle.init(POLICY, tmp_path)
    (tmp_path / ".sazon" / "key").unlink()
    with pytest.raises(EnvironmentLacks, match="nothing is written in clear"):
        lifecycle.status(POLICY, tmp_path)
    assert not (tmp_path / ".sazon" / "key").exists()


def test_rotation_to_a_new_file_and_again_after_it_ended(tmp_path: Path) -> None:
    lifecycle.init(POLICY, tmp_path)
    put(tmp_path, "Ana", "Eva")
    done = lifecycle.rotate(POLICY, tmp_path, NEW)
    assert (done.data_keys, done.key) == (2, NEW)
    # Killed before it could say so: the same command again finds nothing left to do.
    assert lifecycle.rotate(POLICY, tmp_path, NEW).data_keys == 0
    assert lifecycle.status(AFTER, tmp_path).locked_by == (done.key_id,)
    with open_vault(AFTER, tmp_path) as vault:
        assert vault.get("Ana", "a") == b"Ana"
    with pytest.raises(EnvironmentLacks, match="in use"):
        lifecycle.rotate(AFTER, tmp_path, NEW)


def test_recovery_from_the_offline_key(tmp_path: Path) -> None:
    private, public = tmp_path / "recovery.private", tmp_path / "recovery.public"
    assert lifecycle.pair(private, public).kem == "MLKEM768_X25519"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(EnvironmentLacks, match="already"):
        lifecycle.pair(tmp_path / "other", public)
    assert not (tmp_path / "other").exists()
    made = lifecycle.init(POLICY, tmp_path, recovery=public)
    put(tmp_path, "Ana")
    (tmp_path / ".sazon" / "key").unlink()
    with pytest.raises(IntegrityError, match="another keyring"):
        lifecycle.recover(AFTER, tmp_path, private, fingerprint="00" * 32)
    with pytest.raises(IntegrityError, match="64 hexadecimal"):
        lifecycle.recover(AFTER, tmp_path, private, fingerprint="none")
    with pytest.raises(EnvironmentLacks, match="private half"):
        lifecycle.recover(AFTER, tmp_path, public)
    found = lifecycle.recover(AFTER, tmp_path, private, fingerprint=made.fingerprint)
    assert (found.records, found.recovery) == (1, "MLKEM768_X25519")
    with open_vault(AFTER, tmp_path) as vault:
        assert vault.get("Ana", "a") == b"Ana"


def test_an_erasure_is_counted_and_survives_a_rotation(tmp_path: Path) -> None:
    lifecycle.init(POLICY, tmp_path)
    put(tmp_path, "Ana", "Eva")
    with open_vault(POLICY, tmp_path) as vault:
        assert vault.erase("Ana").records == 1
    lifecycle.rotate(POLICY, tmp_path, NEW)
    found = lifecycle.status(AFTER, tmp_path)
    assert (found.erased, found.subjects, found.records, found.version) == (1, 1, 1, 2)


# ------------------------------------------------------------------------------ sazon keys

RECIPE = """
name: clinic
data: {task: classify, train: {path: train.csv}, test: {path: test.csv}}
candidates: {floor: {technique: majority}}
policy: {tenant: clinic, consents: consents.jsonl, key: "%s"}
"""


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call `sazon keys` with words beside a recipe."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "file:.sazon/key")

    def run(*words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, ["keys", *words], input=given)

    return run


def write(folder: Path, key: str) -> None:
    (folder / "recipe.yaml").write_text(RECIPE % key)


def test_the_life_of_a_key_on_the_command_line(keys: Callable[..., Result], tmp_path: Path) -> None:
    assert keys("pair", "r.private", "r.public").exit_code == 0
    made = keys("init", "recipe.yaml", "--recovery", "r.public", "--lang", "es")
    assert made.exit_code == 0, made.output
    assert "huella" in made.output
    put(tmp_path, "Ana", "Eva")
    rotated = keys("rotate", "recipe.yaml", NEW)
    assert rotated.exit_code == 0, rotated.output
    assert "2 data keys moved" in rotated.output
    write(tmp_path, NEW)
    erased = keys("erase-subject", "recipe.yaml", "-", given="Ana\n")
    assert "Erased: 1 records" in erased.output, erased.output
    (tmp_path / ".sazon" / "key-2").unlink()
    assert keys("status", "recipe.yaml").exit_code == 3
    assert keys("recover", "recipe.yaml", "r.private").exit_code == 0
    told = json.loads(keys("status", "recipe.yaml", "--json").output)
    assert (told["subjects"], told["records"], told["erased"], told["version"]) == (1, 1, 1, 2)
    assert told["tenant"] == "clinic"
    table = keys("status", "recipe.yaml", "--lang", "es").output
    assert "personas suprimidas" in table


def test_errors_are_words_with_an_exit_code(keys: Callable[..., Result]) -> None:
    assert keys("status", "recipe.yaml").exit_code == 3
    assert keys("init", "recipe.yaml", "--lang", "xx").exit_code == 2
    keys("init", "recipe.yaml")
    again = keys("init", "recipe.yaml", "--json")
    assert again.exit_code == 3
    assert "already" in json.loads(again.output)["problems"][0]
    assert keys("erase-subject", "recipe.yaml", "-", given="\n").exit_code == 2


def test_a_rotation_left_unfinished_is_shown(keys: Callable[..., Result], tmp_path: Path) -> None:
    keys("init", "recipe.yaml")
    source = lifecycle.create_source("file:new", root=tmp_path)
    lifecycle.open_keyring(POLICY, tmp_path).begin_rotation(source)
    assert "repeat sazon keys rotate" in keys("status", "recipe.yaml").output
