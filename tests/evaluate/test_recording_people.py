"""Asking a provider about people: everybody's consent, pseudonyms on the way, answers under keys."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sazon import pipeline, recipe
from sazon.adapt.distill.recorded import read_answers
from sazon.cli.main import app
from sazon.core.dataset import DataClass, Dataset, Example, TrainingData
from sazon.core.errors import EnvironmentLacks, IntegrityError, PolicyRefused
from sazon.evaluate.record import Recording
from sazon.evaluate.sheets import AnswerSheet
from sazon.models.recorded import read_recording
from sazon.pipeline.unlocking import unlocked
from sazon.policy.consent import Record
from sazon.policy.detect.inspector import Inspector
from sazon.policy.detect.patterns import find as patterns
from sazon.policy.keys.keyring import Keyring
from sazon.policy.keys.source import create_source
from sazon.policy.locks import Locks
from sazon.policy.register import new_id
from sazon.testing.fake_provider import FakeProvider

LABELS = ("hours", "refund")
ANA, LUIS, EVA = PEOPLE = ("cliente-a1", "cliente-b2", "cliente-c3")
BOTH = ("evaluate", "infer.external")
NIFS = ("12345678Z", "87654321X", "11111111H")
MAILS = tuple(f"{who}.canary@correo.es" for who in PEOPLE)
NAME = "Beatriz Fernández Gutiérrez"
PRICE = "{input_per_mtok: 1, output_per_mtok: 1, currency: USD, as_of: 2026-01-31, source: test}"


def said(i: int) -> str:
    """A private message of one of three people."""
    who = i % len(PEOPLE)
    return f"Soy {NAME}, DNI {NIFS[who]}, {MAILS[who]}: mensaje {i} sobre {LABELS[i % 2]}"


def label(text: str) -> str:
    return text.rsplit(" ", 1)[-1]


def echo(text: str) -> str:
    return f"You said: {text}"


def write(
    folder: Path,
    url: str,
    *,
    live: str = "live: true",
    policy: str = "opt_in: [infer.external]",
    task: str = "classify",
    classes: Sequence[str] = ("personal",),
    more: str = "",
) -> Path:
    """A recipe whose rows are three people's: thirty of training, six of test."""
    for name, n in (("train", 30), ("test", 6)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "intent", "who", "class"])
            for i in range(n):
                target = LABELS[i % 2] if task == "classify" else f"Respuesta {i} para {MAILS[i % 3]}"
                text = said(i if name == "test" else i + 100)
                rows.writerow([text, target, PEOPLE[i % 3], classes[i % len(classes)]])
    path = folder / "recipe.yaml"
    path.write_text(
        f"""name: people
data: {{train: {{path: train.csv}}, test: {{path: test.csv}}, input: text, target: intent, subject: who,
  sensitivity: class, task: {task}}}
providers: {{frontier: {{base_url: "{url}", model: big-1, price: {PRICE}}}}}
candidates:
  floor: {{technique: majority}}
  frontier: {{technique: api, provider: frontier, {live}}}
{more}policy: {{consents: consents.jsonl, {policy}, detect_timeout_s: 60}}
economics: {{worlds: 200}}
""",
        "utf-8",
    )
    return path


@contextlib.contextmanager
def locks_of(path: Path) -> Iterator[Locks]:
    wanted = recipe.read(path)
    with contextlib.closing(Locks.open(wanted.config.policy, root=wanted.root)) as locks:
        yield locks


def make_keys(path: Path) -> None:
    policy, folder = recipe.read(path).config.policy, path.parent
    Keyring.create(folder / policy.folder, create_source(policy.key, root=folder), tenant=policy.tenant)


def consent(
    path: Path,
    people: Sequence[str] = PEOPLE,
    *,
    purposes: Sequence[str] = BOTH,
    to: str = "frontier",
    classes: Sequence[DataClass] = (DataClass.PERSONAL,),
) -> None:
    with locks_of(path) as locks:
        now = locks.now
        locks.give(
            Record(
                id=new_id(),
                subject=who,
                purpose=purpose,
                recipient=to,
                classes=frozenset(classes),
                basis="consent",
                notice="0" * 64,
                given_at=now - 60,  # a clock that is set right meanwhile must not come before it
                expires_at=now + 86_400,
            )
            for who in people
            for purpose in purposes
        )


def withdraw(path: Path, who: str) -> None:
    with locks_of(path) as locks:
        for record in locks.consents().records.values():
            if record.subject == who:
                locks.end(record.id)


def ask_for(path: Path, *, agree: Any = True, heard: list[str] | None = None) -> Recording:
    def ask(words: str) -> bool:
        (heard if heard is not None else []).append(words)
        return bool(agree() if callable(agree) else agree)

    [made] = pipeline.record_candidates(recipe.read(path), ["frontier"], ask=ask, spend=9.0, offline=True)
    return made


