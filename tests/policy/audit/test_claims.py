"""Dossiers hold by themselves, show no more than they must, and fail when anything in them changes.

Everything is checked twice: by sazon, and by `tools/verify_audit.py`, which shares no code with it.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sazon.core.errors import DataError, IntegrityError
from sazon.policy.audit import claims
from sazon.policy.audit.claims import prove, read_document, verify_dossier
from sazon.policy.audit.log import AuditLog

TOOL = Path(__file__).parents[3] / "tools" / "verify_audit.py"
START = datetime(2026, 11, 3, 12, tzinfo=UTC)

_spec = importlib.util.spec_from_file_location("verify_audit", TOOL)
assert _spec is not None and _spec.loader is not None  # noqa: PT018
tool: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


def alone(document: Any, public: bytes, anchor: str | None = None) -> str | None:
    """What the stand-alone verifier says in this process; None where it refuses."""
    text = document if isinstance(document, str) else claims.written(document)
    try:
        return tool.check(text, public, anchor)
    except (tool.Wrong, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError):
        return None


def by_sazon(document: Any, public: bytes, anchor: Any = None) -> claims.Answer | None:
    try:
        return verify_dossier(read_document(json.dumps(document)), public, anchor=anchor)
    except IntegrityError:
        return None


@pytest.fixture
def log(log: AuditLog, sent) -> AuditLog:
    """Thirty entries, one a second: sent to three providers, one of them once with special data."""
    for n in range(30):
        if n % 5 == 4:
            log.append({"event": "consent", "subject": f"s{n}"})
        else:
            special = ("personal", "special") if n == 12 else ("personal",)
            log.append(sent(provider="abc"[n % 3], classes=special, request=f"{n:064x}"))
    return log


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


# ------------------------------------------------------------------------------ answers


def test_special_data_is_found_where_it_went_and_only_there(log: AuditLog, public: bytes) -> None:
    for provider, matches in (("a", 1), ("b", 0), ("c", 0)):
        dossier = prove(log, event="sent", classes="special", provider=provider)
        assert (dossier.answer.entries, dossier.answer.matches, dossier.answer.unknown) == (30, matches, 0)
        assert dossier.answer.none == (matches == 0)
        assert verify_dossier(read_document(dossier.text), public) == dossier.answer
        assert f"'matches': {matches}" in (alone(dossier.text, public) or "")


@pytest.mark.parametrize(
    ("since", "until", "entries", "listed"),
    [
        (None, None, 30, 30),
        (at(0), at(30), 30, 30),
        (at(5), at(9), 4, 6),
        (at(5), at(5), 0, 2),
        (at(0), at(1), 1, 2),
        (at(29), at(30), 1, 2),
        (at(-9), at(-5), 0, 1),
        (at(12) - timedelta(microseconds=1), at(12) + timedelta(microseconds=1), 1, 3),
        (at(12) + timedelta(microseconds=1), at(13), 0, 2),
    ],
)
def test_the_edges_of_the_time_are_proved_by_their_neighbours(log, public, since, until, entries, listed):
    dossier = prove(log, since=since, until=until, event="sent")
    assert (dossier.answer.entries, len(dossier.document["entries"])) == (entries, listed)
    assert by_sazon(dossier.document, public) == dossier.answer
    assert alone(dossier.document, public)


def test_only_what_the_question_needs_is_open(log: AuditLog) -> None:
    dossier = prove(log, since=at(9), until=at(15), event="sent", classes="special", provider="a")
    opened = [
        {name for name, shown in one.items() if not isinstance(shown, str)}
        for one in dossier.document["entries"]
    ]
    neighbour, other_event, not_special, all_of_it = (
        {"at"} | more for more in (set(), {"event"}, {"classes"}, {"event", "classes", "provider"})
    )
    assert opened == [
        neighbour, other_event, not_special, not_special, all_of_it, not_special, other_event, neighbour,
    ]  # fmt: skip
    further = prove(log, since=at(9), until=at(11), event="sent", opened=["model"]).document["entries"]
    assert ["model" in one and not isinstance(one["model"], str) for one in further] == [
        False,
        False,
        True,
        False,
    ]


def test_an_entry_without_the_field_asked_about_is_unknown_not_none(log: AuditLog, public: bytes) -> None:
    log.append({"event": "sent", "provider": "b"})
    log.append({"event": "sent", "provider": None, "classes": ["special"]})
    answer = prove(log, event="sent", classes="special", provider="b").answer
    assert (answer.matches, answer.unknown, answer.none) == (0, 1, False)
    dossier = prove(log, event="sent", classes="special", provider="b")
    assert by_sazon(dossier.document, public) == dossier.answer
    assert "'unknown': 1" in (alone(dossier.document, public) or "")


def test_counts_match_by_their_kinds_and_truth_is_not_one(log: AuditLog, public: bytes) -> None:
    assert prove(log, spans="nif").answer.matches == 24
    assert prove(log, spans=["phone", "email"]).answer.matches == 24
    assert prove(log, spans="phone", event="sent").answer.none
    log.append({"event": "ruling", "allow": 1})
    dossier = prove(log, allow=True)
    assert dossier.answer.matches == 24
    assert by_sazon(dossier.document, public) == dossier.answer
    assert alone(dossier.document, public)


def test_an_empty_log_answers_too(store, key, public, clock) -> None:
    dossier = prove(AuditLog(store, sign=key.sign, public=public, clock=clock), event="sent")
    assert dossier.answer.entries == 0
    assert by_sazon(dossier.document, public) == dossier.answer
    assert alone(dossier.document, public)


def test_a_reader_without_the_signing_key_proves_up_to_the_last_commit(log, store, public) -> None:
    reader = AuditLog(store, sign=None, public=public)
    dossier = prove(reader, at=reader.latest(), until=at(29), event="sent")
    assert dossier.answer.entries == 29
    with pytest.raises(DataError):
        prove(reader, at=reader.latest(), until=at(30), event="sent")


@pytest.mark.parametrize(
    "asked",
    [
        {"since": at(5), "until": at(4)},
        {"until": at(10_000)},
        {"since": datetime(2026, 11, 3)},
        {"classes": []},
    ],
)
def test_what_cannot_be_answered_is_refused(log: AuditLog, asked: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        prove(log, **asked)


# ------------------------------------------------------------------------------- attacks


def omit(d: dict[str, Any]) -> None:
    del d["entries"][3]
    d["answer"]["entries"] -= 1


def omit_first(d: dict[str, Any]) -> None:
    del d["entries"][0]
    d["begin"] += 1


def omit_last(d: dict[str, Any]) -> None:
    del d["entries"][-1]


def reorder(d: dict[str, Any]) -> None:
    d["entries"][2], d["entries"][3] = d["entries"][3], d["entries"][2]


def lie(d: dict[str, Any]) -> None:
    one = next(e for e in d["entries"] if "special" in json.dumps(e))
    one["classes"]["value"] = ["personal"]
    d["answer"]["matches"] = 0


def drop_field(d: dict[str, Any]) -> None:
    one = next(e for e in d["entries"] if "special" in json.dumps(e))
    del one["classes"]
    d["answer"].update(matches=0, unknown=1)


def close_field(d: dict[str, Any]) -> None:
    one = next(e for e in d["entries"] if "special" in json.dumps(e))
    shown = one["classes"]
    one["classes"] = claims.entry.commitment(
        bytes.fromhex(shown["salt"]), "classes", claims.entry.canonical(shown["value"])
    ).hex()
    d["answer"]["matches"] = 0


def rename_field(d: dict[str, Any]) -> None:
    one = next(e for e in d["entries"] if "special" in json.dumps(e))
    one["klasses"] = one.pop("classes")


def wrong_count(d: dict[str, Any]) -> None:
    d["answer"]["matches"] = 0


def narrower(d: dict[str, Any]) -> None:
    d["question"]["until"] = "2026-11-03T12:00:12.000000Z"
    d["answer"]["matches"] = 0


def wider(d: dict[str, Any]) -> None:
    d["question"]["since"] = "2026-11-03T11:00:00.000000Z"


def later(d: dict[str, Any]) -> None:
    d["question"]["until"] = "2026-12-01T00:00:00.000000Z"


def odd_time(d: dict[str, Any]) -> None:
    d["question"]["until"] = "2026-11-03T12:00:20"


def letter_by_letter(d: dict[str, Any]) -> None:
    d["question"]["where"]["classes"] = "special"
    d["answer"]["matches"] = 0


def nothing_asked(d: dict[str, Any]) -> None:
    d["question"]["where"]["classes"] = []
    d["answer"]["matches"] = 0


def moved(d: dict[str, Any]) -> None:
    d["begin"] -= 1


def longer_proof(d: dict[str, Any]) -> None:
    d["proof"].append("00" * 32)


def shorter_proof(d: dict[str, Any]) -> None:
    d["proof"].pop()


def smaller_log(d: dict[str, Any]) -> None:
    d["checkpoint"] = d["checkpoint"].replace("\n30\n", "\n21\n")


def other_format(d: dict[str, Any]) -> None:
    d["format"] = "sazon-audit-dossier-2"


def no_entries(d: dict[str, Any]) -> None:
    d.update(entries=[], proof=[])
    d["answer"].update(entries=0, matches=0)


ATTACKS = [
    omit, omit_first, omit_last, reorder, lie, drop_field, close_field, rename_field, wrong_count, narrower,
    wider, later, odd_time, letter_by_letter, nothing_asked, moved, longer_proof, shorter_proof,
    smaller_log, other_format, no_entries,
]  # fmt: skip


@pytest.fixture
def genuine(log: AuditLog) -> dict[str, Any]:
    asked = {"event": "sent", "classes": "special", "provider": "a"}
    return dict(prove(log, since=at(5), until=at(20), **asked).document)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_changed_dossier_fails_in_both_verifiers(genuine, public, attack: Callable[[Any], None]) -> None:
    assert by_sazon(genuine, public)
    assert alone(genuine, public)
    changed = copy.deepcopy(genuine)
    attack(changed)
    assert changed != genuine
    assert by_sazon(changed, public) is None
    assert alone(changed, public) is None


def test_another_key_fails_in_both_verifiers(genuine: dict[str, Any]) -> None:
    assert by_sazon(genuine, bytes(32)) is None
    assert alone(genuine, bytes(32)) is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_character_is_refused_or_changes_nothing(genuine, public, data: st.DataObject) -> None:
    """The proof of a subtree, an entry, a salt: whatever is changed, no other answer comes out."""
    text = claims.written(genuine)
    place = data.draw(st.integers(0, len(text) - 2))
    letter = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + letter + text[place + 1 :]
    kept = by_sazon(genuine, public)
    try:
        found = verify_dossier(read_document(changed), public)
    except IntegrityError:
        pass
    else:
        where = read_document(changed)["question"]["where"]
        assert (found, where) == (kept, genuine["question"]["where"]) or where != genuine["question"]["where"]
    said = alone(changed, public)
    assert (
        said is None or said == alone(genuine, public) or json.dumps(genuine["question"]["where"]) not in said
    )


def test_a_name_that_stands_twice_is_refused(genuine: dict[str, Any], public: bytes) -> None:
    text = claims.written(genuine).replace('"answer":{', '"answer":{"matches":0,', 1)
    with pytest.raises(IntegrityError):
        read_document(text)
    assert alone(text, public) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, "{}", '{"format":1}'])
def test_what_is_no_document_is_refused(text: str, public: bytes) -> None:
    assert alone(text, public) is None
    with pytest.raises(IntegrityError):
        verify_dossier(read_document(text), public)


# -------------------------------------------------------------------------------- anchors


def test_a_dossier_continues_the_checkpoint_the_reader_kept(log, sent, public, key, tmp_path) -> None:
    kept = log.latest()
    log.append(sent())
    dossier = prove(log, anchor=kept, event="sent")
    assert verify_dossier(dossier.document, public, anchor=kept) == dossier.answer
    assert alone(dossier.text, public, kept.text)
    silent = prove(log, event="sent")
    assert by_sazon(silent.document, public, kept) is None
    assert alone(silent.text, public, kept.text) is None
    # A second history, signed with the same key.
    from sazon.core.store import Store

    second = AuditLog(Store.open("sqlite:///second.db", root=tmp_path), sign=key.sign, public=public)
    second.append_many([sent() for _ in range(40)])
    forged = prove(second, event="sent").document | {"anchor": dossier.document["anchor"]}
    assert by_sazon(forged, public)
    assert by_sazon(forged, public, kept) is None
    assert alone(forged, public, kept.text) is None


def test_entries_and_continuations_are_proved_in_files_of_their_own(log, sent, public) -> None:
    kept = log.latest()
    log.append_many([sent() for _ in range(7)])
    shown = claims.prove_entry(log, 12, opened=["classes", "nothing"])
    assert claims.verify_entry(shown, public) == {"classes": ["personal", "special"]}
    assert "special" in (alone(shown, public) or "")
    for change in (
        {"index": 13},
        {"proof": shown["proof"][:-1]},
        {"proof": []},
        {"format": "x"},
        {"entry": {}},
    ):
        with pytest.raises(IntegrityError):
            claims.verify_entry(shown | change, public)
        assert alone(shown | change, public) is None
    grown = claims.prove_continuation(log, kept)
    assert claims.verify_continuation(grown, public) == (kept, log.latest())
    assert alone(grown, public)
    for proof in (grown["anchor"]["proof"][:-1], [*grown["anchor"]["proof"], "00" * 32], []):
        wrong = grown | {"anchor": {**grown["anchor"], "proof": proof}}
        with pytest.raises(IntegrityError):
            claims.verify_continuation(wrong, public)
        assert alone(wrong, public) is None


# --------------------------------------------------------------------- the tool as a process


def ran(file: Path, key: bytes, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", str(TOOL), str(file), "--key", key.hex(), *more],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_verifier_stands_alone(log: AuditLog, public: bytes, tmp_path: Path) -> None:
    source = TOOL.read_text("utf-8")
    assert "import sazon" not in source
    assert "from sazon" not in source
    file, anchor = tmp_path / "dossier.json", tmp_path / "kept.txt"
    anchor.write_text(log.latest().text, "utf-8")
    dossier = prove(log, anchor=log.latest(), event="sent", classes="special", provider="b")
    file.write_text(dossier.text)
    code, said = ran(file, public, "--anchor", str(anchor))
    assert (code, said[:6]) == (0, "holds:")
    assert "'entries': 30, 'matches': 0, 'unknown': 0" in said
    file.write_text(dossier.text.replace("2026-11-03T12:00:07", "2026-11-03T12:00:08"))
    code, said = ran(file, public)
    assert (code, said[:15]) == (1, "DOES NOT HOLD: ")
    code, said = ran(anchor, public)
    assert code == 0
    assert "30 entries" in said
    anchor.write_text(log.latest().text.replace("\n30\n", "\n31\n"), "utf-8")
    assert ran(anchor, public)[0] == 1
