"""Blocks of chapter `economics`: bad futures, what to find out first, waiting and leaving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sazon.core.outlook import BreakEven, Crossing
from sazon.core.types import Candidate, Estimate, Waiting
from sazon.report import cells
from sazon.report.document import Block, Bullets, Cell, Folded, Heading, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice, quantity

RISKS = ("value_at_risk", "expected_shortfall", "event_loss", "event_loss_shortfall", "regret")
"""Quantities of the table of bad futures, in its order."""
MOST_INFLUENCES = 10
DEPENDENCE = ("loss_if_gone", "cost_to_leave", "effective_suppliers")


ENERGY = ("energy", "energy_per_1000_requests", "carbon", "carbon_per_1000_requests")


def breaks(evidence: Evidence, voice: Voice) -> list[Block]:
    """Where each option costs as much as the cheapest other one."""
    found = {b.name: b for b in evidence.costs.outlook.breaks}
    shown = [c for c in cells.in_order(evidence) if c.name in found]
    if not shown:
        return []
    table = Table(
        caption=voice("futures.break_table"),
        head=(
            voice("adapt.candidate"),
            *(voice(f"futures.{c}") for c in ("against", "demand", "above", "utilisation", "month")),
        ),
        rows=tuple(_break(c, found[c.name], voice) for c in shown),
        chosen=cells.rows_of(evidence, evidence.decision.choice),
        mark=cells.mark(evidence, voice),
        foot=voice("futures.break_foot"),
        stack=True,
    )
    return [Heading(text=voice("futures.break_title")), table]


def _break(candidate: Candidate, found: BreakEven, voice: Voice) -> tuple[Cell, ...]:
    return (
        cells.named(candidate, voice),
        Cell(text=found.against),
        _crossing(found.demand, voice),
        voice.estimate(found.above, badge=False),
        _crossing(found.utilisation, voice),
        _crossing(replace(found.month, at=replace(found.month.at, unit="")), voice),
    )


def _crossing(found: Crossing, voice: Voice) -> Cell:
    """Where, and in how many futures nowhere."""
    cell = voice.estimate(found.at, badge=False)
    if found.nowhere.value is None:
        return cell
    return replace(cell, note=voice("futures.nowhere", share=voice.share(found.nowhere.value, digits=0)))


def influences(evidence: Evidence, voice: Voice) -> list[Block]:
    """Sobol' indices of the inputs that matter, with the fit behind them."""
    outlook = evidence.costs.outlook
    if not outlook.influences or outlook.fit.value is None:
        return []
    if all(i.total.value is None for i in outlook.influences):
        return [Paragraph(text=voice("futures.no_influence", fit=voice.share(outlook.fit.value, digits=0)))]
    table = Table(
        caption=voice("futures.influence_table"),
        head=(voice("economics.input"), voice("futures.first"), voice("futures.total")),
        rows=tuple(
            (
                Cell(text=voice.driver(i.name)),
                voice.estimate(i.first, badge=False),
                voice.estimate(i.total, badge=False),
            )
            for i in outlook.influences[:MOST_INFLUENCES]
        ),
        foot=voice("futures.influence_foot", fit=voice.share(outlook.fit.value, digits=0)),
    )
    return [Folded(title=voice("futures.influence_table"), blocks=(table,))]


def energy(evidence: Evidence, voice: Voice) -> list[Block]:
    """Energy and carbon of each option."""
    shown = _present(evidence, ENERGY)
    if not shown:
        return []
    title = voice("futures.energy_title")
    table = _table(evidence, shown, title, voice("futures.energy_foot"), voice)
    return [Folded(title=title, blocks=(table,))]


def blocks(evidence: Evidence, voice: Voice) -> list[Block]:
    """All of them; nothing where nothing is known."""
    parts = (_bad, _beaten, _unknown, _waiting, _dependence)
    return [block for part in parts for block in part(evidence, voice)]


def _bad(evidence: Evidence, voice: Voice) -> list[Block]:
    shown = _present(evidence, RISKS)
    if not shown:
        return []
    level = evidence.costs.outlook.tail_level
    worst = voice.share(1 - level, digits=0)
    foot = voice("futures.bad_foot", level=voice.share(level, digits=0), worst=worst)
    if "event_loss" not in shown:
        foot += " " + voice("futures.no_events")
    caption = voice("futures.bad_table", currency=evidence.currency)
    return [Heading(text=voice("futures.bad_title")), _table(evidence, shown, caption, foot, voice)]


