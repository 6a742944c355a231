"""Chapter `decide`: the gates, the ranking, how sure, and what would flip it."""

from __future__ import annotations

from collections.abc import Mapping

from sazon.core.types import Verdict
from sazon.report import cells
from sazon.report.document import Block, Bullets, Cell, Chapter, Heading, Paragraph, Table, Tone
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """How the evidence became a choice."""
    decision = evidence.decision
    blocks: list[Block] = [Paragraph(text=voice("decide.how"))]
    if decision.gates:
        blocks.append(_gates(evidence, voice))
    blocks.append(_ranking(evidence, voice))
    for what in ("reasons", "flips"):
        sentences = evidence.sentences(what, voice.language)
        if sentences:
            blocks += [Heading(text=voice(f"decide.{what}")), Bullets(items=sentences)]
    if decision.status == "undecided":
        blocks.append(Heading(text=voice("decide.labels")))
        labels = voice.estimate(decision.labels_needed, badge=False)
        blocks.append(Paragraph(text=f"{labels.text} {labels.note}".strip()))
    blocks += _certificates(evidence, voice)
    return Chapter(
        name="decide", title=voice("decide.title"), question=voice("decide.question"), blocks=tuple(blocks)
    )


def _gates(evidence: Evidence, voice: Voice) -> Table:
    names = list(dict.fromkeys(v.gate for v in evidence.decision.gates))
    found = {(v.candidate, v.gate): v for v in evidence.decision.gates}
    words = evidence.gate_words(voice.language)
    order = [c for c in cells.in_order(evidence) if any((c.name, g) in found for g in names)]
    return Table(
        caption=voice("decide.gates_table"),
        head=(voice("adapt.candidate"), *(voice.term("gate", g) for g in names)),
        rows=tuple(
            (cells.named(c, voice), *(_verdict(found.get((c.name, g)), words, voice) for g in names))
            for c in order
        ),
        chosen=tuple(i for i, c in enumerate(order) if c.name == evidence.decision.choice),
        mark=cells.mark(evidence, voice),
    )


def _verdict(verdict: Verdict | None, words: Mapping[tuple[str, str], str], voice: Voice) -> Cell:
    if verdict is None:
        return voice.missing("")
    key, tone = {True: ("passed", "good"), False: ("failed", "bad"), None: ("unknown", "warn")}[
        verdict.passed
    ]
    tones: dict[str, Tone] = {"good": "good", "bad": "bad", "warn": "warn"}
    return Cell(text=voice(f"decide.{key}"), note=words[verdict.candidate, verdict.gate], tone=tones[tone])


def _ranking(evidence: Evidence, voice: Voice) -> Block:
    ranking = evidence.decision.ranking
    if not ranking:
        return Paragraph(text=voice("decide.nobody"))
    return Table(
        caption=voice("decide.ranking"),
        head=(voice("adapt.candidate"), voice("first.column.best")),
        rows=tuple((Cell(text=name), cells.probability(p, voice)) for name, p in ranking),
        chosen=tuple(i for i, (name, _) in enumerate(ranking) if name == evidence.decision.choice),
        mark=cells.mark(evidence, voice),
        foot=voice("best.caption"),
    )


def _certificates(evidence: Evidence, voice: Voice) -> list[Block]:
    held = [(c, c.certificate) for c in evidence.candidates if c.certificate is not None]
    if not held:
        return []
    columns = ("candidate", "statement", "local_share", "harm", "n", "certificate_labels")
    table = Table(
        caption=voice("decide.certificates_table"),
        head=tuple(voice(f"decide.{c}") for c in columns),
        rows=tuple(
            (
                Cell(text=c.name, note=voice.told(held_by.algorithm)),
                Cell(text=voice.phrase(held_by.says)),
                voice.estimate(held_by.local_share),
                voice.estimate(held_by.harm),
                Cell(text=voice.number(held_by.n)),
                Cell(
                    text=voice.number(held_by.labels_needed)
                    if held_by.labels_needed is not None
                    else voice("missing_dash")
                ),
            )
            for c, held_by in held
        ),
        stack=True,
    )
    return [Heading(text=voice("decide.certificates")), table]
