"""Answers from the log that somebody else can check without it.

    dossier = prove(log, since=january, event="sent", classes="special", provider="acme")
    dossier.answer                   how many entries there are, how many match, how many cannot be told
    path.write_text(dossier.text)
    verify_dossier(read_document(path.read_text()), public)      or tools/verify_audit.py, anywhere

A dossier holds every entry of the time asked about, one after another under a signed root, so none can
be left out. Of each entry only what the question needs is open: its time, and the fields asked about up
to the first that rules it out. It proves what the log says. That something was never recorded, no log
can show.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sazon.core.errors import DataError, IntegrityError
from sazon.policy.audit import checkpoint, entry, merkle
from sazon.policy.audit.checkpoint import Checkpoint
from sazon.policy.audit.entry import Entry
from sazon.policy.audit.log import AuditLog

DOSSIER, INCLUSION, CONSISTENCY = (
    f"sazon-audit-{kind}-1" for kind in ("dossier", "inclusion", "consistency")
)
Where = Mapping[str, Sequence[str | bool | int]]
"""Fields and the values looked for; a list or counts match where one of their words does."""
Verdict = Literal["match", "other", "unknown", "closed"]
_FIRST = ("event",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the entries of the time asked about say."""

    since: str
    """First moment asked about, UTC."""
    until: str
    """First moment not asked about any more."""
    entries: int
    """Recorded in that time."""
    matches: int
    """Of those, entries that have all that was asked."""
    unknown: int
    """Entries that lack a field asked about, and that nothing else rules out."""

    @property
    def none(self) -> bool:
        """Whether nothing of the kind was recorded, for certain."""
        return self.matches == self.unknown == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Dossier:
    """An answer with its proof; stands alone."""

    answer: Answer
    document: Mapping[str, Any]
    """The whole content, as `docs/audit.md` describes it."""

    @property
    def text(self) -> str:
        """The file to hand over: JSON."""
        return written(self.document)


# ------------------------------------------------------------------------------ making


def prove(
    log: AuditLog,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    at: Checkpoint | None = None,
    anchor: Checkpoint | None = None,
    opened: Collection[str] | None = (),
    **where: str | bool | Sequence[str],
) -> Dossier:
    """Answer how many entries of a time have certain values, with the proof.

    Args:
        log: where to look.
        since: first moment asked about; default: since the log began.
        until: first moment not asked about; default: the time of the checkpoint.
        at: checkpoint to stand on; default: one signed now.
        anchor: an earlier checkpoint that the reader keeps; the dossier then also proves that this log
            continues it.
        opened: further fields to open in every entry of that time; None opens all.
        **where: field and value, or values of which one is enough, e.g. `event="sent"`,
            `classes=["special"]`, `provider="acme"`.

    Raises:
        DataError: the time is not covered by the checkpoint, or a value is missing.
        IntegrityError: the log is damaged.
    """
    note = log.checkpoint() if at is None else at
    start = entry.moment(0) if since is None else entry.moment_of(since)
    end = note.time if until is None else entry.moment_of(until)
    if not start <= end <= note.time:
        raise DataError(
            "the time asked about must begin before it ends, and end before the checkpoint",
            where=f"{start} – {end}, checkpoint of {note.time}",
        )
    wanted = {
        name: [value] if isinstance(value, (str, bool)) else list(value) for name, value in where.items()
    }
    if not all(wanted.values()):
        raise DataError("a field without a value matches nothing", where="audit")
    low, high = log.first_at(start, size=note.size), log.first_at(end, size=note.size)
    # The entries just before and after show where the time begins and ends.
    begin, last = max(0, low - 1), min(note.size, high + 1)
    found = log.entries(begin, last)
    openings = []
    for one in found:
        shown = one.fields if opened is None else _needed(one, wanted) | set(opened)
        openings.append(one.opening(shown if low <= one.index < high else {"at"}))
    answer = _count([_verdict(one, wanted) for one in openings[low - begin : high - begin]], start, end)
    document = {
        "format": DOSSIER,
        "question": {"since": start, "until": end, "where": wanted},
        "answer": {"entries": answer.entries, "matches": answer.matches, "unknown": answer.unknown},
        "checkpoint": note.text,
        "begin": begin,
        "entries": openings,
        "proof": _hexes(log.range_proof(begin, last, note.size)) if found else [],
    }
    if anchor is not None:
        document["anchor"] = _continuation(log, anchor, note)
    return Dossier(answer=answer, document=document)


