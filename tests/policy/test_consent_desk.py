"""`sazon consent`, `keys` and `audit` at a desk: what is wrong is said in words, and nothing is done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sazon.cli.main import app

RECIPE = """name: clinic
data: {train: {path: messages.csv}, input: text, target: label}
candidates: {floor: {technique: majority}}
providers: {frontier: {base_url: "http://127.0.0.1:9/v1", model: big-1}}
policy: {consents: consents.jsonl, opt_in: [infer.external]}
"""
GRANT = ("consent", "grant", "recipe.yaml", "--subject", "c-118", "--purpose", "infer.external")
WHOLE = (*GRANT, "--class", "personal", "--to", "frontier", "--notice", "notice.txt")


def sazon(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, its keys and a notice."""
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE)
    Path("notice.txt").write_text("What we do with your data.\n")
    assert sazon("keys", "init", "recipe.yaml").exit_code == 0
    return tmp_path


def refused(said: Result, *words: str) -> None:
    """The command ended with words on the error stream, and with no bug's traceback."""
    assert said.exit_code in (2, 3, 4, 5), (said.exit_code, said.output, said.exception)
    assert isinstance(said.exception, SystemExit)
    for one in words:
        assert one in said.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--notice": "nope.txt"}, "no such file"),
        ({"--notice": "/dev/null"}, "the notice is empty"),
        ({"--days": "nan"}, "number of days"),
        ({"--days": "inf"}, "number of days"),
        ({"--days": "1e12"}, "number of days"),
        ({"--class": "persnal"}, "Did you mean 'personal'?"),
        ({"--to": ""}, "--to PROVIDER"),
        ({"--to": "fronteer"}, "Did you mean 'frontier'?"),
        ({"--subject": "a,b"}, "without commas"),
        ({"--subject": "a\nb"}, "without commas"),
        ({"--subject": "x" * 5000}, "256"),
    ],
)
def test_a_consent_that_cannot_be_meant_is_refused(desk, changes, words):
    options = dict(zip(WHOLE[3::2], WHOLE[4::2], strict=True)) | changes
    said = sazon(*WHOLE[:3], *(part for pair in options.items() for part in pair))
    refused(said, words)
    assert not Path("consents.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"", "holds no consent"),
        (b'{"subject": "i-1", "subject": "i-2"}\n', "stands in it twice"),
        (b'{"subject": "i-1", "purpose": "adapt", "classes": "personal"}\n', "missing field"),
    ],
)
def test_a_file_of_consents_that_is_none_is_refused(desk, content, words):
    if content is not None:
        Path("collected.jsonl").write_bytes(content)
    refused(sazon("consent", "import", "recipe.yaml", "collected.jsonl"), words)


def collected(**changes: object) -> str:
    now = datetime.now(UTC)
    facts = {
        "subject": "i-1", "purpose": "infer.external", "recipient": "frontier", "classes": ["personal"],
        "basis": "consent", "notice": "0" * 64,
        "given": now - timedelta(days=9), "expires": now + timedelta(days=9),
    }  # fmt: skip
    return json.dumps(facts | changes, default=lambda at: at.isoformat())


def test_the_state_of_a_consent_is_what_it_is_now(desk):
    now = datetime.now(UTC)
    lines = [
        collected(),
        collected(subject="i-2", given=now - timedelta(days=9), expires=now - timedelta(days=1)),
        collected(subject="i-3", given=now + timedelta(days=1)),
    ]
    Path("collected.jsonl").write_text("\ufeff" + "\n".join(lines), "utf-8")
    assert sazon("consent", "import", "recipe.yaml", "collected.jsonl").exit_code == 0
    listed = json.loads(sazon("consent", "list", "recipe.yaml", "--json").stdout)
    assert [one["state"] for one in listed] == ["given", "lapsed", "not_begun"]
    refused(sazon("consent", "import", "recipe.yaml", "nope/"), "no such file")
    [first, *_] = listed
    refused(sazon("consent", "receipt", "recipe.yaml", first["id"], "--out", "nodir/r.json"), "no such file")
    refused(sazon("consent", "receipt", "recipe.yaml", first["id"], "--out", "."), "Name a file")
    Path("list.jsonl").write_text(collected(classes="personal"))
    refused(sazon("consent", "import", "recipe.yaml", "list.jsonl"), "classes is a list")


def test_a_store_that_remembers_nothing_of_the_consents_is_refused(desk):
    assert sazon(*WHOLE).exit_code == 0
    for part in Path(".sazon").glob("policy.db*"):
        part.unlink()
    explain = (
        "consent",
        "explain",
        "recipe.yaml",
        "--subject",
        "c-118",
        "--class",
        "personal",
        "--to",
        "frontier",
    )
    refused(sazon(*explain), "remembers nothing", "Restore the store")
    refused(sazon("audit", "verify"), "remembers nothing")


def test_a_question_that_nothing_can_answer_makes_no_dossier(desk):
    assert sazon(*WHOLE).exit_code == 0
    prove = ("audit", "prove", "--out", "x.json")
    refused(sazon(*prove, "--event", "snt"), "Did you mean 'sent'?")
    refused(sazon(*prove, "--class", "persnal"), "Did you mean 'personal'?")
    assert not Path("x.json").exists()
    said = sazon(*prove, "--provider", "fronter")
    assert said.exit_code == 0
    assert "no provider fronter" in said.stdout
    assert "no provider" not in sazon(*prove, "--provider", "frontier").stdout
    Path("empty.txt").touch()
    for command in (("audit", "verify"), prove):
        refused(sazon(*command, "--anchor", "empty.txt"), "empty.txt", "is empty")
    refused(sazon("audit", "verify", "--anchor", "notice.txt"), "notice.txt")


def test_erasing_somebody_unknown_does_not_look_like_an_erasure(desk):
    said = sazon("keys", "erase-subject", "recipe.yaml", "nobody", "--lang", "en")
    assert said.exit_code == 0
    assert "No record was kept under this name" in said.stdout
    assert "Erased" not in said.stdout


def test_before_there_are_keys_everything_says_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE)
    for command in (("keys", "status"), ("consent", "list")):
        refused(sazon(*command, "recipe.yaml"), "there are no keys yet", "sazon keys init")
