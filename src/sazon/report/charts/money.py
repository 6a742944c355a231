"""The fan of cumulative cost, and the tornado of what drives the cost gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sazon.core.types import Estimate
from sazon.report import cells
from sazon.report.charts.drawing import ACCENT, INK, QUIET, Drawn, Size, draw, label_width
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice

_LEADERS, _SQUEEZE = 3, 2.0
"""An option whose P90 ends this many times above that of the leaders would flatten all others."""
_MOST_DRIVERS = 10


def fan(evidence: Evidence, voice: Voice) -> Drawn | None:
    """Cumulative cost by month, one small picture per option on one scale."""
    timeline = evidence.costs.timeline
    names = [c.name for c in cells.in_order(evidence) if timeline.get(c.name)]
    if not names:
        return None
    ends = {name: timeline[name][-1][2] for name in names}
    roof = _SQUEEZE * max(ends[name] for name in names[:_LEADERS])
    shown = [name for name in names if ends[name] <= roof]
    values = [
        {"name": name, "month": month, "low": low, "middle": middle, "high": high}
        for name in shown
        for month, (low, middle, high) in _thinned(timeline[name])
    ]
    left_out = [n for n in names if n not in shown]
    return draw("fan", lambda size: _fan(values, shown, evidence, voice, size), voice, left_out=left_out)


def _thinned(
    months: Sequence[tuple[float, float, float]],
) -> list[tuple[int, tuple[float, float, float]]]:
    """At most some forty months, the last one included."""
    step = max(1, len(months) // 36)
    numbered = list(enumerate(months, start=1))
    return numbered[:-1:step] + numbered[-1:]


def _fan(
    values: Sequence[dict[str, Any]], shown: Sequence[str], evidence: Evidence, voice: Voice, size: Size
) -> Any:
    import altair as alt

    gap = 18
    width = (size.width - 60) / size.columns - gap
    x = alt.X(
        "month:Q",
        axis=alt.Axis(title=voice("fan.x"), grid=False, tickCount=4, format="d"),
        scale=alt.Scale(nice=False),
    )
    y = alt.Y("low:Q", axis=alt.Axis(title=None, tickCount=4, format="~s"))
    band = alt.Chart().mark_area(opacity=0.22, color=ACCENT).encode(x=x, y=y, y2="high:Q")
    line = alt.Chart().mark_line(color=ACCENT, strokeWidth=2).encode(x=x, y=alt.Y("middle:Q"))
    return (
        alt.layer(band, line, data=alt.Data(values=list(values)))
        .properties(width=width, height=120 if size.name == "wide" else 100)
        .facet(
            facet=alt.Facet("name:N", sort=list(shown), header=alt.Header(title=None)),
            columns=size.columns,
            spacing=gap,
        )
        .properties(
            title=alt.Title(
                voice("fan.y", currency=evidence.currency),
                anchor="start",
                color=QUIET,
                fontSize=size.font - 1,
                fontWeight="normal",
            )
        )
    )


def tornado(evidence: Evidence, voice: Voice) -> Drawn | None:
    """Rank correlation of the uncertain inputs with the cost gap, strongest first."""
    known = [(n, e, e.value) for n, e in evidence.costs.drivers.items() if e.value is not None]
    if not known:
        return None
    known.sort(key=lambda row: (-abs(row[2]), row[0]))
    values = [_bar(name, e, value, voice) for name, e, value in known[:_MOST_DRIVERS]]
    return draw("tornado", lambda size: _tornado(values, voice, size), voice)


def _bar(name: str, estimate: Estimate, value: float, voice: Voice) -> dict[str, Any]:
    low = estimate.low if estimate.low is not None else value
    high = estimate.high if estimate.high is not None else value
    told = voice.signed(value, digits=2)
    return {"name": voice.driver(name), "value": value, "low": low, "high": high, "told": told}


def _tornado(values: Sequence[dict[str, Any]], voice: Voice, size: Size) -> Any:
    import altair as alt

    reach = min(1.0, 1.25 * max(abs(v[end]) for v in values for end in ("low", "high")))
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    x = alt.X(
        "value:Q",
        scale=scale,
        axis=alt.Axis(
            title=voice("tornado.axis"),
            tickCount=5,
            labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~f')",
        ),
    )
    axis = alt.Axis(
        title=None,
        domain=False,
        ticks=False,
        labelColor=INK,
        labelFontSize=size.font - 1,
        labelLimit=size.label + 70,
    )
    y = alt.Y("name:N", sort=[v["name"] for v in values], axis=axis)
    room = min(size.label + 70, label_width((v["name"] for v in values), size) + 60)
    base = alt.Chart(alt.Data(values=list(values))).encode(y=y)
    return alt.layer(
        base.mark_bar(color=ACCENT, height={"band": 0.55}).encode(x=x),
        base.mark_rule(color=INK, strokeWidth=1.2).encode(x="low:Q", x2="high:Q"),
        alt.Chart(alt.Data(values=[{"x": 0}])).mark_rule(color=INK, strokeWidth=1).encode(x="x:Q"),
        base.transform_filter("datum.value >= 0")
        .mark_text(align="left", dx=6, color=INK, fontSize=size.font - 1)
        .encode(x="high:Q", text="told:N"),
        base.transform_filter("datum.value < 0")
        .mark_text(align="right", dx=-6, color=INK, fontSize=size.font - 1)
        .encode(x="low:Q", text="told:N"),
    ).properties(width=size.width - room, height=28 * len(values) + 6)
