"""Chapter `policy`: what leaves the organisation, and on whose word."""

from __future__ import annotations

from sazon.core.exchange import Exchange, Exchanges
from sazon.report import cells
from sazon.report.document import Block, Cell, Chapter, Facts, Heading, Paragraph, Table, Tone
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Exits, basis, and where each option would send requests."""
    out = [c for c in evidence.candidates if c.providers]
    blocks: list[Block] = []
    if evidence.policy:
        pairs = tuple(
            (voice.term("policy.fact", k), Cell(text=_fact(k, v, voice))) for k, v in evidence.policy.items()
        )
        blocks.append(Facts(pairs=pairs))
    key = "policy.would_leave" if out else "policy.none_leave"
    blocks.append(Paragraph(text=voice(key, names=", ".join(c.name for c in out))))
    blocks.append(
        Table(
            caption=voice("policy.table"),
            head=(voice("adapt.candidate"), voice("first.column.leaves"), voice("policy.placement")),
            rows=tuple(
                (
                    cells.named(c, voice),
                    cells.leaves(c, voice),
                    Cell(text=voice.term("placement", c.placement)),
                )
                for c in cells.in_order(evidence)
            ),
            chosen=cells.rows_of(evidence, evidence.decision.choice),
            mark=cells.mark(evidence, voice),
        )
    )
    if evidence.exchanges is not None:
        blocks += _at_the_gate(evidence.exchanges, voice)
    return Chapter(
        name="policy", title=voice("policy.title"), question=voice("policy.question"), blocks=tuple(blocks)
    )


def _at_the_gate(found: Exchanges, voice: Voice) -> list[Block]:
    """What was asked of a provider, what the gate said, what left, and what proves it."""
    columns = ("asked", "ruling", "left", "answered", "log")
    verified = Cell(text=voice("policy.yes" if found.verified else "policy.no"), tone=_tone(found.verified))
    proof = voice("policy.gate.proof_counts", sent=found.sent, entries=found.entries)
    facts = {"receipt": Cell(text=found.receipt, code=True), "proof": Cell(text=proof), "verified": verified}
    return [
        Heading(text=voice("policy.gate.title")),
        Paragraph(text=voice("policy.gate.intro")),
        Table(
            caption=voice("policy.gate.table"),
            head=tuple(voice(f"policy.gate.{name}") for name in columns),
            rows=tuple(_exchange(one, voice) for one in found.exchanges),
            stack=True,
        ),
        Facts(pairs=tuple((voice(f"policy.gate.{name}"), cell) for name, cell in facts.items())),
    ]


def _exchange(one: Exchange, voice: Voice) -> tuple[Cell, ...]:
    whose = voice(
        "policy.gate.whose", subject=one.subject, data_class=voice.term("policy.class", one.data_class)
    )
    left = (
        voice("policy.gate.bytes", count=voice.number(one.bytes_left))
        if one.bytes_left
        else voice("policy.nothing")
    )
    restored = voice("policy.gate.restored") if one.restored else (one.label or "")
    return (
        Cell(text=voice("policy.gate.message", example=one.example[:12]), note=whose),
        Cell(text=voice.phrase(one.ruling), tone=_tone(one.allowed)),
        Cell(text=left, note=" ".join(one.markers)),
        Cell(text=one.answered_by, note=restored),
        Cell(text=", ".join(voice.term("policy.event", event) for event in one.events)),
    )


def _tone(good: bool) -> Tone:
    return "good" if good else "bad"


def _fact(key: str, value: str, voice: Voice) -> str:
    """A known value in the reader's words, any other as it is; an empty one says what that means."""
    if not value:
        return voice(
            "policy.no_basis"
            if key == "basis"
            else "policy.every"
            if key == "exits_denied"
            else "policy.nothing"
        )
    return voice.term("policy.value", value) if " " not in value else value
