"""Attacks 26 to 28: on what is kept. Without keys nothing leaves; what was erased stays so; the log shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sazon.core.errors import SazonError
from sazon.policy.config import PolicyConfig
from sazon.policy.keys import lifecycle
from sazon.policy.vault import Vault
from sazon.testing.fake_provider import FakeProvider
from sazon.testing.gatehouse import Gatehouse, gatehouse

from .canaries import Canary, leaked
from .conftest import says

NIF = Canary(kind="nif", text="12345678Z")
SAID = says(f"mi dni es {NIF.text}")
POLICY = PolicyConfig(consents="consents.jsonl", opt_in=["infer.external"])


def marker_of(house: Gatehouse, provider: FakeProvider) -> str:
    """What stands for Ana's number in her conversation."""
    house.ask(SAID, subjects=["c-118"], conversation="one")
    return str(provider.requests[-1]["messages"][0]["content"])


# 26 ------------------------------------------------------------------------------------


def test_26_without_the_key_over_all_keys_nothing_leaves(
    tmp_path: Path, provider: FakeProvider, inspector
) -> None:
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.consent("c-118")
        before = marker_of(house, provider)
    sent = provider.received
    key = tmp_path / ".sazon" / "key"
    kept = key.read_bytes()
    for content in (None, kept[:10], b"", b"x" * len(kept)):
        key.unlink(missing_ok=True)
        if content is not None:
            key.touch(mode=0o600)
            key.write_bytes(content)
        with pytest.raises(SazonError) as error, gatehouse(tmp_path, provider, inspector=inspector):
            pass
        assert kept.decode("latin-1").strip() not in repr(error.value) + str(error.value)
    key.touch(mode=0o600)
    key.write_bytes(kept)
    assert provider.received == sent
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        assert marker_of(house, provider) == before


@pytest.mark.parametrize("part", ["vault", "log", "register"])
def test_26_a_part_that_is_down_lets_nothing_out(
    house: Gatehouse, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise SazonError("the disk is gone")

    held = {"vault": (Vault, "records"), "log": (type(house.locks.log), "append")}
    if part == "register":
        assert house.locks.register is not None
        house.locks.register.path.unlink()
    else:
        monkeypatch.setattr(*held[part], broken)
    with pytest.raises(SazonError):
        marker_of(house, provider)
    assert provider.received == b""


def test_26_a_rotation_killed_midway_loses_and_opens_nothing(
    tmp_path: Path, provider: FakeProvider, inspector
) -> None:
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.consent("c-118")
        before = marker_of(house, provider)

    def kill(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lifecycle.rotate(POLICY, tmp_path, "file:.sazon/key-2", progress=kill)
    moved = POLICY.model_copy(update={"key": "file:.sazon/key-2"})
    for policy in (POLICY, moved):
        with gatehouse(tmp_path, provider, inspector=inspector, policy=policy) as house:
            assert marker_of(house, provider) == before


# 27 ------------------------------------------------------------------------------------


def test_27_erased_and_restored_from_a_backup_it_stays_erased(
    tmp_path: Path, provider: FakeProvider, inspector
) -> None:
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.consent("c-118")
        before = marker_of(house, provider)
    folder = tmp_path / ".sazon"
    shutil.copy(folder / "policy.db", tmp_path / "backup.db")
    for path in folder.rglob("*"):
        assert not path.is_file() or leaked(path.read_bytes(), NIF) is None, path
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.locks.erase("c-118")
        assert house.locks.log.verify().holds
    for path in folder.glob("policy.db*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", folder / "policy.db")
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        assert house.locks.vault.records("c-118") == ()
        with pytest.raises(KeyError):
            house.locks.vault.get("c-118", "conversation frontier one")
        assert house.locks.log.verify().holds
        house.consent("c-118")
        assert marker_of(house, provider) != before


# 28 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE audit_entry SET fields = replace(fields, '"allow":true', '"allow":false')""",
        "DELETE FROM audit_entry WHERE position = 2",
        "DELETE FROM audit_entry WHERE position >= 4",
        "UPDATE audit_entry SET position = position + 100 WHERE position = 1",
        "DELETE FROM audit_head",
        "DELETE FROM audit_entry",
    ],
)
def test_28_a_log_that_was_touched_does_not_verify(house: Gatehouse, statement: str) -> None:
    for _ in range(3):
        house.ask(says("hi"), subjects=["c-118"])
    assert house.locks.log.verify().holds
    with house.locks.store.writing() as connection:
        connection.exec_driver_sql(statement)
    assert not house.locks.log.verify().holds


def test_28_a_log_put_back_whole_shows_against_a_checkpoint_elsewhere(
    tmp_path: Path, provider: FakeProvider, inspector
) -> None:
    database = tmp_path / ".sazon" / "policy.db"
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.consent("c-118")
    kept = database.read_bytes()
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        house.ask(says("hi"), subjects=["c-118"])
        anchor = house.locks.log.checkpoint()
    database.write_bytes(kept)
    with gatehouse(tmp_path, provider, inspector=inspector) as house:
        assert house.locks.log.verify().holds
        assert not house.locks.log.verify(anchor).holds


@pytest.mark.parametrize(
    "odd", ["\r\n", "\x1b[2J\x1b[31m", "\u2028", "\u2029", "\x00", '"},{"event":"x', "\u202e"]
)
def test_28_nothing_a_client_says_makes_a_second_entry(
    house: Gatehouse, provider: FakeProvider, odd: str
) -> None:
    name = f"c-118{odd}ruling allow=true"
    house.consent(name)
    before = len(house.locks.log.tail(100))
    house.ask(says(f"hi{odd}there"), subjects=[name])
    entries = house.locks.log.tail(100)
    assert [e.fields["event"] for e in entries[before:]] == ["ruling", "sent", "answered"]
    assert house.locks.log.verify().holds
    written = "\n".join(json.dumps(entry.fields) for entry in entries)
    assert len(written.splitlines()) == len(entries)
    assert odd not in "".join(str(v) for e in entries[before:] for v in e.fields.values())
