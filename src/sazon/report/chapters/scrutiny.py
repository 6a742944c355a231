"""How far the measurements can be trusted: a part of the chapter `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence

from sazon.core.types import Candidate, Estimate, FairnessGap, Overlap, Robustness
from sazon.report import cells, charts
from sazon.report.document import Block, Cell, Figure, Heading, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice


def blocks(evidence: Evidence, voice: Voice) -> list[Block]:
    """Winner's luck, calibration, error overlap, robustness, leakage and fairness, where looked at."""
    return [
        *_winner(evidence, voice),
        *_reliability(evidence, voice),
        *_overlap(evidence, voice),
        *_robustness(evidence, voice),
        *_leakage(evidence, voice),
        *_fairness(evidence, voice),
    ]


def p_value(value: float | None, voice: Voice) -> Cell:
    """A p with three digits; less would be noise, more would pretend."""
    if value is None:
        return voice.missing("")
    floor = voice.number(0.001, digits=3)
    return Cell(text=f"<{floor}" if value < 0.001 else voice.number(value, digits=3))


def _winner(evidence: Evidence, voice: Voice) -> list[Block]:
    """What the best accuracy is worth once it is remembered that it was picked as the best."""
    corrected = evidence.evaluation.winner
    raw = [
        (e["accuracy"].value, name)
        for name, e in evidence.evaluation.estimates.items()
        if e["accuracy"].kind == "measured" and e["accuracy"].value is not None
    ]
    if corrected is None or corrected.value is None or not raw:
        return []
    value, name = max((v, n) for v, n in raw if v is not None)
    told = voice.estimate(corrected)
    interval = f" ({told.interval})" if told.interval else ""
    text = voice("scrutiny.winner", name=name, raw=voice.share(value), corrected=f"{told.text}{interval}")
    return [Heading(text=voice("scrutiny.winner_title")), Paragraph(text=text)]


def _reliability(evidence: Evidence, voice: Voice) -> list[Block]:
    """The reliability diagram: said against kept."""
    drawn = charts.reliability(evidence, voice)
    if drawn is None:
        return []
    told = []
    for candidate in cells.in_order(evidence):
        estimate = evidence.evaluation.estimates.get(candidate.name, {}).get("calibration_error")
        if estimate is not None and estimate.value is not None:
            told.append(f"{candidate.name}: {voice.share(estimate.value)}")
    return [
        Heading(text=voice("scrutiny.reliability_title")),
        Figure(
            name="reliability",
            title=voice("scrutiny.reliability_figure"),
            wide=drawn.wide,
            narrow=drawn.narrow,
            words=voice("scrutiny.reliability_words", rows="; ".join(told)),
            caption=voice("scrutiny.reliability_caption"),
        ),
    ]


def _overlap(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.evaluation.overlap
    if not found:
        return []
    heads = ("pair", "both_wrong", "same_wrong", "homogenisation", "yule_q")
    table = Table(
        caption=voice("scrutiny.overlap_table"),
        head=tuple(voice(f"scrutiny.{h}") for h in heads),
        rows=tuple(_pair(o, voice) for o in found),
        foot=voice("scrutiny.overlap_foot"),
    )
    return [Heading(text=voice("scrutiny.overlap_title")), table]


def _pair(overlap: Overlap, voice: Voice) -> tuple[Cell, ...]:
    return (
        Cell(text=f"{overlap.first} · {overlap.second}"),
        voice.estimate(overlap.both_wrong, badge=False),
        voice.estimate(overlap.same_wrong, badge=False),
        voice.estimate(overlap.homogenisation, badge=False),
        voice.estimate(overlap.yule_q, badge=False),
    )


def _robustness(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.evaluation.robustness
    if not found:
        return []
    by_place = {(r.candidate, r.perturbation, r.language): r for r in found}
    changes = list(dict.fromkeys((r.perturbation, r.language) for r in found))
    feet = ("foot", "translated") if any(p == "swapped_language" for p, _ in changes) else ("foot",)
    order = _seen_in(evidence, {r.candidate for r in found})
    table = Table(
        caption=voice("scrutiny.robustness_table"),
        head=(voice("adapt.candidate"), *(_change(*change, voice) for change in changes)),
        rows=tuple(
            (cells.named(c, voice), *(_shaken(by_place.get((c.name, *change)), voice) for change in changes))
            for c in order
        ),
        foot=" ".join(voice(f"scrutiny.robustness_{part}") for part in feet),
    )
    return [Heading(text=voice("scrutiny.robustness_title")), table]


def _change(perturbation: str, language: str, voice: Voice) -> str:
    """What was changed; in rows of one language, from which."""
    said = voice.term("perturbation", perturbation)
    if not language:
        return said
    return voice("scrutiny.from_language", change=said, language=voice.term("language", language))


def _shaken(row: Robustness | None, voice: Voice) -> Cell:
    if row is None:
        return voice.missing("")
    if row.drop.value is None:
        return voice.missing(row.drop.undefined)
    drop = row.drop
    # Shown as what happens to the accuracy: a drop is a minus.
    turned = Estimate(
        value=-(drop.value or 0.0),
        low=None if drop.high is None else -drop.high,
        high=None if drop.low is None else -drop.low,
        level=drop.level,
        unit=drop.unit,
        method=drop.method,
        n=drop.n,
    )
    cell = voice.difference(turned)
    note = (
        "" if row.changed.value is None else voice("scrutiny.changed", share=voice.share(row.changed.value))
    )
    return Cell(text=cell.text, interval=cell.interval, note=note)


def _leakage(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.evaluation.leakage
    if not found:
        return []
    order = _seen_in(evidence, {name for leak in found for name in leak.without})
    table = Table(
        caption=voice("scrutiny.leakage_table"),
        head=(
            voice("scrutiny.likeness"),
            voice("scrutiny.leaked"),
            *(voice("scrutiny.without", name=c.name) for c in order),
        ),
        rows=tuple(
            (
                Cell(text=voice(f"scrutiny.{leak.likeness}")),
                voice.estimate(leak.rows, badge=False),
                *(voice.estimate(leak.without.get(c.name), badge=False) for c in order),
            )
            for leak in found
        ),
        foot=voice("scrutiny.leakage_foot"),
    )
    return [Heading(text=voice("scrutiny.leakage_title")), table]


def _fairness(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.evaluation.fairness
    if not found:
        return []
    heads = ("group_column", "option", "best_group", "worst_group", "gap", "p_gap")
    table = Table(
        caption=voice("scrutiny.fairness_table"),
        head=tuple(voice(f"scrutiny.{h}") for h in heads),
        rows=tuple(_gap(g, voice) for g in found),
        foot=voice("scrutiny.fairness_foot"),
    )
    return [Heading(text=voice("scrutiny.fairness_title")), table]


def _gap(gap: FairnessGap, voice: Voice) -> tuple[Cell, ...]:
    return (
        Cell(text=voice.term("column", gap.column)),
        Cell(text=gap.candidate),
        Cell(text=voice.told(gap.best)),
        Cell(text=voice.told(gap.worst)),
        voice.difference(gap.gap),
        p_value(gap.p_corrected, voice),
    )


def _seen_in(evidence: Evidence, names: set[str]) -> Sequence[Candidate]:
    return [c for c in cells.in_order(evidence) if c.name in names]