def run(path: Path, *, until: str = "evaluate") -> pipeline.Outcome:
    return pipeline.run(path, out=path.with_name("run"), until=until, offline=True)


def logged(path: Path) -> list[dict[str, Any]]:
    with locks_of(path) as locks:
        return [dict(entry.fields) for entry in locks.log.tail(10_000)]


def refused(path: Path, *words: str) -> str:
    with pytest.raises(PolicyRefused) as error:
        ask_for(path)
    for one in words:
        assert one in str(error.value)
    assert not any(secret in str(error.value) for secret in (*NIFS, *MAILS, NAME))
    return str(error.value)


@pytest.fixture
def ready(tmp_path):
    """A provider, and a recipe with keys."""
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url)
        make_keys(path)
        yield path, provider


# ------------------------------------------------------------------------ consent


def test_without_keys_or_an_open_policy_nothing_is_asked(tmp_path):
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url, policy="opt_in: []")
        refused(path, "not declared public", "sazon keys init")
        make_keys(path)
        consent(path)
        refused(path, "does not open infer.external", "opt_in: [infer.external]")
        assert provider.received == b""


def test_missing_consents_are_counted_and_nothing_is_sent(ready):
    path, provider = ready
    refused(path, "6 of 6 rows", "3 people", "evaluate: 6 rows", "sazon consent missing RECIPE frontier")
    consent(path, [ANA, LUIS])
    consent(path, [EVA], purposes=["infer.external"])
    refused(path, "2 of 6 rows", "1 people", "evaluate: 2 rows", "infer.external: 0 rows")
    consent(path, [EVA], purposes=["evaluate"], to="")  # inside the house is another recipient
    refused(path, "2 of 6 rows")
    assert provider.received == b""
    shown = CliRunner().invoke(app, ["consent", "missing", str(path), "frontier", "--lang", "en"])
    assert shown.exit_code == 0, shown.output
    assert f"evaluate of {EVA} for frontier" in shown.output
    assert not any(name in shown.output for name in (ANA, LUIS))
    found = pipeline.check(recipe.read(path), offline=True)
    assert any("2 of 6 rows may not go" in finding.what for finding in found)


def test_a_special_class_must_be_named(tmp_path):
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url, classes=["personal", "personal", "special"])
        make_keys(path)
        consent(path)
        refused(path, "2 of 6 rows", "1 people")
        assert provider.received == b""
        consent(path, [EVA], classes=[DataClass.SPECIAL])
        made = ask_for(path)
        assert (made.asked, made.blocked, made.not_consented, made.stopped) == (6, 0, 0, "")


def test_a_consent_withdrawn_after_the_words_stops_that_row_and_is_counted(ready):
    path, provider = ready
    consent(path)

    def agree() -> bool:
        withdraw(path, EVA)
        return True

    made = ask_for(path, agree=agree)
    assert (made.asked, made.failed, made.not_consented) == (4, 0, 2)
    assert len(provider.requests) == 4
    outcome = run(path)
    [frontier] = [c for c in outcome.candidates if c.name == "frontier"]
    assert (frontier.facts["asked"], frontier.facts["not_consented"]) == (4, 2)
    assert "2 lacked a consent" in " ".join(note.words("en") for note in frontier.notes)
    assert any(
        e["event"] == "ruling" and not e["allow"] and e["reason"] == "no_consent" for e in logged(path)
    )
    refused(path, "2 of 2 rows")


# ---------------------------------------------------------------- what leaves and what stays


def test_texts_leave_covered_and_answers_are_kept_sealed(ready):
    path, provider = ready
    consent(path)
    heard: list[str] = []
    made = ask_for(path, heard=heard)
    assert (made.asked, made.failed, made.blocked, made.complete) == (6, 0, 0, True)
    assert "3 people" in heard[0]
    assert "pseudonyms" in heard[0] or "seudónimo" in heard[0]
    assert b"NIF_" in provider.received
    received = provider.received.decode()
    assert not any(secret in received for secret in (*NIFS, *MAILS, NAME, *PEOPLE))
    content = made.path.read_text("utf-8")
    header, *lines = [json.loads(line) for line in content.splitlines()]
    assert set(header) == {"sazon_recording", "sealed_under", "header"}
    assert all(set(line) == {"key", "sealed"} for line in lines)
    assert not any(word in content for word in (*LABELS, "big-1", provider.url, *PEOPLE))
    sent = provider.received
    assert ask_for(path, agree=False).asked == 0  # nothing is missing, so nobody is asked
    outcome = run(path)
    assert provider.received == sent
    assert outcome.evaluation.estimates["frontier"]["accuracy"].value == 1.0
    [frontier] = [c for c in outcome.candidates if c.name == "frontier"]
    assert frontier.facts["pseudonymised"] is True
    assert "under pseudonyms" in " ".join(note.words("en") for note in frontier.notes)


