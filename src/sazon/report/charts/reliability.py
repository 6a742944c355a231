"""Reliability diagram: how often an answer is right, by how sure it was said to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sazon.core.types import ReliabilityBin
from sazon.report import cells
from sazon.report.charts.drawing import INK, KIND_COLOURS, QUIET, Drawn, Size, draw
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

MOST = 8
"""Candidates drawn at most, the best ranked ones."""


def reliability(evidence: Evidence, voice: Voice) -> Drawn | None:
    """One small panel per candidate that states a confidence; the diagonal is perfect."""
    bins = evidence.evaluation.reliability
    stated = {b.candidate for b in bins}
    order = [c.name for c in cells.in_order(evidence) if c.name in stated]
    shown = order[:MOST]
    rows = [_row(b) for b in bins if b.candidate in shown and b.accuracy.value is not None]
    if not rows:
        return None
    left_out = order[MOST:]
    return draw("reliability", lambda size: _panels(rows, shown, voice, size), voice, left_out=left_out)


def _row(found: ReliabilityBin) -> dict[str, Any]:
    accuracy = found.accuracy
    value = 100 * (accuracy.value or 0.0)
    return {
        "name": found.candidate,
        "sure": 100 * found.confidence,
        "right": value,
        "low": value if accuracy.low is None else 100 * accuracy.low,
        "high": value if accuracy.high is None else 100 * accuracy.high,
        "n": accuracy.n or 0,
    }


def _panels(rows: Sequence[dict[str, Any]], order: Sequence[str], voice: Voice, size: Size) -> Any:
    import altair as alt

    columns = min(size.columns, len(order))
    side = min(230, (size.width - 70) // columns - 34)
    scale = alt.Scale(domain=[0, 100], nice=False)
    ticks = [0, 50, 100]
    x = alt.X("sure:Q", scale=scale, axis=alt.Axis(title=voice("scrutiny.sure"), values=ticks))
    y = alt.Y("right:Q", scale=scale, axis=alt.Axis(title=voice("scrutiny.right"), values=ticks))
    # The diagonal is repeated for every panel, so that one table serves all layers.
    ends = [{"name": n, "from": 0, "to": 100} for n in order]
    base = alt.Chart().transform_filter("isValid(datum.sure)")
    diagonal = (
        alt.Chart()
        .transform_filter("isValid(datum.from)")
        .mark_rule(color=QUIET, strokeDash=[4, 4], strokeWidth=1)
        .encode(x=alt.X("from:Q", scale=scale), x2="to:Q", y=alt.Y("from:Q", scale=scale), y2="to:Q")
    )
    colour = KIND_COLOURS["measured"]
    weight = alt.Size("n:Q", scale=alt.Scale(range=[18, 150]), legend=None)
    layers = alt.layer(
        diagonal,
        base.mark_rule(color=colour, strokeWidth=1.4, opacity=0.6).encode(x=x, y="low:Q", y2="high:Q"),
        base.mark_line(color=colour, strokeWidth=1.2, opacity=0.5).encode(x=x, y=y),
        base.mark_point(filled=True, color=colour, opacity=1).encode(x=x, y=y, size=weight),
        data=alt.Data(values=[*rows, *ends]),
    ).properties(width=side, height=side)
    header = alt.Header(title=None, labelColor=INK, labelFontSize=size.font)
    return layers.facet(facet=alt.Facet("name:N", sort=list(order), header=header), columns=columns)
