"""`sazon audit`, as a person or a script uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

from sazon.cli.main import app
from sazon.policy.audit import checkpoint
from sazon.policy.audit.log import AuditLog


@pytest.fixture
def place(log: AuditLog, sent, key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log of four entries and both keys."""
    monkeypatch.chdir(tmp_path)
    log.append_many(
        [sent(), sent(classes=("special",)), {"event": "ruling", "reason": "a\r\nb\u2028c\x1b[2Jñ"}]
    )
    log.append(sent(provider="other"))
    private, public = Path("audit.pem"), Path("audit.pub")
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    public.write_text(key.public_key().public_bytes_raw().hex() + "\n")
    return tmp_path


def audit(*arguments: str, key: str = "audit.pem") -> Result:
    store = (
        []
        if arguments[0] == "verify" and arguments[1:2] == ("proof.json",)
        else ["--store", "sqlite:///policy.db"]
    )
    return CliRunner().invoke(app, ["audit", *arguments, *store, "--key", key])


def test_the_log_is_verified_in_both_languages(place: Path) -> None:
    assert "4 entries is whole" in audit("verify", key="audit.pub").stdout
    assert audit("checkpoint", "--anchor", "anchors.txt").stdout == Path("anchors.txt").read_text("utf-8")
    said = audit("verify", "--anchor", "anchors.txt", "--lang", "es", key="audit.pub")
    assert said.exit_code == 0
    assert "íntegro" in said.stdout
    assert "guardado fuera" in said.stdout
    found = json.loads(audit("verify", "--json").stdout)
    assert (found["size"], found["anchored"]) == (4, None)


def test_what_does_not_hold_ends_with_2_and_says_why(place: Path, store) -> None:
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE audit_entry SET seed = zeroblob(32) WHERE position = 2")
    said = audit("verify", "--lang", "es")
    assert said.exit_code == 2
    assert "La entrada 2 ha sido alterada" in said.stderr
    assert json.loads(audit("verify", "--json").stdout)["error"] == "IntegrityError"


def test_a_dossier_goes_round(place: Path) -> None:
    asked = ("--event", "sent", "--class", "special", "--since", "2026-11-03", "--out", "proof.json")
    made = audit("prove", *asked, "--provider", "acme", "--anchor", "anchors.txt")
    assert made.exit_code == 3  # no anchors yet
    audit("checkpoint", "--anchor", "anchors.txt")
    made = audit("prove", *asked, "--provider", "acme", "--anchor", "anchors.txt")
    assert "1 match" in made.stdout
    said = audit("verify", "proof.json", "--anchor", "anchors.txt", key="audit.pub")
    assert said.exit_code == 0
    assert '"provider":["acme"]' in said.stdout
    public_only = audit("prove", *asked, "--provider", "other", "--json", key="audit.pub")
    assert json.loads(public_only.stdout)["none"] is True
    assert "none matches" in audit("verify", "proof.json").stdout
    Path("proof.json").write_text(Path("proof.json").read_text().replace('"matches":0', '"matches":1'))
    assert audit("verify", "proof.json").exit_code == 2


def test_one_entry_a_checkpoint_and_all_entries_go_round(place: Path) -> None:
    audit("prove", "--index", "1", "--open", "classes", "--out", "proof.json")
    assert '{"classes":["special"]}' in audit("verify", "proof.json").stdout
    Path("proof.json").write_text(audit("checkpoint").stdout, "utf-8")
    assert "4 entries" in audit("verify", "proof.json").stdout
    assert "4 entries" in audit("export", "--out", "proof.json").stdout
    entries = json.loads(Path("proof.json").read_text())["entries"]
    assert all(isinstance(shown, dict) for one in entries for shown in one.values())
    assert audit("verify", "proof.json").exit_code == 0


def test_the_tail_shows_one_line_an_entry(place: Path) -> None:
    lines = audit("tail", "-n", "3", key="audit.pub").stdout.split("\n")
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert lines[1].startswith("2 2026-11-03T12:00:00.000000Z ruling reason=")
    assert [json.loads(line)["index"] for line in audit("tail", "--json").stdout.splitlines()] == [0, 1, 2, 3]


WRONG: list[tuple[int, tuple[str, ...], dict[str, Any]]] = [
    (2, ("verify",), {"key": "abc"}),
    (2, ("verify",), {"key": "anchors.txt"}),
    (2, ("verify", "--lang", "fr"), {}),
    (2, ("prove", "--out", "x", "--since", "yesterday"), {}),
    (2, ("prove", "--out", "x", "--since", "2026-11-03T12:00"), {}),
    (2, ("prove", "--out", "x", "--where", "allow"), {}),
    (2, ("prove", "--out", "x", "--index", "4"), {}),
    (3, ("prove", "--out", "no/such/folder"), {}),
    (3, ("checkpoint",), {"key": "audit.pub"}),
]


@pytest.mark.parametrize(("code", "arguments", "more"), WRONG)
def test_mistakes_are_told_without_a_traceback(place: Path, code: int, arguments, more) -> None:
    done = audit(*arguments, **more)
    assert done.exit_code == code
    assert "Traceback" not in done.stderr


def test_a_store_that_is_not_there_is_not_made(place: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "verify", "--store", "sqlite:///none.db", "--key", "audit.pub"])
    assert done.exit_code == 3
    assert not Path("none.db").exists()


def test_every_anchor_counts(place: Path, log: AuditLog) -> None:
    note = log.latest()
    forged = note.text.replace("\n4\n", "\n3\n")
    Path("anchors.txt").write_text(forged + note.text, "utf-8")
    assert len(checkpoint.read(Path("anchors.txt"))) == 2
    done = audit("verify", "--anchor", "anchors.txt")
    assert done.exit_code == 2
    assert "not signed" in done.stderr