def _present(evidence: Evidence, quantities: Sequence[str]) -> list[str]:
    known = {q for by_quantity in evidence.costs.summary.values() for q in by_quantity}
    return [q for q in quantities if q in known]


def _table(evidence: Evidence, quantities: Sequence[str], caption: str, foot: str, voice: Voice) -> Table:
    def cell(name: str, wanted: str) -> Cell:
        return voice.estimate(quantity(evidence.costs, name, wanted), badge=False)

    return Table(
        caption=caption,
        head=(voice("adapt.candidate"), *(voice.term("quantity", q) for q in quantities)),
        rows=tuple(
            (cells.named(c, voice), *(cell(c.name, q) for q in quantities)) for c in cells.in_order(evidence)
        ),
        chosen=cells.rows_of(evidence, evidence.decision.choice),
        mark=cells.mark(evidence, voice),
        foot=foot,
    )


def _beaten(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.costs.outlook.dominated
    if not found:
        return []
    told = tuple(voice(f"futures.beaten_{d.order}", name=d.name, by=d.by) for d in found)
    return [Paragraph(text=voice("futures.beaten")), Bullets(items=told)]


def _unknown(evidence: Evidence, voice: Voice) -> list[Block]:
    outlook = evidence.costs.outlook
    if outlook.everything.value is None or not outlook.unknowns:
        return []
    table = Table(
        caption=voice("futures.unknown_table"),
        head=(voice("economics.input"), voice("futures.worth"), voice("futures.share")),
        rows=tuple(
            (
                Cell(text=voice.driver(u.name)),
                voice.estimate(u.worth, badge=False),
                voice.estimate(u.share, badge=False),
            )
            for u in outlook.unknowns
        ),
        foot=voice("futures.unknown_foot"),
    )
    told = voice("futures.everything", worth=voice.money(outlook.everything.value))
    return [Heading(text=voice("futures.unknown_title")), Paragraph(text=told), table]


def _waiting(evidence: Evidence, voice: Voice) -> list[Block]:
    found = evidence.costs.outlook.waiting
    if not found:
        return []
    told = tuple(_wait(w, voice) for w in found)
    return [Heading(text=voice("futures.waiting_title")), Bullets(items=told)]


def _wait(waiting: Waiting, voice: Voice) -> str:
    """What waiting is worth, and the rule in words where it is worth anything."""
    loses = (waiting.value.value or 0.0) < 0
    saved = voice.estimate(_turned(waiting.value) if loses else waiting.value, badge=False)
    moves = waiting.moves.value
    told = voice(
        "futures.waiting_loses" if loses else "futures.waiting",
        start=waiting.start,
        then=waiting.then,
        commit=waiting.commit,
        value=f"{saved.text} ({saved.interval})" if saved.interval else saved.text,
        moves=voice.share(moves, digits=0) if moves is not None else voice("missing"),
    )
    if waiting.value.low is None or waiting.value.low <= 0:
        return f"{told} {voice('futures.waiting_nothing', commit=waiting.commit)}"
    if waiting.requests_per_day is None or (waiting.simple_value.value or 0.0) <= 0:
        return f"{told} {voice('futures.waiting_no_rule')}"
    rule = voice(
        "futures.waiting_above" if waiting.above else "futures.waiting_below",
        then=waiting.then,
        level=voice.amount(waiting.requests_per_day),
        months=voice.number(waiting.months),
        value=voice.estimate(waiting.simple_value, badge=False).text,
    )
    return f"{told} {rule}"


def _turned(estimate: Estimate) -> Estimate:
    """A negative saving is a cost."""
    value, low, high = (None if x is None else -x for x in (estimate.value, estimate.high, estimate.low))
    return replace(estimate, value=value, low=low, high=high)


def _dependence(evidence: Evidence, voice: Voice) -> list[Block]:
    shown = _present(evidence, DEPENDENCE)
    if not shown:
        return []
    caption = voice("futures.dependence_table", currency=evidence.currency)
    table = _table(evidence, shown, caption, voice("futures.dependence_foot"), voice)
    return [Heading(text=voice("futures.dependence_title")), table]
