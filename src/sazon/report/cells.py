"""Cells that more than one chapter needs: a candidate's name, its gates, whether data leaves."""

from __future__ import annotations

from sazon.core.types import Candidate, Estimate, Finding
from sazon.report.document import Cell, Tone
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def named(candidate: Candidate, voice: Voice) -> Cell:
    """The candidate's name with its technique in words."""
    return Cell(text=candidate.name, note=voice.term("technique", candidate.technique))


def leaves(candidate: Candidate, voice: Voice) -> Cell:
    """Whether requests leave the organisation, and to whom."""
    if candidate.providers:
        told = voice("leaves.yes", providers=", ".join(candidate.providers))
        return Cell(text=told, tone="warn")
    if candidate.placement == "local":
        return Cell(text=voice("leaves.no"), tone="good")
    return Cell(text=voice(f"leaves.{candidate.placement}"), tone="warn")


def gates(evidence: Evidence, candidate: str, voice: Voice) -> Cell:
    """All gates of one candidate in one cell: passed, or the ones it fails."""
    found = [v for v in evidence.decision.gates if v.candidate == candidate]
    if not found:
        return voice.missing(voice("gates.none"))
    failed = [voice.term("gate", v.gate) for v in found if v.passed is False]
    unknown = [voice.term("gate", v.gate) for v in found if v.passed is None]
    if failed:
        return Cell(text=voice("gates.fails"), note=", ".join(failed + unknown), tone="bad")
    if unknown:
        return Cell(text=voice("gates.unknown"), note=", ".join(unknown), tone="warn")
    return Cell(text=voice("gates.passes"), tone="good")


def p_best(evidence: Evidence, candidate: str, voice: Voice) -> Cell:
    """Probability that the candidate is the best, as text and bar."""
    found = dict(evidence.decision.ranking).get(candidate)
    if found is None:
        return voice.missing(voice("best.outside"))
    return probability(found, voice)


def probability(estimate: Estimate, voice: Voice) -> Cell:
    """A probability without decimals; more would pretend."""
    if estimate.value is None:
        return voice.missing(estimate.undefined)
    low, high = voice.percent("1"), voice.percent("99")
    text = voice.share(estimate.value, digits=0)
    if 0 < estimate.value < 0.01:
        text = f"<{low}"
    elif 0.99 < estimate.value < 1:
        text = f">{high}"
    return Cell(text=text, bar=estimate.value)


def in_order(evidence: Evidence) -> list[Candidate]:
    """Candidates as the decision ranks them, then the rest as the recipe names them."""
    ranked = [name for name, _ in evidence.decision.ranking]
    rest = [c.name for c in evidence.candidates if c.name not in ranked]
    known = {c.name: c for c in evidence.candidates}
    return [known[name] for name in (*ranked, *rest) if name in known]


def rows_of(evidence: Evidence, name: str | None) -> tuple[int, ...]:
    """The row of a candidate in a table in that order."""
    return tuple(i for i, c in enumerate(in_order(evidence)) if c.name == name)


def level(finding: Finding, voice: Voice) -> Cell:
    """A finding's weight."""
    tones: dict[str, Tone] = {"error": "bad", "warning": "warn", "note": "muted"}
    return Cell(text=voice(f"finding.{finding.level}"), tone=tones[finding.level])


def mark(evidence: Evidence, voice: Voice) -> str:
    """What the first option is called: chosen, or only ahead."""
    return voice("first.choice" if evidence.decision.status == "decided" else "first.ahead")