def test_the_log_holds_what_was_ruled_sent_and_answered(ready):
    path, _ = ready
    consent(path)
    ask_for(path)
    entries = [e for e in logged(path) if e["event"] in ("ruling", "sent", "answered")]
    assert [e["event"] for e in entries].count("answered") == 6
    ruling = next(e for e in entries if e["event"] == "ruling")
    assert ruling["purposes"] == ["evaluate", "infer.external"]
    assert (ruling["allow"], ruling["reason"], len(ruling["consents"])) == (True, "consented", 2)
    assert ruling["found"]["NIF"] == 1
    told = json.dumps(entries)
    assert not any(secret in told for secret in (*NIFS, *MAILS, NAME, *PEOPLE))


def test_public_data_is_logged_too_where_there_are_keys(tmp_path):
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url)
        path.write_text(path.read_text("utf-8").replace("task: classify", "public: true"), "utf-8")
        make_keys(path)
        made = ask_for(path)
        assert made.asked == 6
        assert NIFS[0].encode() in provider.received  # declared public: as it is
    assert "big-1" in made.path.read_text("utf-8")
    assert [e["event"] for e in logged(path)].count("answered") == 6


def test_a_text_that_cannot_be_looked_into_is_counted_and_never_sent(ready, monkeypatch):
    def broken(text: str) -> list[Any]:
        if "mensaje 3" in text:
            raise ValueError(text)
        return list(patterns(text))

    path, provider = ready
    consent(path)
    monkeypatch.setattr(
        "sazon.pipeline.asking_people.default_inspector",
        lambda names, timeout_s: Inspector({"broken": broken}, timeout_s=60.0, size_limit=10_000),
    )
    made = ask_for(path)
    assert (made.asked, made.blocked, len(provider.requests)) == (5, 1, 5)
    assert b"mensaje 3" not in provider.received
    outcome = run(path)
    [frontier] = [c for c in outcome.candidates if c.name == "frontier"]
    assert (frontier.facts["asked"], frontier.facts["blocked"]) == (5, 1)
    sheet = AnswerSheet.read(path.with_name("run") / "answers" / "frontier")
    assert (sheet.labels.count(None), sheet.errors.count("blocked")) == (1, 1)
    assert any(e["event"] == "ruling" and e["reason"] == "blocked.detector_failed" for e in logged(path))


def test_examples_come_from_who_consented_and_go_covered(tmp_path):
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url, live="live: true, shots: 4")
        make_keys(path)
        consent(path)
        ask_for(path)
        [instruction] = {r["messages"][0]["content"] for r in provider.requests}
        assert instruction.count("Label: ") == 4
        assert instruction.count("⟦NIF_") == 4
        assert not any(secret in instruction for secret in (*NIFS, *MAILS, NAME))
        people = {tuple(e["subjects"]) for e in logged(path) if e["event"] == "sent"}
        assert max(map(len, people)) > 1  # whose the examples are stands in the log with every text
        run(path)


def test_too_few_examples_are_refused_and_no_one_else_s_are_shown(tmp_path):
    with FakeProvider(label) as provider:
        path = write(tmp_path, provider.url, live="live: true, shots: 20")
        (tmp_path / "test.csv").write_text(
            "text,intent,who,class\n"
            + "".join(f'"{said(3 * i)}",{LABELS[i % 2]},{ANA},personal\n' for i in (0, 1)),
            "utf-8",
        )
        make_keys(path)
        consent(path, [ANA])
        refused(path, "of 20 examples may be shown")
        assert provider.received == b""
        path.write_text(path.read_text("utf-8").replace("shots: 20", "shots: 2"), "utf-8")
        assert ask_for(path).asked == 2
        assert len({s for e in logged(path) if e["event"] == "sent" for s in e["subjects"]}) == 1


# ------------------------------------------------------------------------ free text


def test_free_text_comes_back_restored_and_is_nowhere_in_clear(tmp_path):
    with FakeProvider(echo) as provider:
        path = write(
            tmp_path, provider.url, task="generate", live='live: true, shots: 2, instruction: "Repeat."'
        )
        path.write_text(path.read_text("utf-8").replace("  floor: {technique: majority}\n", ""), "utf-8")
        make_keys(path)
        consent(path)
        made = ask_for(path)
        received = provider.received.decode()
        assert not any(secret in received for secret in (*NIFS, *MAILS, NAME))
    run(path)
    with unlocked(recipe.read(path)):
        answers = {line.answer for line in read_recording(made.path).answers.values()}
        assert answers == {echo(said(i)) for i in range(6)}
        sheet = AnswerSheet.read(tmp_path / "run" / "answers" / "frontier")
        assert set(sheet.labels) == answers
    with pytest.raises(EnvironmentLacks, match="sealed"):
        AnswerSheet.read(tmp_path / "run" / "answers" / "frontier")
    for file in (tmp_path / "run").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(secret.encode() in content for secret in (*NIFS, *MAILS, NAME, "You said")), file


