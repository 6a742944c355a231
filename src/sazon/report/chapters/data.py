"""Chapter `data`: what the numbers rest on."""

from __future__ import annotations

from sazon.core.suspects import Suspect, Suspects
from sazon.core.words import sentences
from sazon.report import cells
from sazon.report.document import Block, Cell, Chapter, Facts, Folded, Heading, Paragraph, Table
from sazon.report.evidence import PARTS, SUSPECTS_SHOWN, Evidence
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
    if evidence.suspects is not None:
        blocks += _suspects(evidence.suspects, evidence, voice)
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


def _suspects(found: Suspects, evidence: Evidence, voice: Voice) -> list[Block]:
    """Labels worth a second look: how many, how sure that is, and the most doubtful ones."""
    blocks: list[Block] = [Heading(text=voice("data.suspects_title"))]
    equal = voice(
        "data.suspects_equal",
        copies=voice.number(found.copies),
        conflicting=voice.number(len(found.conflicting)),
    )
    if found.skipped is not None:
        return [*blocks, Paragraph(text=f"{voice.phrase(found.skipped)} {equal}")]
    accuracy = voice.estimate(found.accuracy, badge=False)
    told = voice(
        "data.suspects",
        rows=voice.number(found.rows),
        suspects=voice.number(len(found.suspects)),
        features=found.features,
        accuracy=f"{accuracy.text} ({accuracy.interval})" if accuracy.interval else accuracy.text,
        expected=voice.number(found.expected.value or 0),
        low=voice.number(found.expected.low or 0),
        high=voice.number(found.expected.high or 0),
    )
    left = voice("data.suspects_left_out", rows=voice.number(found.left_out)) if found.left_out else ""
    fate = "data.suspects_dropped" if found.dropped else "data.suspects_kept"
    fated = voice(fate, dropped=voice.number(found.dropped)) if found.suspects else ""
    blocks.append(Paragraph(text=" ".join(part for part in (told, left, fated, equal) if part)))
    if found.suspects:
        rows = tuple(_suspect(s, evidence, voice) for s in found.suspects[:SUSPECTS_SHOWN])
        head = tuple(voice(f"data.suspect_{c}") for c in ("row", "given", "likelier", "margin"))
        blocks.append(Table(caption=voice("data.suspects_table"), head=head, rows=rows))
    return blocks


def _suspect(suspect: Suspect, evidence: Evidence, voice: Voice) -> tuple[Cell, ...]:
    text = evidence.inputs_shown.get(suspect.example)
    return (
        Cell(text=text, tone="plain") if text is not None else Cell(text=suspect.example[:12], code=True),
        Cell(text=suspect.given),
        Cell(text=suspect.likelier, note=voice.share(suspect.probability, digits=0)),
        Cell(text=voice.signed(suspect.margin, digits=2)),
    )
