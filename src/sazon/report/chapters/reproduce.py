"""Chapter `reproduce`: how to get the same numbers again."""

from __future__ import annotations

from sazon.report.document import Block, Cell, Chapter, Code, Facts, Folded, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Command, seed, digests, versions, seconds per stage."""
    pairs = [
        (voice("reproduce.seed"), Cell(text=str(evidence.seed), code=True)),
        (voice("reproduce.made"), Cell(text=voice.day(evidence.made_at))),
        (voice("reproduce.looks"), Cell(text=voice.number(evidence.looks))),
    ]
    if evidence.recipe_digest:
        pairs.append((voice("reproduce.recipe"), Cell(text=evidence.recipe_digest[:16], code=True)))
    blocks: list[Block] = [
        Paragraph(text=voice("reproduce.intro")),
        Code(text=evidence.command),
        Facts(pairs=tuple(pairs)),
        Paragraph(text=voice("reproduce.look_once" if evidence.looks <= 1 else "reproduce.look_often")),
    ]
    blocks += [t for t in (_seconds(evidence, voice),) if t is not None]
    blocks.append(Folded(title=voice("reproduce.digests_open"), blocks=(_digests(evidence, voice),)))
    if evidence.versions:
        blocks.append(Folded(title=voice("reproduce.versions_open"), blocks=(_versions(evidence, voice),)))
    return Chapter(
        name="reproduce",
        title=voice("reproduce.title"),
        question=voice("reproduce.question"),
        blocks=tuple(blocks),
    )


def _seconds(evidence: Evidence, voice: Voice) -> Table | None:
    if not evidence.seconds:
        return None
    rows = [(Cell(text=stage), Cell(text=voice.seconds(spent))) for stage, spent in evidence.seconds.items()]
    rows.append(
        (Cell(text=voice("reproduce.total")), Cell(text=voice.seconds(sum(evidence.seconds.values()))))
    )
    return Table(
        caption=voice("reproduce.seconds_table"),
        head=(voice("reproduce.stage"), voice("reproduce.seconds")),
        rows=tuple(rows),
    )


def _digests(evidence: Evidence, voice: Voice) -> Table:
    found = [(voice.term("split", s), d) for s, d in evidence.data.digests.items()]
    found += [(c.name, c.artifact.digest) for c in evidence.candidates if c.artifact is not None]
    return Table(
        caption=voice("reproduce.digests"),
        head=(voice("reproduce.what"), "SHA-256"),
        rows=tuple((Cell(text=name), Cell(text=value, code=True)) for name, value in found),
    )


def _versions(evidence: Evidence, voice: Voice) -> Table:
    return Table(
        caption=voice("reproduce.versions"),
        head=(voice("reproduce.package"), voice("reproduce.version")),
        rows=tuple((Cell(text=k), Cell(text=v, code=True)) for k, v in evidence.versions.items()),
    )