def _needed(one: Entry, where: Where) -> set[str]:
    """The time, and the fields asked about up to the first that rules the entry out."""
    needed = {"at"}
    for name in sorted(where, key=lambda name: (name not in _FIRST, name)):
        needed.add(name)
        if name in one.fields and not _holds(one.fields[name], where[name]):
            return {"at", name}
    return needed


def prove_entry(log: AuditLog, index: int, *, opened: Collection[str]) -> dict[str, Any]:
    """One entry with its inclusion proof (RFC 9162); only the named fields are open.

    Raises:
        IntegrityError: there is no such entry.
    """
    note = log.latest()
    proof = log.prove(index, size=note.size)
    [found] = log.entries(index, index + 1)
    return {
        "format": INCLUSION,
        "checkpoint": note.text,
        "index": index,
        "entry": found.opening(opened),
        "proof": _hexes(proof),
    }


def prove_continuation(log: AuditLog, anchor: Checkpoint) -> dict[str, Any]:
    """That the log as it stands continues an earlier checkpoint (RFC 9162).

    Raises:
        IntegrityError: the log is shorter than that.
    """
    note = log.latest()
    return {"format": CONSISTENCY, "checkpoint": note.text, "anchor": _continuation(log, anchor, note)}


def _continuation(log: AuditLog, anchor: Checkpoint, note: Checkpoint) -> dict[str, Any]:
    proof = _hexes(log.consistency(anchor.size, note.size)) if anchor.size else []
    return {"checkpoint": anchor.text, "proof": proof}


def written(document: Mapping[str, Any]) -> str:
    """A document as the file to hand over."""
    return json.dumps(document, separators=(",", ":")) + "\n"


# --------------------------------------------------------------------------- verifying


