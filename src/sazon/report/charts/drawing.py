"""How every picture is drawn: sizes, colours, type, and the step from chart to SVG.

Colours are the page's light ones, written as plain hexadecimal; the style sheet turns exactly
these into its own variables, so one SVG serves light, dark and paper. Kinds differ in shape
as well as in colour (Okabe and Ito 2008, darkened for contrast).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sazon.core.types import KINDS, Kind
from sazon.report.voice import NARROW, Voice

INK, QUIET, LINE, PAPER, ACCENT = "#1d2327", "#5f666c", "#e3e0d8", "#fbfaf7", "#0b5d66"
KIND_COLOURS: dict[Kind, str] = {"measured": "#0072b2", "published": "#00795a", "assumed": "#b84700"}
KIND_SHAPES: dict[Kind, str] = {"measured": "circle", "published": "diamond", "assumed": "square"}


@dataclass(frozen=True, kw_only=True)
class Size:
    """A width of screen, in pixels, and what fits on it."""

    name: str
    width: int
    font: int
    columns: int
    label: int
    """Widest label of an axis, in pixels."""


WIDE = Size(name="wide", width=1060, font=13, columns=4, label=220)
NARROW_SIZE = Size(name="narrow", width=350, font=12, columns=2, label=95)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One picture for wide and for narrow screens."""

    wide: str
    narrow: str
    left_out: tuple[str, ...] = ()
    """Candidates that would have squeezed all others."""


def draw(name: str, chart: Callable[[Size], Any], voice: Voice, *, left_out: Iterable[str] = ()) -> Drawn:
    """Draw a chart at both sizes.

    Args:
        name: unique in the page; prefixes the SVG's ids.
        chart: makes the Altair chart for a size.
        voice: whose language writes the numbers of the axes.
        left_out: candidates not drawn.
    """
    wide, narrow = (_svg(f"{name}-{s.name}", chart(s), s, voice) for s in (WIDE, NARROW_SIZE))
    return Drawn(wide=wide, narrow=narrow, left_out=tuple(left_out))


def _svg(name: str, chart: Any, size: Size, voice: Voice) -> str:
    import vl_convert

    spec = chart.configure(**_theme(size)).to_json()
    drawn: str = vl_convert.vegalite_to_svg(spec, format_locale=_locale(voice))
    # Several drawings share one page: their ids must differ. The page scales them, and a
    # background or Vega's own roles would only disturb.
    drawn = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", drawn)
    drawn = re.sub(r'<rect width="[\d.]+" height="[\d.]+" fill="white"/>', "", drawn, count=1)
    drawn = re.sub(r'^(<svg[^>]*?) width="[\d.]+" height="[\d.]+"', r"\1", drawn)
    drawn = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", drawn)
    return drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _theme(size: Size) -> dict[str, Any]:
    text = {
        "labelColor": QUIET,
        "titleColor": QUIET,
        "labelFontSize": size.font - 1,
        "titleFontSize": size.font - 1,
    }
    return {
        "font": "sans-serif",
        "background": "white",
        "padding": {"left": 12, "right": 14, "top": 2, "bottom": 4},
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleFontWeight": "normal",
            "domainColor": LINE,
            "gridColor": LINE,
            "tickColor": LINE,
            "labelLimit": size.label,
            "titlePadding": 10,
        },
        "legend": {
            **text,
            "labelColor": INK,
            "orient": "top",
            "title": None,
            "symbolStrokeWidth": 0,
            "symbolOpacity": 1,
            "offset": 4,
        },
        "header": {"labelColor": INK, "labelFontSize": size.font, "labelFontWeight": "bold", "title": None},
    }


def _locale(voice: Voice) -> dict[str, Any]:
    """Number format of d3 in the voice's language."""
    decimal, thousands = (",", ".") if voice.language == "es" else (".", ",")
    percent = f"{NARROW}%" if voice.language == "es" else "%"
    return {
        "decimal": decimal,
        "thousands": thousands,
        "grouping": [3],
        "currency": ["", ""],
        "percent": percent,
        "minus": "−",
    }


def kinds(present: Iterable[Kind], voice: Voice) -> tuple[Any, Any]:
    """Colour and shape encodings by kind, with one legend of those present."""
    import altair as alt

    held = set(present)
    shown = [k for k in KINDS if k in held]
    words = [voice.kind(k) for k in shown]
    legend = alt.Legend() if words else None
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=words, range=[KIND_COLOURS[k] for k in shown]), legend=legend
    )
    shape = alt.Shape(
        "kind:N", scale=alt.Scale(domain=words, range=[KIND_SHAPES[k] for k in shown]), legend=legend
    )
    return colour, shape


def label_width(names: Iterable[str], size: Size) -> float:
    """Pixels the longest name of an axis takes, at most what the axis shows of it."""
    return min(size.label, max((text_width(n, size) for n in names), default=0.0))


def text_width(text: str, size: Size) -> float:
    """Rough width of a label in pixels."""
    return 0.58 * size.font * len(text)
