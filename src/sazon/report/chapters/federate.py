"""Chapter `federate`: did training together pay, and what is protected."""

from __future__ import annotations

from sazon.core.types import Candidate, Estimate
from sazon.report.chapters.adapt import effort, told
from sazon.report.document import Block, Cell, Chapter, Note, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

_POOLED, _ALONE, _GAP = "pooled", "alone.", "difference_to_pooled"
_OWN = {"together": "own.", "pooled": "pooled_own.", "alone_own": "alone_own."}
"""Arm → beginning of its metrics on each site's own validation rows."""


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Federated candidates against the same training pooled and at each site alone."""
    together = [c for c in evidence.candidates if c.technique == "federate"]
    blocks: list[Block] = []
    if not together:
        blocks.append(Paragraph(text=voice("federate.nothing"), quiet=True))
    else:
        if not all(c.facts.get("protected") is True for c in together):
            blocks.append(Note(text=voice("federate.unprotected"), tone="warn"))
        blocks.append(effort(together, voice, caption=voice("federate.effort")))
        for candidate in together:
            blocks += _compared(candidate, voice)
            blocks += _own_rows(candidate, voice)
            blocks += _test_by_site(evidence, candidate, voice)
        blocks += told(together, voice)
    return Chapter(
        name="federate",
        title=voice("federate.title"),
        question=voice("federate.question"),
        blocks=tuple(blocks),
    )


def _compared(candidate: Candidate, voice: Voice) -> list[Block]:
    """All validation rows: together, pooled, each site alone; and the difference that counts."""
    found = candidate.validation
    arms: list[tuple[str, Estimate]] = []
    if "accuracy" in found:
        arms.append((voice("federate.together"), found["accuracy"]))
    if _POOLED in found:
        arms.append((voice("federate.pooled"), found[_POOLED]))
    lone = [(n.removeprefix(_ALONE), e) for n, e in found.items() if n.startswith(_ALONE)]
    arms += [(voice("federate.alone", site=site), e) for site, e in lone]
    if len(arms) < 2:
        return []
    blocks: list[Block] = [
        Table(
            caption=voice("federate.compared", candidate=candidate.name),
            head=(voice("federate.arm"), voice("federate.accuracy")),
            rows=tuple((Cell(text=name), voice.estimate(e)) for name, e in arms),
            chosen=(0,),
        )
    ]
    gap = found.get(_GAP)
    if gap is not None and gap.value is not None:
        blocks.append(_verdict(gap, voice))
    return blocks


def _verdict(gap: Estimate, voice: Voice) -> Note:
    """Together against pooled in one sentence."""
    cell = voice.difference(gap)
    key = "even"
    if gap.high is not None and gap.high < 0:
        key = "worse"
    elif gap.low is not None and gap.low > 0:
        key = "better"
    return Note(
        text=voice(f"federate.{key}", gap=f"{cell.text} ({cell.interval})"),
        tone="warn" if key == "worse" else "",
    )


def _own_rows(candidate: Candidate, voice: Voice) -> list[Block]:
    """Each site's own validation rows: who serves it best."""
    found = candidate.validation
    arms = {arm: mark for arm, mark in _OWN.items() if any(name.startswith(mark) for name in found)}
    marks = tuple(arms.values())
    sites = list(dict.fromkeys(n.split(".", 1)[1] for n in found if n.startswith(marks))) if marks else []
    if len(arms) < 2 or not sites:
        return []
    rows = tuple(
        (Cell(text=voice(f"federate.{arm}")), *(voice.estimate(found.get(f"{mark}{site}")) for site in sites))
        for arm, mark in arms.items()
    )
    return [Table(caption=voice("federate.own"), head=(voice("federate.arm"), *sites), rows=rows)]


def _test_by_site(evidence: Evidence, candidate: Candidate, voice: Voice) -> list[Block]:
    """Test accuracy by site: the federated candidate beside the one it was made of."""
    rows = [r for r in evidence.evaluation.slices if r.column == "site" and r.metric == "accuracy"]
    found = {(r.candidate, r.value): r.estimate for r in rows}
    sites = list(dict.fromkeys(r.value for r in rows if r.candidate == candidate.name))
    shown = [n for n in (candidate.name, *candidate.parents) if any((n, s) in found for s in sites)]
    if not sites:
        return []
    table = Table(
        caption=voice("federate.by_site"),
        head=(voice("adapt.candidate"), *sites),
        rows=tuple(
            (Cell(text=name), *(voice.estimate(found.get((name, s))) for s in sites)) for name in shown
        ),
        chosen=(0,),
    )
    return [table]
