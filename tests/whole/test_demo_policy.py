"""The demo at the gate: one message refused, then allowed, with a receipt and a proof that hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from sazon import pipeline, recipe
from sazon.cli import show
from sazon.core.dataset import DataClass, Example
from sazon.core.exchange import Exchanges
from sazon.pipeline import demo_policy
from sazon.pipeline.demo_policy import IDENTIFIER, at_the_gate, shown_policy
from sazon.testing.fake_provider import FakeProvider

ROOT = Path(__file__).parents[2]
MESSAGE = Example(
    id="row-1",
    input="Cambien mi cita, por favor",
    target="change_appointment",
    subject="C-1",
    sensitivity=DataClass.PERSONAL,
    language="es",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def arrived() -> list[bytes]:
    """Every byte the stand-in got."""
    return []


@pytest.fixture(scope="module")
def found(folder: Path, arrived: list[bytes]) -> Exchanges:
    class Watched(FakeProvider):
        def __exit__(self, *errors: object) -> None:
            arrived.append(self.received)
            super().__exit__(*errors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_policy, "FakeProvider", Watched)
        return at_the_gate(folder, MESSAGE, here="linear", answer=lambda text: "hello", language="es")


def test_without_consent_nothing_leaves_and_the_candidate_answers(found: Exchanges) -> None:
    refused, _ = found.exchanges
    assert (refused.allowed, refused.bytes_left, refused.markers) == (False, 0, ())
    assert refused.ruling.key == "ruling.no_consent"
    assert (refused.answered_by, refused.label) == ("linear", "hello")
    assert refused.events == ("ruling",)


def test_with_consent_it_leaves_under_a_marker_and_comes_back(
    found: Exchanges, arrived: list[bytes], folder: Path
) -> None:
    _, allowed = found.exchanges
    assert (allowed.allowed, allowed.restored, allowed.answered_by) == (True, True, "frontier")
    assert [marker[:5] for marker in allowed.markers] == ["⟦NIF_"]
    assert allowed.events == ("ruling", "sent", "answered")
    assert allowed.bytes_left == len(arrived[0]) > 0
    for kept in (*arrived, *(path.read_bytes() for path in folder.rglob("*") if path.is_file())):
        assert IDENTIFIER.encode() not in kept


def test_receipt_and_proof_hold_also_for_the_verifier_that_stands_alone(
    found: Exchanges, folder: Path, command: Callable[..., Result]
) -> None:
    assert (found.verified, found.sent, found.entries) == (True, 1, 5)
    assert json.loads((folder / "receipt.jsonld").read_text())["@id"] == found.receipt
    again = command("audit", "verify", folder / "proof.json", "--recipe", folder / "recipe.yaml", "--json")
    assert json.loads(again.stdout)["matches"] == 1
    with demo_policy.locks_of(recipe.read(folder / "recipe.yaml")) as locks:
        key = locks.keyring.public("audit").hex()
    verifier = [sys.executable, str(ROOT / "tools" / "verify_audit.py"), str(folder / "proof.json")]
    done = subprocess.run([*verifier, "--key", key], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_receipt_that_does_not_hold_is_told(folder: Path, found: Exchanges) -> None:
    path = folder / "receipt.jsonld"
    kept = path.read_text("utf-8")
    path.write_text(kept.replace('"C-1"', '"C-2"'), "utf-8")
    try:
        assert demo_policy._proved(recipe.read(folder / "recipe.yaml"), folder)[2] is False
    finally:
        path.write_text(kept, "utf-8")


def test_a_run_shows_it_in_its_report_and_keeps_it(copied_run: Path, small_recipe: Path, capsys) -> None:
    wanted = recipe.read(small_recipe)
    outcome = pipeline.run(wanted, out=copied_run, offline=True, at_the_gate=True)
    kept = shown_policy(copied_run)
    assert outcome.exchanges == kept
    assert kept is not None
    for language in ("en", "es"):
        show.outcome(outcome, language=language, as_json=False)
        lines = capsys.readouterr().out.partition("report.html")[2].strip().splitlines()
        assert 4 <= len(lines) <= 8
        assert kept.exchanges[1].markers[-1] in "\n".join(lines)
    show.outcome(outcome, language="en", as_json=True)
    assert json.loads(capsys.readouterr().out)["policy"]["verified"] is True
    page = (copied_run / "report" / "report.html").read_text("utf-8")
    assert kept.receipt in page
    assert kept.exchanges[1].markers[-1] in page
    assert IDENTIFIER not in page
    again = pipeline.run(wanted, out=copied_run, offline=True)
    assert again.exchanges == kept


def test_without_a_fitting_message_nothing_is_shown(copied_run: Path, small_recipe: Path) -> None:
    wanted = recipe.read(small_recipe, overrides=["data.sensitivity=null"])
    outcome = pipeline.run(wanted, out=copied_run, offline=True, at_the_gate=True)
    assert outcome.exchanges is None


def test_lines_say_so_where_something_failed(found: Exchanges, capsys) -> None:
    _, allowed = found.exchanges
    failed = replace(found, exchanges=(replace(allowed, restored=False),), verified=False)
    show._at_the_gate(failed, Path("run"), "en")
    said = capsys.readouterr().out
    assert "did not come back" in said
    assert "do not hold" in said
