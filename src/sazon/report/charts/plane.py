"""The quality–cost plane: intervals both ways, and the frontier of what nothing beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sazon.core.types import Kind
from sazon.report import cells
from sazon.report.charts.drawing import ACCENT, INK, LINE, Drawn, Size, draw, kinds, text_width
from sazon.report.evidence import Evidence
from sazon.report.voice import Voice, quantity

_HOPELESS = 0.45
"""Options this far (in shares) below the best are left out of the plane."""


@dataclass(frozen=True, kw_only=True)
class _Spot:
    name: str
    kind: Kind
    cost: float
    cheap: float
    dear: float
    quality: float
    worse: float
    better: float


def plane(evidence: Evidence, voice: Voice) -> Drawn | None:
    """Accuracy over total cost, both with intervals, the undominated options joined."""
    found = [s for c in cells.in_order(evidence) if (s := _spot(evidence, c.name)) is not None]
    if not found:
        return None
    best = max(s.quality for s in found)
    spots = [s for s in found if s.quality >= best - _HOPELESS]
    left_out = [s.name for s in found if s not in spots]
    return draw("plane", lambda size: _plane(spots, evidence, voice, size), voice, left_out=left_out)


def _spot(evidence: Evidence, name: str) -> _Spot | None:
    quality = evidence.evaluation.estimates.get(name, {}).get("accuracy")
    cost = quantity(evidence.costs, name, "total")
    if quality is None or quality.value is None or cost is None or cost.value is None:
        return None
    return _Spot(
        name=name,
        kind=quality.kind,
        cost=cost.value,
        cheap=cost.low if cost.low is not None else cost.value,
        dear=cost.high if cost.high is not None else cost.value,
        quality=quality.value,
        worse=quality.low if quality.low is not None else quality.value,
        better=quality.high if quality.high is not None else quality.value,
    )


def _frontier(spots: Sequence[_Spot]) -> list[_Spot]:
    """Options that none beats on both cost and quality, cheapest first."""
    kept: list[_Spot] = []
    for spot in sorted(spots, key=lambda s: (s.cost, -s.quality)):
        if not kept or spot.quality > kept[-1].quality:
            kept.append(spot)
    return kept


def _plane(spots: Sequence[_Spot], evidence: Evidence, voice: Voice, size: Size) -> Any:
    import altair as alt

    pixels = _scales(spots, size)
    x, y = _axes(pixels, evidence.currency, voice, size)
    colour, shape = kinds([s.kind for s in spots], voice)
    values = [
        {"name": s.name, "kind": voice.kind(s.kind), "cost": s.cost, "cheap": s.cheap, "dear": s.dear}
        | {"quality": 100 * s.quality, "worse": 100 * s.worse, "better": 100 * s.better}
        for s in spots
    ]
    base = alt.Chart(alt.Data(values=values))
    frontier = [{"cost": s.cost, "quality": 100 * s.quality} for s in _frontier(spots)]
    line = alt.Chart(alt.Data(values=frontier)).mark_line(color=ACCENT, strokeWidth=1.5, strokeDash=[2, 3])
    bar = base.mark_rule(strokeWidth=1.1, opacity=0.45)
    return alt.layer(
        line.encode(x=x, y=y),
        bar.encode(x="cheap:Q", x2="dear:Q", y=y, color=colour),
        bar.encode(x=x, y="worse:Q", y2="better:Q", color=colour),
        base.mark_point(filled=True, size=110, opacity=1).encode(x=x, y=y, color=colour, shape=shape),
        *_names(_labels(values, pixels, evidence.decision.choice, size), size),
    ).properties(width=pixels.width, height=pixels.height)


def _scales(spots: Sequence[_Spot], size: Size) -> _Pixels:
    """Cost across (logarithmic where it spans more than eightfold), accuracy upwards in percent."""
    cheap, dear = min(s.cheap for s in spots), max(s.dear for s in spots)
    logarithmic = cheap > 0 and dear / cheap > 8
    room = max(0.05 * (dear - cheap), 0.01 * abs(dear), 0.01)
    low, high = 100 * min(s.worse for s in spots), 100 * max(s.better for s in spots)
    return _Pixels(
        x=(cheap / 1.15, dear * 1.15) if logarithmic else (cheap - room, dear + room),
        y=(max(0.0, low - 1), min(100.0, high + 1)),
        logarithmic=logarithmic,
        width=size.width - 60,
        height=400 if size.name == "wide" else 300,
    )


def _axes(pixels: _Pixels, currency: str, voice: Voice, size: Size) -> tuple[Any, Any]:
    import altair as alt

    kind = "log" if pixels.logarithmic else "linear"
    title = voice("plane.x_log" if pixels.logarithmic else "plane.x", currency=currency)
    ticks = _ticks(pixels.x, size) if pixels.logarithmic else alt.Undefined
    across = alt.Axis(title=title, format="~s", values=ticks, tickCount=4, grid=False)
    upwards = alt.Axis(title=voice("plane.y"), tickCount=6)
    return (
        alt.X("cost:Q", scale=alt.Scale(type=kind, domain=list(pixels.x), nice=False), axis=across),
        alt.Y("quality:Q", scale=alt.Scale(domain=list(pixels.y), nice=False), axis=upwards),
    )


def _names(labels: Sequence[dict[str, Any]], size: Size) -> list[Any]:
    """The labels, the choice in bold, and a thin line where one had to move away."""
    import altair as alt

    layers = [
        alt.Chart(alt.Data(values=[v for v in labels if v["led"]]))
        .mark_rule(color=LINE, strokeWidth=1)
        .encode(x="from:Q", y="level:Q", x2="cost:Q", y2="quality:Q")
    ]
    for bold in (False, True):
        chart = alt.Chart(alt.Data(values=[v for v in labels if v["choice"] is bold]))
        weight = "bold" if bold else "normal"
        text = chart.mark_text(
            align="left", baseline="middle", color=INK, fontSize=size.font, fontWeight=weight
        )
        layers.append(text.encode(x="cost:Q", y="quality:Q", text="name:N"))
    return layers


def _ticks(domain: Sequence[float], size: Size) -> list[float]:
    """1, 2, 5, 10, … within a logarithmic axis; powers of ten alone where these are too many."""
    powers = range(math.floor(math.log10(domain[0])), math.ceil(math.log10(domain[1])) + 1)
    fine = [m * 10.0**p for p in powers for m in (1, 2, 5) if domain[0] <= m * 10.0**p <= domain[1]]
    if len(fine) <= (10 if size.name == "wide" else 5):
        return fine
    return [10.0**p for p in powers if domain[0] <= 10.0**p <= domain[1]]


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """The plane's scales, so that labels can be kept apart before anything is drawn."""

    x: Sequence[float]
    y: Sequence[float]
    logarithmic: bool
    width: float
    height: float

    def to(self, cost: float, quality: float) -> tuple[float, float]:
        """Data to pixels from the lower left."""
        low, high, value = (self._line(v) for v in (*self.x, cost))
        up = (quality - self.y[0]) / (self.y[1] - self.y[0])
        return self.width * (value - low) / (high - low), self.height * up

    def back(self, across: float, up: float) -> tuple[float, float]:
        """Pixels to data."""
        low, high = (self._line(v) for v in self.x)
        value = low + across / self.width * (high - low)
        cost = math.exp(value) if self.logarithmic else value
        return cost, self.y[0] + up / self.height * (self.y[1] - self.y[0])

    def _line(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def _labels(
    values: Sequence[dict[str, Any]], pixels: _Pixels, choice: str | None, size: Size
) -> list[dict[str, Any]]:
    """Each name at the nearest free place around its point; a thin line where it had to move away."""
    points = [pixels.to(v["cost"], v["quality"]) for v in values]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    placed = []
    for value, (x, y) in zip(values, points, strict=True):
        wide, high = text_width(value["name"], size), size.font + 2
        box, led = _free(x, y, wide, high, taken, pixels)
        taken.append(box)
        cost, quality = pixels.back(box[0], (box[1] + box[3]) / 2)
        placed.append(
            {
                "name": value["name"],
                "cost": cost,
                "quality": quality,
                "led": led,
                "choice": value["name"] == choice,
            }
            | {"from": value["cost"], "level": value["quality"]}
        )
    return placed


Box = tuple[float, float, float, float]


def _free(
    x: float, y: float, wide: float, high: float, taken: Sequence[Box], pixels: _Pixels
) -> tuple[Box, bool]:
    """The first place near (x, y) where a label covers nothing; the last one tried if all are taken."""
    box: Box = (x + 9, y - high / 2, x + 9 + wide, y + high / 2)
    for ring in range(9):
        shift = ring * 0.8 * high
        for left in (x + 9, x - 9 - wide):
            for middle in (y + shift, y - shift):
                box = (left, middle - high / 2, left + wide, middle + high / 2)
                inside = box[0] >= 0 and box[2] <= pixels.width and box[1] >= 0 and box[3] <= pixels.height
                if inside and not any(_overlap(box, other) for other in taken):
                    return box, ring > 1
    return box, True


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
