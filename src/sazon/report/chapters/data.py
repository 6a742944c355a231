"""Chapter `data`: what the numbers rest on."""

from __future__ import annotations

from sazon.core.words import sentences
from sazon.report import cells
from sazon.report.document import Block, Cell, Chapter, Facts, Folded, Paragraph, Table
from sazon.report.evidence import PARTS, Evidence
from sazon.report.voice import Voice

_LONG = 10
"""Tables with more rows than this are folded away."""


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Rows, splits, what they are made of, and what the check found."""
    data = evidence.data
    facts = Facts(
        pairs=(
            (voice("data.name"), Cell(text=data.name)),
            (voice("data.licence"), Cell(text=data.licence or voice("data.licence_unknown"))),
            (voice("data.public"), Cell(text=voice("data.public_yes" if data.public else "data.public_no"))),
            (voice("data.how"), Cell(text=sentences(data.how_split, voice.language))),
        )
    )
    blocks: list[Block] = [facts, _rows(evidence, voice)]
    for part in PARTS:
        table = _part(evidence, part, voice)
        if table is not None:
            long = len(table.rows) > _LONG
            blocks.append(Folded(title=table.caption, blocks=(table,)) if long else table)
    blocks.append(_findings(evidence, voice))
    return Chapter(
        name="data", title=voice("data.title"), question=voice("data.question"), blocks=tuple(blocks)
    )


def _rows(evidence: Evidence, voice: Voice) -> Table:
    rows = evidence.data.rows
    return Table(
        caption=voice("data.rows"),
        head=(voice("data.split"), voice("data.count"), voice("data.purpose")),
        rows=tuple(
            (
                Cell(text=voice.term("split", split)),
                Cell(text=voice.number(n)),
                Cell(text=voice.term("purpose", split)),
            )
            for split, n in rows.items()
        ),
    )


def _part(evidence: Evidence, part: str, voice: Voice) -> Table | None:
    found = evidence.data.parts.get(part, {})
    if not found:
        return None
    splits = tuple(evidence.data.rows)
    return Table(
        caption=voice(f"data.by_{part}"),
        head=(voice(f"column.{part}"), *(voice.term("split", s) for s in splits), voice("data.all")),
        rows=tuple(
            (
                Cell(text=voice.term(part, value) if part in ("language", "sensitivity") else value),
                *(Cell(text=voice.number(counts.get(s, 0))) for s in splits),
                Cell(text=voice.number(sum(counts.values()))),
            )
            for value, counts in found.items()
        ),
    )


def _findings(evidence: Evidence, voice: Voice) -> Block:
    if not evidence.findings:
        return Paragraph(text=voice("data.no_findings"), quiet=True)
    return Table(
        caption=voice("data.findings_table"),
        head=tuple(voice(f"finding.{c}") for c in ("level", "what", "where", "mend")),
        rows=tuple(
            (
                cells.level(f, voice),
                Cell(text=voice.phrase(f.says)),
                Cell(text=f.where),
                Cell(text=voice.phrase(f.mends) if f.mends is not None else ""),
            )
            for f in evidence.findings
        ),
    )