def read_document(text: str) -> dict[str, Any]:
    """Read the text of a document; a name that stands twice is refused.

    Raises:
        IntegrityError: it is not one.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise IntegrityError("this is not a proof that sazon has written") from None
    if not isinstance(found, dict):
        raise IntegrityError("this is not a proof that sazon has written")
    return found


def verify_dossier(document: Mapping[str, Any], public: bytes, *, anchor: Checkpoint | None = None) -> Answer:
    """Check a dossier by itself: signature, every entry, their order, the time, and the count.

    Args:
        document: its content.
        public: Ed25519 key of the log, had from its keeper beforehand.
        anchor: a checkpoint the reader has kept; the dossier must continue it.

    Raises:
        IntegrityError: anything does not fit.
    """
    try:
        return _checked_dossier(document, public, anchor)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError("the dossier is not in its form") from None


def _checked_dossier(document: Mapping[str, Any], public: bytes, anchor: Checkpoint | None) -> Answer:
    if document["format"] != DOSSIER:
        raise IntegrityError("this is not a dossier of a known form")
    note = _note_of(document, public, anchor)
    question, begin = document["question"], document["begin"]
    since, until, where = question["since"], question["until"], question["where"]
    if not (_is_time(since) and _is_time(until) and since <= until <= note.time):
        raise IntegrityError("the question is not covered by the checkpoint")
    # A word where a list is due would be read letter by letter, and match nothing.
    if not all(isinstance(values, list) and values for values in where.values()):
        raise IntegrityError("the question does not list the values it asks for")
    read = [entry.read_opening(one) for one in document["entries"]]
    if note.size:
        leaves = [leaf for leaf, _ in read]
        merkle.verify_range(leaves, begin, note.size, _unhex(document["proof"]), note.root)
    elif read or note.root != merkle.EMPTY:
        raise IntegrityError("the checkpoint is of a log without entries")
    times = [str(opened.get("at")) for _, opened in read]
    if not all(map(_is_time, times)) or times != sorted(times):
        raise IntegrityError("an entry does not show its time, or stands in the wrong order")
    if note.size and (
        (begin > 0 and times[0] >= since) or (begin + len(times) < note.size and times[-1] < until)
    ):
        raise IntegrityError("the entries do not cover the time asked about")
    inside = [one for one, at in zip(document["entries"], times, strict=True) if since <= at < until]
    answer = _count([_verdict(one, where) for one in inside], since, until)
    if document["answer"] != {k: getattr(answer, k) for k in ("entries", "matches", "unknown")}:
        raise IntegrityError("the count is wrong")
    return answer


def verify_entry(document: Mapping[str, Any], public: bytes) -> dict[str, Any]:
    """Check a proof of one entry; returns the fields that are open.

    Raises:
        IntegrityError: anything does not fit.
    """
    try:
        if document["format"] != INCLUSION:
            raise IntegrityError("this is not a proof of an entry")
        note = _note_of(document, public, None)
        leaf, opened = entry.read_opening(document["entry"])
        merkle.verify_inclusion(leaf, document["index"], note.size, _unhex(document["proof"]), note.root)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError("the proof is not in its form") from None
    return opened


def verify_continuation(document: Mapping[str, Any], public: bytes) -> tuple[Checkpoint, Checkpoint]:
    """Check a proof of continuation; returns the earlier and the later checkpoint.

    Raises:
        IntegrityError: anything does not fit.
    """
    try:
        if document["format"] != CONSISTENCY:
            raise IntegrityError("this is not a proof of continuation")
        anchor = checkpoint.parse(document["anchor"]["checkpoint"])
        return anchor, _note_of(document, public, anchor)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError("the proof is not in its form") from None


def _note_of(document: Mapping[str, Any], public: bytes, anchor: Checkpoint | None) -> Checkpoint:
    """The checkpoint of a document, signed by the key and continuing the anchor."""
    note = checkpoint.parse(document["checkpoint"]).check(public)
    if anchor is None or anchor == note:
        return note
    anchor.check(public)
    shown = document.get("anchor")
    if shown is None or shown["checkpoint"] != anchor.text:
        raise IntegrityError("the document does not say how it continues this checkpoint")
    if anchor.origin != note.origin or (anchor.size == 0 and shown["proof"]):
        raise IntegrityError("the later log does not continue the earlier one")
    if anchor.size:
        merkle.verify_consistency(anchor.size, note.size, _unhex(shown["proof"]), anchor.root, note.root)
    return note


def _verdict(opening: Mapping[str, Any], where: Where) -> Verdict:
    """Whether an opened entry has what is asked: one open field that differs is enough to rule it out."""
    missing = closed = False
    for name, values in where.items():
        shown = opening.get(name)
        if shown is None:
            missing = True
        elif isinstance(shown, str):
            closed = True
        elif not _holds(shown["value"], values):
            return "other"
    return "closed" if closed else "unknown" if missing else "match"


def _holds(value: Any, wanted: Sequence[Any]) -> bool:
    """Whether a value is one of those wanted, or holds one; compared as written, so 1 is not true."""
    several = list(value) if isinstance(value, (list, tuple, Mapping)) else [value]
    return not {entry.canonical(one) for one in several}.isdisjoint(entry.canonical(one) for one in wanted)


def _count(verdicts: Sequence[Verdict], since: str, until: str) -> Answer:
    if "closed" in verdicts:
        raise IntegrityError("a field that the question needs is closed")
    return Answer(
        since=since,
        until=until,
        entries=len(verdicts),
        matches=verdicts.count("match"),
        unknown=verdicts.count("unknown"),
    )


def _is_time(text: Any) -> bool:
    return isinstance(text, str) and checkpoint.TIME.fullmatch(text) is not None


def _hexes(hashes: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


def _unhex(hashes: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hashes]
