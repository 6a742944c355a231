"""Chapter `policy`: what leaves the organisation, and on whose word."""

from __future__ import annotations

from sazon.report import cells
from sazon.report.document import Block, Cell, Chapter, Facts, Paragraph, Table
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
    return Chapter(
        name="policy", title=voice("policy.title"), question=voice("policy.question"), blocks=tuple(blocks)
    )


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