# --------------------------------------------------------------------------- keys


def test_another_process_with_the_same_keys_replays_and_one_with_others_does_not(ready):
    path, provider = ready
    consent(path)
    made = ask_for(path)
    sent = provider.received
    again = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sazon.cli.main import main; main()",
            "evaluate",
            str(path),
            "--offline",
            "--out",
            str(path.with_name("run")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert provider.received == sent
    with pytest.raises(EnvironmentLacks, match="sealed under the keyring"):
        read_recording(made.path)
    for name in ("key", "keys.json", "policy.db", "policy.db-wal", "policy.db-shm"):
        (path.parent / ".sazon" / name).unlink(missing_ok=True)
    (path.parent / "consents.jsonl").unlink()
    make_keys(path)
    with unlocked(recipe.read(path)), pytest.raises(IntegrityError, match="the keys here are of"):
        read_recording(made.path)


def test_what_was_recorded_sealed_can_be_learnt_from(ready):
    path, _ = ready
    consent(path)
    made = ask_for(path)
    rows = tuple(Example(id=str(i), input=said(i), target="") for i in range(6))
    seen = Dataset(name="seen", split="fit", examples=rows)
    data = TrainingData(fit=seen, validation=seen.select([]), labels=LABELS)
    with unlocked(recipe.read(path)):
        read = read_answers(made.path, data)
    assert [LABELS[i] for i in read.shares.argmax(axis=1)] == [LABELS[i % 2] for i in range(6)]
    with pytest.raises(EnvironmentLacks, match="sealed under the keyring"):
        read_answers(made.path, data)


def test_a_changed_or_moved_line_is_found_out(ready):
    path, _ = ready
    consent(path)
    made = ask_for(path)
    header, first, second, *rest = made.path.read_text("utf-8").splitlines()
    one, two = json.loads(first), json.loads(second)
    swapped = [json.dumps({**one, "sealed": two["sealed"]}), json.dumps({**two, "sealed": one["sealed"]})]
    made.path.write_text("\n".join([header, *swapped, *rest]) + "\n", "utf-8")
    with unlocked(recipe.read(path)), pytest.raises(IntegrityError, match="changed, or moved"):
        read_recording(made.path)


def test_an_erased_person_s_answers_cannot_be_read_again(ready):
    path, _ = ready
    consent(path)
    made = ask_for(path)
    before = made.path.read_bytes()
    with locks_of(path) as locks:
        locks.erase(EVA)
    with unlocked(recipe.read(path)):
        assert len(read_recording(made.path).answers) == 4
    assert made.path.read_bytes() == before
    consent(path, [EVA])  # comes back: what was answered before stays lost, and is asked anew
    assert ask_for(path).asked == 2
    with unlocked(recipe.read(path)):
        assert len(read_recording(made.path).answers) == 6


# --------------------------------------------------------------------------- judge


def test_the_judge_is_asked_about_people_under_the_same_rules(tmp_path):
    judge = "evaluate: {judge: {provider: frontier}}\n"
    with FakeProvider(lambda text: "right") as provider:
        path = write(tmp_path, provider.url, live="assumed: {accuracy: {p10: 0.5, p90: 0.9}}", more=judge)
        wanted, out = recipe.read(path), tmp_path / "run"
        with pytest.raises(PolicyRefused, match="sazon keys init"):
            pipeline.prepare_judge(wanted, out=out, offline=True)
        make_keys(path)
        consent(path, [ANA, LUIS])
        asking = pipeline.prepare_judge(wanted, out=out, offline=True)
        with pytest.raises(PolicyRefused, match="1 of 3 rows"):
            pipeline.record_answers(wanted, asking, ask=lambda words: True, spend=9.0)
        assert provider.received == b""
        consent(path, [EVA])
        asking = pipeline.prepare_judge(wanted, out=out, offline=True)
        made = pipeline.record_answers(wanted, asking, ask=lambda words: True, spend=9.0)
        assert made.asked == 3
        received = provider.received.decode()
        assert not any(secret in received for secret in (*NIFS, *MAILS, NAME))
        assert "right" not in made.path.read_text("utf-8")
        assert run(path).evaluation.estimates["floor"]["judge"].value == 1.0
