"""Forest plot: paired differences to the reference, zero and the not-worse margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sazon.core.types import Estimate, Kind
from sazon.report import cells
from sazon.report.charts.drawing import INK, QUIET, Drawn, Size, draw, kinds, label_width
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

_FAR = 0.30
"""A difference beyond this (in shares) does not widen the axis; it is marked at its edge."""


def forest(evidence: Evidence, voice: Voice) -> Drawn | None:
    """Paired differences to the reference, zero and the not-worse margin as lines."""
    rows = []
    for candidate in cells.in_order(evidence):
        claim = evidence.evaluation.differences.get(candidate.name)
        if (
            claim is not None
            and claim.estimate.value is not None
            and candidate.name != evidence.evaluation.reference
        ):
            rows.append((candidate.name, claim.estimate, claim.estimate.value))
    if not rows:
        return None
    near = [e for _, e, value in rows if abs(value) <= _FAR] or [e for _, e, _ in rows]
    bounds = [100 * x for e in near for x in (e.low, e.high, e.value) if x is not None]
    margin = 100 * evidence.evaluation.margin
    edges = (1.15 * min(*bounds, -2 * margin), 1.15 * max(*bounds, 2 * margin))
    values = [_forest_row(name, e, 100 * value, edges, voice) for name, e, value in rows]
    present = [e.kind for _, e, _ in rows]
    return draw("forest", lambda size: _forest(values, present, edges, evidence, voice, size), voice)


def _forest_row(
    name: str, estimate: Estimate, value: float, edges: tuple[float, float], voice: Voice
) -> dict[str, Any]:
    low = 100 * estimate.low if estimate.low is not None else value
    high = 100 * estimate.high if estimate.high is not None else value
    left, right = edges
    told = voice.difference(estimate)
    return {
        "name": name,
        "kind": voice.kind(estimate.kind),
        "value": min(max(value, left), right),
        "low": min(max(low, left), right),
        "high": min(max(high, left), right),
        "inside": left <= value <= right,
        "left": value < 0,
        "told": told.text,
    }


def _forest(
    values: Sequence[dict[str, Any]],
    present: Sequence[Kind],
    edges: tuple[float, float],
    evidence: Evidence,
    voice: Voice,
    size: Size,
) -> Any:
    import altair as alt

    colour, shape = kinds(present, voice)
    order = [v["name"] for v in values]
    axis = alt.Axis(
        title=voice("forest.axis", reference=evidence.evaluation.reference),
        labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~f')",
        tickCount=7,
    )
    x = alt.X("value:Q", scale=alt.Scale(domain=list(edges), nice=False), axis=axis)
    y = alt.Y(
        "name:N",
        sort=order,
        axis=alt.Axis(
            title=None, domain=False, ticks=False, labelColor=INK, labelFontSize=size.font, grid=False
        ),
    )
    base = alt.Chart(alt.Data(values=list(values))).encode(y=y)
    inside = base.transform_filter("datum.inside")
    marks = [
        inside.mark_rule(strokeWidth=2.2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour),
        inside.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=colour, shape=shape),
    ]
    if size.name == "wide":
        told = inside.mark_text(align="left", dx=9, color=INK, fontSize=size.font - 1)
        marks.append(told.encode(x=alt.value("width"), text="told:N"))
    layers = [*_lines(-100 * evidence.evaluation.margin), *marks, *_beyond(base, size)]
    room = label_width(order, size) + (90 if size.name == "wide" else 20)
    return alt.layer(*layers).properties(width=size.width - room, height=30 * len(values) + 8)


def _lines(margin: float) -> list[Any]:
    """No difference, and the not-worse margin."""
    import altair as alt

    zero = alt.Chart(alt.Data(values=[{"x": 0}])).mark_rule(color=INK, strokeWidth=1.2)
    least = alt.Chart(alt.Data(values=[{"x": margin}])).mark_rule(
        color=QUIET, strokeDash=[5, 4], strokeWidth=1.2
    )
    return [zero.encode(x="x:Q"), least.encode(x="x:Q")]


def _beyond(base: Any, size: Size) -> list[Any]:
    """Differences too far for the axis: an arrow at its edge and the value."""
    import altair as alt

    left = base.transform_filter("!datum.inside && datum.left")
    right = base.transform_filter("!datum.inside && !datum.left")
    words = {"color": QUIET, "fontSize": size.font - 1}
    return [
        left.mark_text(text="◀", align="left", dx=6, color=QUIET).encode(x=alt.value(0)),
        left.mark_text(align="left", dx=22, **words).encode(x=alt.value(0), text="told:N"),
        right.mark_text(text="▶", align="right", dx=-4, color=QUIET).encode(x=alt.value("width")),
        right.mark_text(align="right", dx=-20, **words).encode(x=alt.value("width"), text="told:N"),
    ]
