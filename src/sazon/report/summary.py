"""The first screen: what the person who signs has to know."""

from __future__ import annotations

from sazon.core.types import Candidate, Estimate, SliceRow
from sazon.report import cells
from sazon.report.document import Block, Bullets, Cell, Heading, Note, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice, quantity


def figures(evidence: Evidence, voice: Voice) -> tuple[tuple[str, Cell], ...]:
    """The few numbers under the verdict."""
    decision = evidence.decision
    found: list[tuple[str, Cell]] = []
    if decision.choice is not None:
        choice = evidence.candidate(decision.choice)
        found.append((voice("first.p_best"), cells.probability(decision.confidence, voice)))
        found.append((voice("first.accuracy"), voice.estimate(_accuracy(evidence, choice.name))))
        total = quantity(evidence.costs, choice.name, "total")
        months = voice.number(evidence.costs.months)
        found.append((voice("first.total", months=months), voice.estimate(total)))
        found.append((voice("first.leaves"), cells.leaves(choice, voice)))
    if decision.status == "undecided":
        found.append((voice("first.labels"), voice.estimate(decision.labels_needed, badge=False)))
    return tuple(found)


def blocks(evidence: Evidence, voice: Voice) -> tuple[Block, ...]:
    """The table of options, quality by language, and what would change our mind."""
    by_language = _by_language(evidence, voice)
    return (
        *_why(evidence, voice),
        _options(evidence, voice),
        *((by_language,) if by_language is not None else ()),
        Heading(text=voice("first.flips_title")),
        *_flips(evidence, voice),
    )


def _why(evidence: Evidence, voice: Voice) -> tuple[Block, ...]:
    reasons = evidence.sentences("reasons", voice.language)
    return (Bullets(items=reasons),) if reasons else ()


def _accuracy(evidence: Evidence, candidate: str) -> Estimate | None:
    return evidence.evaluation.estimates.get(candidate, {}).get("accuracy")


def _options(evidence: Evidence, voice: Voice) -> Table:
    money = {"currency": evidence.currency, "months": voice.number(evidence.costs.months)}
    columns = ("option", "accuracy", "difference", "latency", "correct", "total", "leaves", "best", "gates")
    reference = evidence.evaluation.reference
    return Table(
        caption=voice("first.table", n=voice.number(evidence.evaluation.n), task=evidence.name),
        head=tuple(voice(f"first.column.{c}", reference=reference, **money) for c in columns),
        rows=tuple(_option(evidence, c, voice) for c in cells.in_order(evidence)),
        chosen=cells.rows_of(evidence, evidence.decision.choice),
        mark=cells.mark(evidence, voice),
        stack=True,
        foot=voice(
            "first.foot",
            level=voice.share(evidence.level, digits=0),
            reference=reference,
            currency=evidence.currency,
            day=voice.day(evidence.costs.prices_as_of),
            margin=voice.points(evidence.evaluation.margin),
        ),
    )


def _option(evidence: Evidence, candidate: Candidate, voice: Voice) -> tuple[Cell, ...]:
    name = candidate.name
    estimates = evidence.evaluation.estimates.get(name, {})
    claim = evidence.evaluation.differences.get(name)
    difference = voice.difference(claim.estimate if claim else None)
    if name == evidence.evaluation.reference:
        difference = Cell(text=voice("first.reference"), tone="muted")
    return (
        cells.named(candidate, voice),
        voice.estimate(estimates.get("accuracy")),
        difference,
        voice.estimate(estimates.get("latency_p95_s")),
        voice.estimate(quantity(evidence.costs, name, "per_1000_correct")),
        voice.estimate(quantity(evidence.costs, name, "total")),
        cells.leaves(candidate, voice),
        cells.p_best(evidence, name, voice),
        cells.gates(evidence, name, voice),
    )


def _by_language(evidence: Evidence, voice: Voice) -> Table | None:
    rows = [r for r in evidence.evaluation.slices if r.column == "language" and r.metric == "accuracy"]
    if not rows:
        return None
    languages = list(dict.fromkeys(r.value for r in rows))
    sizes = {r.value: r.estimate.n for r in rows if r.estimate.n is not None}
    found: dict[tuple[str, str], SliceRow] = {(r.candidate, r.value): r for r in rows}
    order = [c for c in cells.in_order(evidence) if any((c.name, v) in found for v in languages)]
    heads = [
        voice("first.slice_head", value=voice.term("language", v), n=voice.number(sizes[v]))
        if v in sizes
        else voice.term("language", v)
        for v in languages
    ]
    choice = evidence.decision.choice
    return Table(
        caption=voice("first.by_language"),
        head=(voice("first.column.option"), *heads),
        rows=tuple(
            (cells.named(c, voice), *(_slice(found.get((c.name, v)), voice) for v in languages))
            for c in order
        ),
        chosen=tuple(i for i, c in enumerate(order) if c.name == choice),
        mark=cells.mark(evidence, voice),
    )


def _slice(row: SliceRow | None, voice: Voice) -> Cell:
    return voice.estimate(row.estimate if row else None)


def _flips(evidence: Evidence, voice: Voice) -> tuple[Block, ...]:
    decision = evidence.decision
    found: list[Block] = []
    if decision.status == "undecided":
        labels = decision.labels_needed
        if labels.value is not None:
            told = voice("first.label_more", n=voice.plain(labels.value))
        else:
            told = voice("first.labels_cannot", reason=voice.told(labels.undefined))
        found.append(Note(text=told, tone="warn"))
    flips = evidence.sentences("flips", voice.language)
    found.append(Bullets(items=flips) if flips else Paragraph(text=voice("first.no_flips"), quiet=True))
    return tuple(found)
