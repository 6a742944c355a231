"""Chapter `economics`: what each option costs, how surely, and on which inputs that rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sazon.core.types import Kind
from sazon.report import cells, charts
from sazon.report.chapters import futures
from sazon.report.document import Block, Cell, Chapter, Figure, Folded, Heading, Note, Paragraph, Table
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice, quantity

STALE_DAYS = 180
_FIRST = ("total", "p_cheapest", "per_1000_requests", "per_1000_correct", "break_even_requests_per_day")
"""The rest is folded away."""


def chapter(evidence: Evidence, voice: Voice) -> Chapter:
    """Quality against cost, the cost over time, drivers and inputs."""
    costs = evidence.costs
    intro = voice(
        "economics.intro",
        draws=voice.number(len(costs.values)),
        months=voice.number(costs.months),
        currency=costs.currency,
        day=voice.day(costs.prices_as_of),
    )
    blocks: list[Block] = [Paragraph(text=intro)]
    blocks += [f for f in (_plane(evidence, voice),) if f is not None]
    blocks += _tables(evidence, voice)
    blocks += futures.energy(evidence, voice)
    blocks += futures.breaks(evidence, voice)
    blocks += [f for f in (_fan(evidence, voice), _tornado(evidence, voice)) if f is not None]
    blocks += futures.influences(evidence, voice)
    blocks += futures.blocks(evidence, voice)
    blocks += _inputs(evidence, voice)
    return Chapter(
        name="economics",
        title=voice("economics.title"),
        question=voice("economics.question"),
        blocks=tuple(blocks),
    )


def _plane(evidence: Evidence, voice: Voice) -> Figure | None:
    drawn = charts.plane(evidence, voice)
    if drawn is None:
        return None
    told = []
    for candidate in cells.in_order(evidence):
        accuracy = voice.estimate(evidence.evaluation.estimates.get(candidate.name, {}).get("accuracy"))
        total = voice.estimate(quantity(evidence.costs, candidate.name, "total"), badge=False)
        told.append(f"{candidate.name}: {accuracy.text}, {total.text}")
    months = voice.number(evidence.costs.months)
    caption = voice("plane.caption", months=months, level=voice.share(evidence.level, digits=0))
    if drawn.left_out:
        caption += " " + voice("plane.left_out", names=", ".join(drawn.left_out))
    return Figure(
        name="plane",
        title=voice("plane.title"),
        wide=drawn.wide,
        narrow=drawn.narrow,
        words=voice("plane.words", rows="; ".join(told)),
        caption=caption,
    )


def _tables(evidence: Evidence, voice: Voice) -> list[Block]:
    """What counts, then what it is made of, folded away."""
    present = {q for by_quantity in evidence.costs.summary.values() for q in by_quantity}
    first = [q for q in _FIRST if q in present]
    elsewhere = {*_FIRST, *futures.RISKS, *futures.DEPENDENCE, *futures.ENERGY}
    rest = sorted(present - elsewhere)
    caption = voice("economics.table", currency=evidence.currency)
    blocks: list[Block] = [_table(evidence, first, caption, voice)]
    if rest:
        title = voice("economics.parts", currency=evidence.currency)
        blocks.append(Folded(title=title, blocks=(_table(evidence, rest, title, voice),)))
    return blocks


def _table(evidence: Evidence, quantities: Sequence[str], caption: str, voice: Voice) -> Table:
    return Table(
        caption=caption,
        head=(voice("adapt.candidate"), *(voice.term("quantity", q) for q in quantities)),
        rows=tuple(
            (cells.named(c, voice), *(_quantity(evidence, c.name, q, voice) for q in quantities))
            for c in cells.in_order(evidence)
        ),
        chosen=cells.rows_of(evidence, evidence.decision.choice),
        mark=cells.mark(evidence, voice),
        foot=voice("economics.table_foot"),
    )


def _quantity(evidence: Evidence, candidate: str, name: str, voice: Voice) -> Cell:
    found = quantity(evidence.costs, candidate, name)
    if name == "p_cheapest" and found is not None:
        return cells.probability(found, voice)
    return voice.estimate(found)


def _fan(evidence: Evidence, voice: Voice) -> Figure | None:
    drawn = charts.fan(evidence, voice)
    if drawn is None:
        return None
    told = []
    for name, months in evidence.costs.timeline.items():
        low, middle, high = (voice.money(x) for x in months[-1])
        told.append(voice("fan.row", candidate=name, low=low, middle=middle, high=high))
    caption = voice("fan.caption")
    if drawn.left_out:
        caption += " " + voice("fan.left_out", names=", ".join(drawn.left_out))
    return Figure(
        name="fan",
        title=voice("fan.title", months=voice.number(evidence.costs.months)),
        wide=drawn.wide,
        narrow=drawn.narrow,
        words=voice("fan.words", months=voice.number(evidence.costs.months), rows="; ".join(told)),
        caption=caption,
    )


def _tornado(evidence: Evidence, voice: Voice) -> Figure | None:
    drawn = charts.tornado(evidence, voice)
    if drawn is None:
        return None
    told = [
        f"{voice.driver(name)}: {voice.signed(e.value, digits=2)}"
        for name, e in evidence.costs.drivers.items()
        if e.value is not None
    ]
    return Figure(
        name="tornado",
        title=voice("tornado.title"),
        wide=drawn.wide,
        narrow=drawn.narrow,
        words=voice("tornado.words", rows="; ".join(told)),
        caption=voice("tornado.caption"),
    )


# ------------------------------------------------------------------------- inputs


def _inputs(evidence: Evidence, voice: Voice) -> list[Block]:
    inputs = evidence.costs.inputs
    if not inputs:
        return []
    made = _day(evidence.made_at)
    stale = [i for i in inputs if _age(i, made) > STALE_DAYS]
    blocks: list[Block] = [Heading(text=voice("economics.inputs_title"))]
    if stale:
        names = ", ".join(voice.driver(str(i.get("name"))) for i in stale)
        told = voice("economics.stale", n=voice.number(len(stale)), days=STALE_DAYS, names=names)
        blocks.append(Note(text=told, tone="warn"))
    table = Table(
        caption=voice("economics.inputs_table"),
        head=tuple(voice(f"economics.{c}") for c in ("input", "value", "range", "kind", "source", "date")),
        rows=tuple(_input(i, made, voice) for i in inputs),
    )
    blocks.append(Folded(title=voice("economics.inputs_open", n=voice.number(len(inputs))), blocks=(table,)))
    return blocks


def _input(given: Mapping[str, str | float | None], made: date | None, voice: Voice) -> tuple[Cell, ...]:
    unit = str(given.get("unit") or "")
    kind = given.get("kind")
    known: Kind | None = kind if kind in ("measured", "published", "assumed") else None  # type: ignore[assignment]  # narrowed by `in`
    between = _between(given.get("low"), given.get("high"), voice)
    day = str(given.get("date") or "")
    old = _age(given, made) > STALE_DAYS
    return (
        Cell(text=voice.driver(str(given.get("name") or "")), note=voice.unit(unit)),
        Cell(text=_written(given.get("value"), voice)),
        Cell(text=between),
        Cell(text=voice.kind(known) if known else str(kind or ""), kind=known),
        Cell(text=voice.told(str(given.get("source") or ""))),
        Cell(
            text=voice.day(day) if day else voice("economics.undated"),
            note=voice("economics.old", days=STALE_DAYS) if old else "",
            tone="warn" if old else "" if day else "muted",
        ),
    )


def _written(value: str | float | None, voice: Voice) -> str:
    if value is None:
        return voice("missing_dash")
    return value if isinstance(value, str) else voice.plain(value)


def _between(low: str | float | None, high: str | float | None, voice: Voice) -> str:
    """A range as written; nothing where it is a single value or none."""
    if low is None or high is None or low == high:
        return ""
    if isinstance(low, str) or isinstance(high, str) or low >= 0:
        return f"{_written(low, voice)}–{_written(high, voice)}"
    return voice("range", low=_written(low, voice), high=_written(high, voice))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01" if len(text) == len("2026-11") else text[:10])
    except ValueError:
        return None


def _age(given: Mapping[str, str | float | None], made: date | None) -> int:
    """Days between an input's date and the report; 0 where either has none."""
    day = _day(str(given.get("date") or ""))
    return (made - day).days if day is not None and made is not None else 0
